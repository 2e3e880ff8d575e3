/**
 * Names of one zone: IANA's present one first, then its links (tz database, file `backward`). `Intl` is not asked, since
 * its answer differs with its version, and it keeps names that IANA gave up. Only zones that some provider names, or
 * that `Intl` names otherwise, are here; every other has the one name.
 */
const sameZone: readonly (readonly [present: string, ...links: string[]])[] = [
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
  ['Pacific/Auckland', 'NZ', 'Antarctica/South_Pole'],
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
  ['Europe/Kyiv', 'Europe/Kiev', 'Europe/Uzhgorod', 'Europe/Zaporozhye'],
  ['America/Nuuk', 'America/Godthab'],
  [
    'Etc/UTC',
    'UTC',
    'Etc/UCT',
    'UCT',
    'Etc/Universal',
    'Universal',
    'Etc/Zulu',
    'Zulu',
    'Etc/GMT',
    'GMT',
    'Etc/Greenwich',
    'Greenwich',
  ],
  ['America/Mazatlan', 'Mexico/BajaSur'],
  ['America/Regina', 'Canada/Saskatchewan'],
  ['Europe/Warsaw', 'Poland'],
  ['Asia/Urumqi', 'Asia/Kashgar'],
  ['Asia/Ulaanbaatar', 'Asia/Ulan_Bator'],
  ['Australia/Melbourne', 'Australia/Victoria'],
  ['Australia/Brisbane', 'Australia/Queensland'],
  ['Australia/Hobart', 'Australia/Tasmania', 'Australia/Currie'],
  ['America/Detroit', 'US/Michigan'],
  ['America/Edmonton', 'Canada/Mountain', 'America/Yellowknife'],
  ['America/Toronto', 'Canada/Eastern', 'America/Montreal'],
  ['America/Vancouver', 'Canada/Pacific'],
  ['America/Winnipeg', 'Canada/Central'],
  ['Africa/Asmara', 'Africa/Asmera'],
  ['America/Argentina/Catamarca', 'America/Catamarca'],
  ['America/Argentina/Cordoba', 'America/Cordoba'],
  ['America/Argentina/Jujuy', 'America/Jujuy'],
  ['America/Argentina/Mendoza', 'America/Mendoza'],
  ['America/Atikokan', 'America/Coral_Harbour'],
  ['America/Kentucky/Louisville', 'America/Louisville'],
  ['Atlantic/Faroe', 'Atlantic/Faeroe'],
  ['Pacific/Chuuk', 'Pacific/Truk'],
  ['Pacific/Pohnpei', 'Pacific/Ponape'],
]

const byName = new Map(sameZone.flatMap((names) => names.map((name) => [name.toLowerCase(), names] as const)))

/** The zone as it was given, then its other names. */
export function namesOfTimeZone(zone: string): readonly string[] {
  return [zone, ...(byName.get(zone.toLowerCase()) ?? []).filter((name) => name !== zone)]
}

/** IANA's present name; a zone without links stays what it is. */
export function presentTimeZone(zone: string): string {
  return byName.get(zone.toLowerCase())?.[0] ?? zone
}
