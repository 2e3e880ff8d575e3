import { z } from 'zod'
import { unreadableAnswer } from '../engine/classify.ts'
import { looseFlag, looseList } from '../engine/loose-schema.ts'
import { namesOfTimeZone } from '@muster/contracts/time-zone-names'
import { UnresolvedInputError, type AccountContext, type CreateInput, type LookUp } from '../provider.ts'
import { dataPath, remoteText } from './user-object.ts'

/**
 * The values that the TimeZoneSidKey picklist of User is known to have (published by HashiCorp's Salesforce provider
 * for Terraform in 2023, as read from an org). They are IANA names, some of them in an older spelling. An org may list
 * more, which its describe shows.
 */
const listed: Readonly<Record<string, string>> = {
  Africa: 'Algiers Cairo Johannesburg Nairobi',
  America:
    'Anchorage Argentina/Buenos_Aires Bogota Caracas Chicago Denver El_Salvador Halifax Indiana/Indianapolis Lima Los_Angeles Mexico_City New_York Panama Phoenix Puerto_Rico Santiago Sao_Paulo St_Johns Tijuana',
  Asia: 'Baghdad Bangkok Colombo Dhaka Dubai Ho_Chi_Minh Hong_Kong Jakarta Jerusalem Kabul Kamchatka Karachi Kathmandu Kolkata Kuala_Lumpur Kuwait Manila Rangoon Riyadh Seoul Shanghai Singapore Taipei Tashkent Tbilisi Tehran Tokyo Yekaterinburg',
  Atlantic: 'Bermuda Cape_Verde South_Georgia',
  Australia: 'Adelaide Darwin Lord_Howe Perth Sydney',
  Europe:
    'Amsterdam Athens Berlin Brussels Bucharest Dublin Helsinki Istanbul Lisbon London Minsk Moscow Paris Prague Rome',
  Pacific: 'Auckland Chatham Enderbury Fiji Guadalcanal Honolulu Kiritimati Niue Norfolk Pago_Pago Tongatapu',
}
const knownTimeZones: ReadonlySet<string> = new Set(
  Object.entries(listed).flatMap(([area, places]) => places.split(' ').map((place) => `${area}/${place}`)),
)

/** Salesforce's spelling of an IANA zone; undefined where only the org's own picklist decides. */
const toTimeZoneSidKey = (zone: string): string | undefined =>
  namesOfTimeZone(zone).find((name) => knownTimeZones.has(name))

/** The spelling that this org's picklist has; undefined when it lists none of them. */
const chooseTimeZoneSidKey = (zone: string, orgTimeZones: readonly string[]): string | undefined =>
  namesOfTimeZone(zone).find((name) => orgTimeZones.includes(name))

/**
 * Zones of the org that are as far from UTC in January and in July: alternatives for a zone that the org lacks.
 */
function toNearbyTimeZones(zone: string, orgTimeZones: readonly string[]): string[] {
  const wanted = offsetsOf(zone)
  return wanted === undefined ? [] : orgTimeZones.filter((candidate) => offsetsOf(candidate) === wanted)
}

function offsetsOf(zone: string): string | undefined {
  try {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
    return [0, 6]
      .map(
        (month) =>
          format.formatToParts(Date.UTC(2026, month, 15)).find((part) => part.type === 'timeZoneName')?.value ?? '',
      )
      .join()
  } catch {
    return undefined
  }
}

const TIME_ZONES = 'time zones'

const describeSchema = z.looseObject({
  fields: z.array(
    z.looseObject({
      name: z.string(),
      picklistValues: looseList(z.looseObject({ value: z.string(), active: looseFlag })),
    }),
  ),
})

/**
 * A zone outside the known list, such as UTC: only the org's own picklist shows whether and under which name it exists.
 */
const isTimeZoneUnknown = (input: CreateInput): boolean =>
  input.user.timezone !== undefined &&
  remoteText(input, 'TimeZoneSidKey') === undefined &&
  toTimeZoneSidKey(input.user.timezone) === undefined

export function timeZoneLookUps(input: CreateInput, account: AccountContext): LookUp[] {
  if (!isTimeZoneUnknown(input)) return []
  const timeZones: LookUp = {
    key: TIME_ZONES,
    request: { method: 'GET', path: `${dataPath(account)}/sobjects/User/describe` },
    placeholder: [input.user.timezone],
    parse(response) {
      const described = describeSchema.safeParse(response.body).data
      if (!described) throw unreadableAnswer(response)
      const field = described.fields.find(({ name }) => name === 'TimeZoneSidKey')
      return (field?.picklistValues ?? []).filter((entry) => entry.active !== false).map((entry) => entry.value)
    },
  }
  return [timeZones]
}

export function resolveTimeZone(input: CreateInput, found: Readonly<Record<string, unknown>>): string | undefined {
  const zone = input.user.timezone
  if (zone === undefined || !isTimeZoneUnknown(input)) return zone && toTimeZoneSidKey(zone)
  const listed = Array.isArray(found[TIME_ZONES]) ? (found[TIME_ZONES] as string[]) : []
  // Nothing known of the org: it is Salesforce's to refuse.
  if (listed.length === 0) return zone
  const chosen = chooseTimeZoneSidKey(zone, listed)
  if (chosen) return chosen
  const nearby = toNearbyTimeZones(zone, listed).slice(0, 8)
  const advice = nearby.length > 0 ? ` It lists with the same offsets: ${nearby.join(', ')}.` : ''
  throw new UnresolvedInputError('/timezone', `This Salesforce org does not list the time zone ${zone}.${advice}`)
}
