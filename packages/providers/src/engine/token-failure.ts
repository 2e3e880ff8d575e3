import { parseRetryAfter } from '@muster/contracts/retry-after'
import { z } from 'zod'
import { PASSING, THROTTLED, type Verdict } from './classify.ts'
import { looseText } from './loose-schema.ts'
import { toPlainText } from '../mapping/plain-text.ts'
import type { RemoteFailure, RemoteResponse } from '../provider.ts'

const REFUSED: Verdict = { code: 'credentials_rejected', disposition: 'unauthorized', certainty: 'final' }

/** By the code in `error`, or in a vendor's own `errorCode` or `status`. Any other code is a refusal in doubt. */
const tokenErrors: Readonly<Record<string, Verdict>> = {
  // RFC 6749 section 5.2.
  invalid_grant: REFUSED,
  invalid_client: REFUSED,
  unauthorized_client: REFUSED,
  invalid_scope: { code: 'permission_denied', disposition: 'forbidden', certainty: 'final' },
  // RFC 6749 section 4.1.2.1, sent by token endpoints too.
  server_error: PASSING,
  temporarily_unavailable: PASSING,
  // RFC 8628 section 3.5.
  slow_down: THROTTLED,
  // Salesforce, "retry your request": amazon-connect-salesforce-lambda#43.
  unknown_error: PASSING,
  // Google: "Backend Error", and the codes of google.rpc.Code.
  internal_failure: PASSING,
  internal_error: PASSING,
  backend_error: PASSING,
  rate_limit_exceeded: THROTTLED,
  RESOURCE_EXHAUSTED: THROTTLED,
  UNAVAILABLE: PASSING,
  INTERNAL: PASSING,
  DEADLINE_EXCEEDED: PASSING,
  ABORTED: PASSING,
  // Google, "Authorization errors": the OAuth client itself is gone.
  deleted_client: REFUSED,
  disabled_client: REFUSED,
  // Okta's error codes.
  too_many_requests: THROTTLED,
  E0000047: THROTTLED,
  E0000009: PASSING,
  E0000010: PASSING,
}

/** Said in passing beside whatever code. */
const tokenWords: readonly (readonly [words: RegExp, verdict: Verdict])[] = [
  // Salesforce, beside invalid_grant: more than 3,600 logins of a user in an hour.
  [/login rate exceeded/i, THROTTLED],
  // Salesforce, of two renewals at once. The second wording came beside invalid_grant, though no code was exchanged:
  // segmentio/action-destinations#2300.
  [/already being processed|expired authorization code/i, PASSING],
]
/** The same beside a code that does not by itself mean a lasting refusal. */
const doubtfulWords: typeof tokenWords = [
  [/too many requests|rate limit|quota/i, THROTTLED],
  [/retry|try again|temporar|unavailable|internal (?:server )?error|timed? ?out|overload|maintenance/i, PASSING],
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
  const verdict = toTokenVerdict(response, error)
  const wait = parseRetryAfter(response.headers, Date.now())
  const retryAfter = wait === undefined ? {} : { retryAfterMs: wait }
  if (verdict.disposition === 'throttled')
    return { ...verdict, message: `The token endpoint is throttling (${said}).`, ...retryAfter }
  if (verdict.disposition === 'unavailable')
    return { ...verdict, message: `The token endpoint failed (${said}).`, ...retryAfter }
  return { ...verdict, message: `The token endpoint refused the credentials (${said}).` }
}

function toTokenVerdict(response: RemoteResponse, error: ReturnType<typeof readTokenError>): Verdict {
  if (response.status === 429) return THROTTLED
  if (response.status >= 500 || response.status === 408) return PASSING
  if (!error?.said) return PASSING
  const wordsOf = (table: typeof tokenWords) => table.find(([words]) => words.test(error.said))?.[1]
  return (
    wordsOf(tokenWords) ??
    (Object.hasOwn(tokenErrors, error.code) ? tokenErrors[error.code] : undefined) ??
    wordsOf(doubtfulWords) ?? { code: 'credentials_rejected', disposition: 'unauthorized' }
  )
}
