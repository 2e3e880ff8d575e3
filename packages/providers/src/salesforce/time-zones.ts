/**
 * The values that the TimeZoneSidKey picklist of User is known to have (published by HashiCorp's Salesforce provider for Terraform in 2023, as read from an org).
 * They are IANA names, some of them in an older spelling. An org may list more, which its describe tells.
 */
const listed: Readonly<Record<string, string>> = {
  Africa: 'Algiers Cairo Johannesburg Nairobi',
  America:
    'Anchorage Argentina/Buenos_Aires Bogota Caracas Chicago Denver El_Salvador Halifax Indiana/Indianapolis Lima Los_Angeles Mexico_City New_York Panama Phoenix Puerto_Rico Santiago Sao_Paulo St_Johns Tijuana',
  Asia: 'Baghdad Bangkok Colombo Dhaka Dubai Ho_Chi_Minh Hong_Kong Jakarta Jerusalem Kabul Kamchatka Karachi Kathmandu Kolkata Kuala_Lumpur Kuwait Manila Rangoon Riyadh Seoul Shanghai Singapore Taipei Tashkent Tbilisi Tehran Tokyo Yekaterinburg',
  Atlantic: 'Bermuda Cape_Verde South_Georgia',
  Australia: 'Adelaide Darwin Lord_Howe Perth Sydney',
  Europe: 'Amsterdam Athens Berlin Brussels Bucharest Dublin Helsinki Istanbul Lisbon London Minsk Moscow Paris Prague Rome',
  Pacific: 'Auckland Chatham Enderbury Fiji Guadalcanal Honolulu Kiritimati Niue Norfolk Pago_Pago Tongatapu',
}
const knownTimeZones: ReadonlySet<string> = new Set(Object.entries(listed).flatMap(([area, places]) => places.split(' ').map((place) => `${area}/${place}`)))

/** Names of one zone: IANA's own first, then its links (tz database, file `backward`). */
const sameZone: readonly (readonly string[])[] = [
  ['Asia/Yangon', 'Asia/Rangoon'],
  ['Asia/Kolkata', 'Asia/Calcutta'],
  ['Asia/Kathmandu', 'Asia/Katmandu'],
  ['Asia/Ho_Chi_Minh', 'Asia/Saigon'],
  ['Asia/Dhaka', 'Asia/Dacca'],
  ['Asia/Shanghai', 'Asia/Chongqing', 'Asia/Chungking', 'Asia/Harbin', 'PRC'],
  ['Asia/Jerusalem', 'Asia/Tel_Aviv', 'Israel'],
  ['Asia/Hong_Kong', 'Hongkong'],
  ['Asia/Singapore', 'Singapore'],
  ['Asia/Seoul', 'ROK'],
  ['Asia/Taipei', 'ROC'],
  ['Asia/Tokyo', 'Japan'],
  ['Asia/Tehran', 'Iran'],
  ['Pacific/Kanton', 'Pacific/Enderbury'],
  ['Pacific/Pago_Pago', 'Pacific/Samoa', 'US/Samoa'],
  ['Pacific/Auckland', 'NZ'],
  ['Pacific/Chatham', 'NZ-CHAT'],
  ['Pacific/Honolulu', 'Pacific/Johnston', 'US/Hawaii'],
  ['Australia/Sydney', 'Australia/ACT', 'Australia/Canberra', 'Australia/NSW'],
  ['Australia/Darwin', 'Australia/North'],
  ['Australia/Adelaide', 'Australia/South'],
  ['Australia/Perth', 'Australia/West'],
  ['Australia/Lord_Howe', 'Australia/LHI'],
  ['America/Argentina/Buenos_Aires', 'America/Buenos_Aires'],
  ['America/Indiana/Indianapolis', 'America/Indianapolis', 'America/Fort_Wayne', 'US/East-Indiana'],
  ['America/New_York', 'US/Eastern'],
  ['America/Chicago', 'US/Central'],
  ['America/Denver', 'US/Mountain', 'America/Shiprock', 'Navajo'],
  ['America/Phoenix', 'US/Arizona'],
  ['America/Los_Angeles', 'US/Pacific'],
  ['America/Anchorage', 'US/Alaska'],
  ['America/Tijuana', 'America/Ensenada', 'America/Santa_Isabel', 'Mexico/BajaNorte'],
  ['America/Mexico_City', 'Mexico/General'],
  ['America/Sao_Paulo', 'Brazil/East'],
  ['America/Santiago', 'Chile/Continental'],
  ['America/St_Johns', 'Canada/Newfoundland'],
  ['America/Halifax', 'Canada/Atlantic'],
  ['Africa/Cairo', 'Egypt'],
  ['Europe/London', 'GB', 'GB-Eire', 'Europe/Belfast'],
  ['Europe/Dublin', 'Eire'],
  ['Europe/Lisbon', 'Portugal'],
  ['Europe/Moscow', 'W-SU'],
  ['Europe/Istanbul', 'Asia/Istanbul', 'Turkey'],
  ['Europe/Kyiv', 'Europe/Kiev'],
  ['America/Nuuk', 'America/Godthab'],
  ['Etc/UTC', 'UTC', 'Etc/UCT', 'UCT', 'Etc/Universal', 'Universal', 'Etc/Zulu', 'Zulu', 'Etc/GMT', 'GMT', 'Etc/Greenwich', 'Greenwich'],
]

const namesOf = (zone: string): readonly string[] => {
  const group = sameZone.find((names) => names.includes(zone))
  return group ? [zone, ...group.filter((name) => name !== zone)] : [zone]
}

/** Salesforce's spelling of an IANA zone; undefined where only the org's own picklist can tell. */
export const toTimeZoneSidKey = (zone: string): string | undefined => namesOf(zone).find((name) => knownTimeZones.has(name))

/** The spelling that this org's picklist has; undefined when it lists none of them. */
export const chooseTimeZoneSidKey = (zone: string, orgTimeZones: readonly string[]): string | undefined => namesOf(zone).find((name) => orgTimeZones.includes(name))

/** IANA's own name for what Salesforce says. */
export const toIanaTimeZone = (timeZoneSidKey: string): string => sameZone.find((names) => names.includes(timeZoneSidKey))?.[0] ?? timeZoneSidKey

/** Zones of the org that are as far from UTC in January and in July: what somebody who cannot have the one would choose. */
export function toNearbyTimeZones(zone: string, orgTimeZones: readonly string[]): string[] {
  const wanted = offsetsOf(zone)
  return wanted === undefined ? [] : orgTimeZones.filter((candidate) => offsetsOf(candidate) === wanted)
}

function offsetsOf(zone: string): string | undefined {
  try {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
    return [0, 6].map((month) => format.formatToParts(Date.UTC(2026, month, 15)).find((part) => part.type === 'timeZoneName')?.value ?? '').join()
  } catch {
    return undefined
  }
}
