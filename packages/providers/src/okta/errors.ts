import { isJsonObject } from '@muster/contracts/json'
import { z } from 'zod'
import { classifyByStatus, RETRYING, RATE_LIMITED, type Meaning } from '../engine/classify.ts'
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
const NOT_FOUND = 'E0000007'

export function isAbsent({ status, body }: RemoteResponse): boolean {
  return status === 404 && errorSchema.safeParse(body).data?.errorCode === NOT_FOUND
}

/** Every answer has the header; a failure names itself, too. */
export function toProviderRequestId({ headers, body }: RemoteResponse): string | undefined {
  return headers['x-okta-request-id'] ?? errorSchema.safeParse(body).data?.errorId ?? undefined
}

/** A missing scope and an expired token are reported in a header, with an empty body. */
export function isOwnAnswer({ headers, body }: RemoteResponse): boolean {
  return errorSchema.safeParse(body).success || /\berror=/.test(headers['www-authenticate'] ?? '')
}

/** What a code means whatever the request was (okta-developer-docs, error-codes.json); others by status. */
const codes: Readonly<Record<string, Meaning>> = {
  E0000047: RATE_LIMITED,
  E0000004: { code: 'credentials_rejected', outcome: 'held', certainty: 'confirm' },
  E0000011: { code: 'credentials_rejected', outcome: 'held', certainty: 'confirm' },
  E0000005: { code: 'credentials_rejected', outcome: 'held' },
  // Seen for some seconds of tokens that may: it is not believed at once.
  E0000006: { code: 'permission_denied', outcome: 'held' },
  E0000015: { code: 'permission_denied', outcome: 'held' },
  // Read-only mode, and users or user types that are still being set up: nothing was done.
  E0000010: RETRYING,
  E0000112: RETRYING,
  E0000253: RETRYING,
  // A search service that is away.
  E0000100: RETRYING,
}

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

function pointerOf(attribute: string | undefined, input: CreateInput | undefined): { pointer?: string } {
  if (attribute === undefined) return {}
  const given = input?.user.remote_data?.profile
  if (isJsonObject(given) && Object.hasOwn(given, attribute)) return { pointer: `/remote_data/profile/${attribute}` }
  if (attribute === 'email') return { pointer: primaryEmailPointer(input) }
  return Object.hasOwn(pointers, attribute) ? { pointer: pointers[attribute] } : {}
}

export function classifyFailure(response: RemoteResponse, input?: CreateInput): RemoteFailure {
  const { status, headers } = response
  const challenge = headers['www-authenticate'] ?? ''
  // A missing scope comes with an empty body: the header is all there is.
  if (status === 403 && challenge.includes('insufficient_scope')) {
    return {
      code: 'permission_denied',
      outcome: 'held',
      certainty: 'final',
      message: 'The access token lacks the scope okta.users.manage.',
    }
  }
  const error = errorSchema.safeParse(response.body)
  if (!error.success) return { ...classifyByStatus(response), ...(status === 429 ? throttled(response) : {}) }
  const causes = error.data.errorCauses?.map((cause) => cause.errorSummary) ?? []
  const message =
    toPlainText([error.data.errorSummary, ...causes].filter(Boolean).join(' — ') || error.data.errorCode) ||
    `Okta answered ${status}.`
  const attributes = [...causes, error.data.errorSummary ?? ''].map(
    (text) => /^(?:Api validation failed: )?(\w+)(?::|$)/.exec(text)?.[1],
  )
  const named = attributes.find((attribute) => pointerOf(attribute, input).pointer !== undefined)
  const pointer = pointerOf(named, input)

  const { errorCode } = error.data
  const meaning = Object.hasOwn(codes, errorCode) ? codes[errorCode] : undefined
  if (meaning) return { ...meaning, message, ...(meaning.outcome === 'rate_limited' ? throttled(response) : {}) }

  switch (errorCode) {
    case 'E0000014':
    case 'E0000080':
      return { code: 'password_rejected', outcome: 'failed', message, pointer: '/password' }
    case 'E0000093':
      return { code: 'provider_validation_failed', outcome: 'failed', message, pointer: '/groups' }
    case 'E0000001':
      if (causes.some((cause) => /already exists/i.test(cause)))
        return { code: 'user_exists', outcome: 'failed', message, ...pointer }
      if (named === 'password') return { code: 'password_rejected', outcome: 'failed', message, pointer: '/password' }
      return { code: 'provider_validation_failed', outcome: 'failed', message, ...pointer }
    default:
      return { ...classifyByStatus(response, message), ...pointer }
  }
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
