import { isJsonObject } from '@muster/contracts/json'
import { z } from 'zod'
import {
  CREDENTIALS_EXPIRED,
  CREDENTIALS_IN_DOUBT,
  INVALID,
  NO_ACCESS,
  NO_ACCESS_IN_DOUBT,
  PASSWORD_REJECTED,
  RATE_LIMITED,
  RETRYING,
  USER_EXISTS,
  NAMED,
  type FailureRow,
} from '../engine/failure-row.ts'
import { classifyByTable, type Said } from '../engine/failure-table.ts'
import { primaryEmailPointer } from '../mapping/emails.ts'
import { looseList, looseText } from '../engine/loose-schema.ts'
import { toPlainText } from '../mapping/plain-text.ts'
import type { CreateInput, RemoteFailure, RemoteResponse } from '../provider.ts'
import { parseRetryAfter, serverTime } from '@muster/contracts/retry-after'

const errorSchema = z.looseObject({
  errorCode: z.string(),
  errorSummary: looseText,
  errorId: looseText,
  errorCauses: looseList(z.looseObject({ errorSummary: z.string() })),
})

/** "Resource not found": a 404 without this code is not Okta's word. */
const RESOURCE_NOT_FOUND = 'E0000007'
/** Said in a header only, so it has no code of Okta's own. */
const MISSING_SCOPE = 'missing scope'

export function isAbsent({ status, body }: RemoteResponse): boolean {
  return status === 404 && errorSchema.safeParse(body).data?.errorCode === RESOURCE_NOT_FOUND
}

/** Every answer has the header; a failure names itself, too. */
export function toProviderRequestId({ headers, body }: RemoteResponse): string | undefined {
  return headers['x-okta-request-id'] ?? errorSchema.safeParse(body).data?.errorId ?? undefined
}

/** A missing scope and an expired token are reported in a header, with an empty body. */
export function isOwnAnswer({ headers, body }: RemoteResponse): boolean {
  return errorSchema.safeParse(body).success || /\berror=/.test(headers['www-authenticate'] ?? '')
}

/** By code (okta-developer-docs, error-codes.json); others by status. */
export const failures: readonly FailureRow[] = [
  { code: MISSING_SCOPE, means: NO_ACCESS },
  { code: 'E0000047', means: RATE_LIMITED },
  { code: ['E0000004', 'E0000011'], means: CREDENTIALS_EXPIRED },
  { code: 'E0000005', means: CREDENTIALS_IN_DOUBT },
  // Seen for some seconds of tokens that may: it is not believed at once.
  { code: ['E0000006', 'E0000015'], means: NO_ACCESS_IN_DOUBT },
  // Read-only mode, and users or user types that are still being set up: nothing was done.
  { code: ['E0000010', 'E0000112', 'E0000253'], means: RETRYING },
  // A search service that is away.
  { code: 'E0000100', means: RETRYING },
  { code: ['E0000014', 'E0000080'], means: PASSWORD_REJECTED, pointer: '/password' },
  { code: 'E0000093', means: INVALID, pointer: '/groups' },
  { code: 'E0000001', says: /already exists/i, means: USER_EXISTS, pointer: NAMED },
  { code: 'E0000001', field: /^password$/, means: PASSWORD_REJECTED, pointer: '/password' },
  { code: 'E0000001', means: INVALID, pointer: NAMED },
  { pointer: NAMED },
]

/** The bucket is a minute wide, so nothing longer is believed. */
const MAX_RESET_MS = 65_000

/** Profile attributes as they begin a cause ("login: …"), and the unified field each is made from. */
const pointers: Readonly<Record<string, string>> = {
  login: '/username',
  secondEmail: '/emails',
  firstName: '/first_name',
  lastName: '/last_name',
  mobilePhone: '/phones',
  primaryPhone: '/phones',
  password: '/password',
  timezone: '/timezone',
  preferredLanguage: '/languages/0',
}

function pointerOf(attribute: string | undefined, input: CreateInput | undefined): string | undefined {
  if (attribute === undefined) return undefined
  const given = input?.user.remote_data?.profile
  if (isJsonObject(given) && Object.hasOwn(given, attribute)) return `/remote_data/profile/${attribute}`
  if (attribute === 'email') return primaryEmailPointer(input)
  return Object.hasOwn(pointers, attribute) ? pointers[attribute] : undefined
}

function readAnswer({ status, headers, body }: RemoteResponse, input: CreateInput | undefined): Said {
  // A missing scope comes with an empty body: the header is all there is.
  if (status === 403 && headers['www-authenticate']?.includes('insufficient_scope'))
    return { codes: [MISSING_SCOPE], message: 'The access token lacks the scope okta.users.manage.' }
  const error = errorSchema.safeParse(body).data
  if (!error) return {}
  const causes = error.errorCauses?.map((cause) => cause.errorSummary) ?? []
  const attribute = [...causes, error.errorSummary ?? '']
    .map((text) => /^(?:Api validation failed: )?(\w+)(?::|$)/.exec(text)?.[1])
    .find((name) => pointerOf(name, input) !== undefined)
  return {
    codes: [error.errorCode],
    text: causes.join('\n'),
    fields: attribute === undefined ? [] : [attribute],
    message:
      toPlainText([error.errorSummary, ...causes].filter(Boolean).join(' — ') || error.errorCode) ||
      `Okta answered ${status}.`,
    pointer: pointerOf(attribute, input),
  }
}

export function classifyFailure(response: RemoteResponse, input?: CreateInput): RemoteFailure {
  const failure = classifyByTable(failures, response, readAnswer(response, input), input)
  return failure.outcome === 'rate_limited' ? { ...failure, ...throttled(response) } : failure
}

/**
 * Okta documents no Retry-After, though a gateway before it may send one. The wait is X-Rate-Limit-Reset (epoch
 * seconds) less the answer's Date, and a second for rounding. A concurrency 429 shows a limit of 0, and then the reset
 * says nothing.
 */
function throttled({ headers }: RemoteResponse): { retryAfterMs?: number } {
  const wait = parseRetryAfter(headers, Date.now())
  if (wait !== undefined) return { retryAfterMs: wait }
  const reset = Number(headers['x-rate-limit-reset'])
  if (headers['x-rate-limit-limit'] === '0') return { retryAfterMs: 2_000 }
  if (!Number.isFinite(reset) || reset <= 0) return {}
  return {
    retryAfterMs: Math.min(Math.max(reset * 1000 - serverTime(headers, Date.now()) + 1_000, 1_000), MAX_RESET_MS),
  }
}
