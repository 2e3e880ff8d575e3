import { isJsonObject } from '@muster/contracts/json'
import { z } from 'zod'
import { classifyByStatus } from '../classify.ts'
import { primaryEmailPointer } from '../emails.ts'
import { looseList, looseText } from '../loose-schema.ts'
import { toPlainText } from '../plain-text.ts'
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
      disposition: 'forbidden',
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

  switch (error.data.errorCode) {
    case 'E0000047':
      return { code: 'rate_limited', disposition: 'throttled', message, ...throttled(response) }
    case 'E0000011':
    case 'E0000005':
      return { code: 'credentials_rejected', disposition: 'unauthorized', message }
    case 'E0000006':
    case 'E0000015':
      return { code: 'permission_denied', disposition: 'forbidden', message }
    case 'E0000014':
    case 'E0000080':
      return { code: 'password_rejected', disposition: 'rejected', message, pointer: '/password' }
    // Read-only mode, and users or user types that are still being set up: nothing was done.
    case 'E0000010':
    case 'E0000112':
    case 'E0000253':
      return { code: 'provider_unavailable', disposition: 'unavailable', message }
    case 'E0000093':
      return { code: 'provider_validation_failed', disposition: 'rejected', message, pointer: '/groups' }
    case 'E0000001':
      if (causes.some((cause) => /already exists/i.test(cause)))
        return { code: 'user_exists', disposition: 'rejected', message, ...pointer }
      if (named === 'password')
        return { code: 'password_rejected', disposition: 'rejected', message, pointer: '/password' }
      return { code: 'provider_validation_failed', disposition: 'rejected', message, ...pointer }
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
