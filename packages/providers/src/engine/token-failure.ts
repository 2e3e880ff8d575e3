import { parseRetryAfter } from '@muster/contracts/retry-after'
import { z } from 'zod'
import {
  CREDENTIALS_IN_DOUBT,
  CREDENTIALS_REJECTED,
  NO_ACCESS,
  RETRYING,
  RATE_LIMITED,
  type Meaning,
} from './failure-row.ts'
import { looseText } from './loose-schema.ts'
import { toPlainText } from '../mapping/plain-text.ts'
import type { RemoteFailure, RemoteResponse } from '../provider.ts'

/** By the code in `error`, or in a vendor's own `errorCode` or `status`. Any other code is a refusal in doubt. */
const tokenErrors: Readonly<Record<string, Meaning>> = {
  // RFC 6749 section 5.2.
  invalid_grant: CREDENTIALS_REJECTED,
  invalid_client: CREDENTIALS_REJECTED,
  unauthorized_client: CREDENTIALS_REJECTED,
  invalid_scope: NO_ACCESS,
  // RFC 6749 section 4.1.2.1, sent by token endpoints too.
  server_error: RETRYING,
  temporarily_unavailable: RETRYING,
  // RFC 8628 section 3.5.
  slow_down: RATE_LIMITED,
  // Salesforce, "retry your request": amazon-connect-salesforce-lambda#43.
  unknown_error: RETRYING,
  // Google: "Backend Error", and the codes of google.rpc.Code.
  internal_failure: RETRYING,
  internal_error: RETRYING,
  backend_error: RETRYING,
  rate_limit_exceeded: RATE_LIMITED,
  RESOURCE_EXHAUSTED: RATE_LIMITED,
  UNAVAILABLE: RETRYING,
  INTERNAL: RETRYING,
  DEADLINE_EXCEEDED: RETRYING,
  ABORTED: RETRYING,
  // Google, "Authorization errors": the OAuth client itself is gone.
  deleted_client: CREDENTIALS_REJECTED,
  disabled_client: CREDENTIALS_REJECTED,
  // Okta's error codes.
  too_many_requests: RATE_LIMITED,
  E0000047: RATE_LIMITED,
  E0000009: RETRYING,
  E0000010: RETRYING,
}

/** Said in passing beside whatever code. */
const tokenWords: readonly (readonly [words: RegExp, meaning: Meaning])[] = [
  // Salesforce, beside invalid_grant: more than 3,600 logins of a user in an hour.
  [/login rate exceeded/i, RATE_LIMITED],
  // Salesforce, of two renewals at once. The second wording came beside invalid_grant, though no code was exchanged:
  // segmentio/action-destinations#2300.
  [/already being processed|expired authorization code/i, RETRYING],
]
/** The same beside a code that alone does not mean a lasting refusal. */
const doubtfulWords: typeof tokenWords = [
  [/too many requests|rate limit|quota/i, RATE_LIMITED],
  [/retry|try again|temporar|unavailable|internal (?:server )?error|timed? ?out|overload|maintenance/i, RETRYING],
]

const tokenErrorSchema = z.looseObject({
  error: z
    .union([z.string(), z.looseObject({ status: looseText, message: looseText })])
    .nullish()
    .catch(null),
  error_description: looseText,
  errorCode: looseText,
  errorSummary: looseText,
})

function readTokenError(body: unknown): { code: string; said: string } | undefined {
  const parsed = tokenErrorSchema.safeParse(body)
  if (!parsed.success) return undefined
  const { error, error_description, errorCode, errorSummary } = parsed.data
  const [code, words] =
    typeof error === 'string'
      ? [error, error_description]
      : error
        ? [error.status, error.message]
        : [errorCode, errorSummary]
  return { code: code ?? '', said: toPlainText([code, words].filter(Boolean).join(': ')) }
}

/**
 * Asking for a token creates nothing, so whatever is not said to last may be asked again. An answer that is not of a
 * token endpoint's form is a gateway's, and refuses nothing.
 */
export function classifyTokenFailure(response: RemoteResponse): RemoteFailure {
  const error = readTokenError(response.body)
  const said = error?.said || `status ${response.status}`
  const meaning = toTokenMeaning(response, error)
  const wait = parseRetryAfter(response.headers, Date.now())
  const retryAfter = wait === undefined ? {} : { retryAfterMs: wait }
  if (meaning.outcome === 'rate_limited')
    return { ...meaning, message: `The token endpoint is throttling (${said}).`, ...retryAfter }
  if (meaning.outcome === 'retrying')
    return { ...meaning, message: `The token endpoint failed (${said}).`, ...retryAfter }
  return { ...meaning, message: `The token endpoint refused the credentials (${said}).` }
}

function toTokenMeaning(response: RemoteResponse, error: ReturnType<typeof readTokenError>): Meaning {
  if (response.status === 429) return RATE_LIMITED
  if (response.status >= 500 || response.status === 408) return RETRYING
  if (!error?.said) return RETRYING
  const wordsOf = (table: typeof tokenWords) => table.find(([words]) => words.test(error.said))?.[1]
  return (
    wordsOf(tokenWords) ??
    (Object.hasOwn(tokenErrors, error.code) ? tokenErrors[error.code] : undefined) ??
    wordsOf(doubtfulWords) ??
    CREDENTIALS_IN_DOUBT
  )
}
