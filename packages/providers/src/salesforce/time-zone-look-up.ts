import { z } from 'zod'
import { unreadableAnswer } from '../engine/classify.ts'
import { looseFlag, looseList } from '../engine/loose-schema.ts'
import { UnresolvedInputError, type AccountContext, type CreateInput, type LookUp } from '../provider.ts'
import { remoteText } from './identity.ts'
import { dataPath } from './soql.ts'
import { chooseTimeZoneSidKey, toNearbyTimeZones, toTimeZoneSidKey } from './time-zones.ts'

const TIME_ZONES = 'time zones'

const describeSchema = z.looseObject({
  fields: z.array(
    z.looseObject({
      name: z.string(),
      picklistValues: looseList(z.looseObject({ value: z.string(), active: looseFlag })),
    }),
  ),
})

/** A zone outside the known list, such as UTC: only the org's own picklist tells whether and how it can be had. */
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
