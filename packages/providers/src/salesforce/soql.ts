import { z } from 'zod'
import { firstText } from '../mapping/first-text.ts'
import type { AccountContext, RemoteRequest } from '../provider.ts'
import { pathOf } from '../engine/remote-request.ts'

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

/** The rows of a query's answer; undefined when it is no such answer. */
export function toRecords(body: unknown): unknown[] | undefined {
  return resultSchema.safeParse(body).data?.records
}
