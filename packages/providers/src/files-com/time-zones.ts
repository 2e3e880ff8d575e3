import { presentTimeZone } from '@muster/contracts/time-zone-names'

/**
 * Files.com names time zones as Rails does ("Pacific Time (US & Canada)" in its own examples). Whether it takes IANA
 * names too is not known.
 * Source of the pairs: ActiveSupport::TimeZone::MAPPING of Ruby on Rails. Each row: the IANA name in its present
 *   spelling, the label that is sent,
 * further labels that mean the same zone.
 */
const zones: readonly (readonly [iana: string, label: string, ...others: string[]])[] = [
  ['Etc/GMT+12', 'International Date Line West'],
  ['Pacific/Midway', 'Midway Island'],
  ['Pacific/Pago_Pago', 'American Samoa'],
  ['Pacific/Honolulu', 'Hawaii'],
  ['America/Juneau', 'Alaska'],
  ['America/Los_Angeles', 'Pacific Time (US & Canada)'],
  ['America/Tijuana', 'Tijuana'],
  ['America/Denver', 'Mountain Time (US & Canada)'],
  ['America/Phoenix', 'Arizona'],
  ['America/Chihuahua', 'Chihuahua'],
  ['America/Mazatlan', 'Mazatlan'],
  ['America/Chicago', 'Central Time (US & Canada)'],
  ['America/Regina', 'Saskatchewan'],
  ['America/Mexico_City', 'Mexico City', 'Guadalajara'],
  ['America/Monterrey', 'Monterrey'],
  ['America/Guatemala', 'Central America'],
  ['America/New_York', 'Eastern Time (US & Canada)'],
  ['America/Indiana/Indianapolis', 'Indiana (East)'],
  ['America/Bogota', 'Bogota'],
  ['America/Lima', 'Lima', 'Quito'],
  ['America/Halifax', 'Atlantic Time (Canada)'],
  ['America/Caracas', 'Caracas'],
  ['America/La_Paz', 'La Paz'],
  ['America/Santiago', 'Santiago'],
  ['America/St_Johns', 'Newfoundland'],
  ['America/Sao_Paulo', 'Brasilia'],
  ['America/Argentina/Buenos_Aires', 'Buenos Aires'],
  ['America/Montevideo', 'Montevideo'],
  ['America/Guyana', 'Georgetown'],
  ['America/Puerto_Rico', 'Puerto Rico'],
  ['America/Nuuk', 'Greenland'],
  ['Atlantic/South_Georgia', 'Mid-Atlantic'],
  ['Atlantic/Azores', 'Azores'],
  ['Atlantic/Cape_Verde', 'Cape Verde Is.'],
  ['Europe/Dublin', 'Dublin'],
  ['Europe/London', 'London', 'Edinburgh'],
  ['Europe/Lisbon', 'Lisbon'],
  ['Africa/Casablanca', 'Casablanca'],
  ['Africa/Monrovia', 'Monrovia'],
  ['Etc/UTC', 'UTC'],
  ['Europe/Belgrade', 'Belgrade'],
  ['Europe/Bratislava', 'Bratislava'],
  ['Europe/Budapest', 'Budapest'],
  ['Europe/Ljubljana', 'Ljubljana'],
  ['Europe/Prague', 'Prague'],
  ['Europe/Sarajevo', 'Sarajevo'],
  ['Europe/Skopje', 'Skopje'],
  ['Europe/Warsaw', 'Warsaw'],
  ['Europe/Zagreb', 'Zagreb'],
  ['Europe/Brussels', 'Brussels'],
  ['Europe/Copenhagen', 'Copenhagen'],
  ['Europe/Madrid', 'Madrid'],
  ['Europe/Paris', 'Paris'],
  ['Europe/Amsterdam', 'Amsterdam'],
  ['Europe/Berlin', 'Berlin'],
  ['Europe/Zurich', 'Zurich', 'Bern'],
  ['Europe/Rome', 'Rome'],
  ['Europe/Stockholm', 'Stockholm'],
  ['Europe/Vienna', 'Vienna'],
  ['Africa/Algiers', 'West Central Africa'],
  ['Europe/Bucharest', 'Bucharest'],
  ['Africa/Cairo', 'Cairo'],
  ['Europe/Helsinki', 'Helsinki'],
  // Kiev: what Rails wrote before its version 7.
  ['Europe/Kyiv', 'Kyiv', 'Kiev'],
  ['Europe/Riga', 'Riga'],
  ['Europe/Sofia', 'Sofia'],
  ['Europe/Tallinn', 'Tallinn'],
  ['Europe/Vilnius', 'Vilnius'],
  ['Europe/Athens', 'Athens'],
  ['Europe/Istanbul', 'Istanbul'],
  ['Europe/Minsk', 'Minsk'],
  ['Asia/Jerusalem', 'Jerusalem'],
  ['Africa/Harare', 'Harare'],
  ['Africa/Johannesburg', 'Pretoria'],
  ['Europe/Kaliningrad', 'Kaliningrad'],
  ['Europe/Moscow', 'Moscow', 'St. Petersburg'],
  ['Europe/Volgograd', 'Volgograd'],
  ['Europe/Samara', 'Samara'],
  ['Asia/Kuwait', 'Kuwait'],
  ['Asia/Riyadh', 'Riyadh'],
  ['Africa/Nairobi', 'Nairobi'],
  ['Asia/Baghdad', 'Baghdad'],
  ['Asia/Tehran', 'Tehran'],
  ['Asia/Muscat', 'Muscat', 'Abu Dhabi'],
  ['Asia/Baku', 'Baku'],
  ['Asia/Tbilisi', 'Tbilisi'],
  ['Asia/Yerevan', 'Yerevan'],
  ['Asia/Kabul', 'Kabul'],
  ['Asia/Yekaterinburg', 'Ekaterinburg'],
  ['Asia/Karachi', 'Karachi', 'Islamabad'],
  ['Asia/Tashkent', 'Tashkent'],
  ['Asia/Kolkata', 'Kolkata', 'Chennai', 'Mumbai', 'New Delhi'],
  ['Asia/Kathmandu', 'Kathmandu'],
  ['Asia/Dhaka', 'Dhaka'],
  ['Asia/Colombo', 'Sri Jayawardenepura'],
  // Older versions of Rails put Astana beside Dhaka.
  ['Asia/Almaty', 'Almaty', 'Astana'],
  ['Asia/Novosibirsk', 'Novosibirsk'],
  ['Asia/Yangon', 'Rangoon'],
  ['Asia/Bangkok', 'Bangkok', 'Hanoi'],
  ['Asia/Jakarta', 'Jakarta'],
  ['Asia/Krasnoyarsk', 'Krasnoyarsk'],
  ['Asia/Shanghai', 'Beijing', 'Chongqing'],
  ['Asia/Hong_Kong', 'Hong Kong'],
  ['Asia/Urumqi', 'Urumqi'],
  ['Asia/Kuala_Lumpur', 'Kuala Lumpur'],
  ['Asia/Singapore', 'Singapore'],
  ['Asia/Taipei', 'Taipei'],
  ['Australia/Perth', 'Perth'],
  ['Asia/Irkutsk', 'Irkutsk'],
  ['Asia/Ulaanbaatar', 'Ulaanbaatar'],
  ['Asia/Seoul', 'Seoul'],
  ['Asia/Tokyo', 'Tokyo', 'Osaka', 'Sapporo'],
  ['Asia/Yakutsk', 'Yakutsk'],
  ['Australia/Darwin', 'Darwin'],
  ['Australia/Adelaide', 'Adelaide'],
  ['Australia/Melbourne', 'Melbourne', 'Canberra'],
  ['Australia/Sydney', 'Sydney'],
  ['Australia/Brisbane', 'Brisbane'],
  ['Australia/Hobart', 'Hobart'],
  ['Asia/Vladivostok', 'Vladivostok'],
  ['Pacific/Guam', 'Guam'],
  ['Pacific/Port_Moresby', 'Port Moresby'],
  ['Asia/Magadan', 'Magadan'],
  ['Asia/Srednekolymsk', 'Srednekolymsk'],
  ['Pacific/Guadalcanal', 'Solomon Is.'],
  ['Pacific/Noumea', 'New Caledonia'],
  ['Pacific/Fiji', 'Fiji'],
  ['Asia/Kamchatka', 'Kamchatka'],
  ['Pacific/Majuro', 'Marshall Is.'],
  ['Pacific/Auckland', 'Auckland', 'Wellington'],
  ['Pacific/Tongatapu', "Nuku'alofa"],
  ['Pacific/Fakaofo', 'Tokelau Is.'],
  ['Pacific/Chatham', 'Chatham Is.'],
  ['Pacific/Apia', 'Samoa'],
]

/** Zones that a label covers by its own words, though Rails gives it to another city that keeps the same time. */
const covered: Readonly<Record<string, string>> = {
  'America/Anchorage': 'Alaska',
  'America/Detroit': 'Eastern Time (US & Canada)',
  'America/Edmonton': 'Mountain Time (US & Canada)',
  'America/Guayaquil': 'Quito',
  'America/Toronto': 'Eastern Time (US & Canada)',
  'America/Vancouver': 'Pacific Time (US & Canada)',
  'America/Winnipeg': 'Central Time (US & Canada)',
  'Asia/Dubai': 'Abu Dhabi',
  'Asia/Ho_Chi_Minh': 'Hanoi',
}

/** One for all names of a zone, in whatever case (US/Pacific, Asia/Calcutta, europe/kiev). */
const keyOf = (iana: string): string => presentTimeZone(iana).toLowerCase()

const ianaByLabel = new Map(
  zones.flatMap(([iana, ...labels]) => labels.map((label): [string, string] => [label, iana])),
)
const labelByZone = new Map(zones.map(([iana, label]): [string, string] => [keyOf(iana), label]))
const coveredByZone = new Map(Object.entries(covered).map(([iana, label]): [string, string] => [keyOf(iana), label]))

export interface RailsTimeZone {
  label: string
  /** exact: the same zone. covered: another zone that the label speaks of too. unknown: passed on as it came. */
  match: 'exact' | 'covered' | 'unknown'
}

/** A Rails label stays what it is. */
export function toRailsTimeZone(timezone: string): RailsTimeZone {
  if (ianaByLabel.has(timezone)) return { label: timezone, match: 'exact' }
  const exact = labelByZone.get(keyOf(timezone))
  if (exact !== undefined) return { label: exact, match: 'exact' }
  const near = coveredByZone.get(keyOf(timezone))
  return near === undefined ? { label: timezone, match: 'unknown' } : { label: near, match: 'covered' }
}

/** A label that Rails does not know, or that is an IANA name already, stays what it is. */
export function toIanaTimeZone(label: string): string {
  return ianaByLabel.get(label) ?? label
}
