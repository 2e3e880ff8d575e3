import type { JsonObject } from '@muster/contracts/json'
import { z } from 'zod'
import { pathOf } from '../engine/remote-request.ts'
import { firstText } from '../mapping/first-text.ts'
import type { AccountContext, CreateInput, RemoteRequest } from '../provider.ts'

/** Seen in recorded traffic of May 2026; versions stay callable for years. */
export const DEFAULT_API_VERSION = 'v66.0'

export function dataPath(account: AccountContext): string {
  const version = firstText(account.config.api_version) ?? DEFAULT_API_VERSION
  return pathOf`/services/data/${version.startsWith('v') ? version : `v${version}`}`
}

/** SOQL string literals: the backslash and the quote are escaped by a backslash. */
export const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

export const toQuery = (account: AccountContext, soql: string): RemoteRequest => ({
  method: 'GET',
  path: `${dataPath(account)}/query`,
  query: { q: soql },
})

const resultSchema = z.looseObject({ records: z.array(z.unknown()) })

/** The rows of a query's answer; undefined for any other answer. */
export function toRecords(body: unknown): unknown[] | undefined {
  return resultSchema.safeParse(body).data?.records
}

/** The fields of User that mean something here, in Salesforce's own spelling. */
const fields = [
  'Username Email FirstName LastName Alias CommunityNickname TimeZoneSidKey LocaleSidKey EmailEncodingKey',
  'LanguageLocaleKey ProfileId UserRoleId Phone Extension MobilePhone Fax IsActive',
].flatMap((line) => line.split(' '))
const spellings = new Map(fields.map((name) => [name.toLowerCase(), name]))
const spell = (name: string): string => spellings.get(name.toLowerCase()) ?? name

/**
 * Salesforce takes the names of fields in any case. Here each has one spelling, so that a field is in the body once,
 * and whatever reads it finds it.
 */
export function remoteDataOf({ user }: CreateInput): JsonObject {
  return Object.fromEntries(Object.entries(user.remote_data ?? {}).map(([name, value]) => [spell(name), value]))
}

/** Names of fields that remote_data gives a second time, in another case. */
export function repeatedFields({ user }: CreateInput): string[] {
  const seen = new Set<string>()
  return Object.keys(user.remote_data ?? {}).filter((name) => {
    const isRepeated = seen.has(name.toLowerCase())
    seen.add(name.toLowerCase())
    return isRepeated
  })
}

/** Where remote_data gives the field, as it spells it. */
export function remoteFieldPointer({ user }: CreateInput, field: string): string | undefined {
  const name = Object.keys(user.remote_data ?? {}).find((given) => given.toLowerCase() === field.toLowerCase())
  return name === undefined ? undefined : `/remote_data/${name}`
}

export const remoteText = (input: CreateInput, field: string): string | undefined =>
  firstText(remoteDataOf(input)[field])
