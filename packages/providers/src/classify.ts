import { RemoteFailureError, type RemoteFailure, type RemoteResponse } from './provider.ts'
import { parseRetryAfter } from '@muster/contracts/retry-after'

/**
 * What a status means where the provider says nothing more exact. 408 and 5xx count as unknown: a gateway may have
 * passed the request on. A 403 is taken to be about this one request; providers say `forbidden` where they know it is
 * about the account.
 */
export function classifyByStatus(
  response: RemoteResponse,
  message = `The provider answered ${response.status}.`,
): RemoteFailure {
  const { status } = response
  const wait = parseRetryAfter(response.headers, Date.now())
  const retryAfter = wait === undefined ? {} : { retryAfterMs: wait }
  if (status === 429) return { code: 'rate_limited', disposition: 'throttled', message, ...retryAfter }
  if (status === 401) return { code: 'credentials_rejected', disposition: 'unauthorized', message }
  if (status === 403) return { code: 'permission_denied', disposition: 'rejected', message }
  if (status === 404 || status === 410) return { code: 'provider_not_found', disposition: 'rejected', message }
  if (status === 408 || status >= 500)
    return { code: 'provider_unavailable', disposition: 'unknown', message, ...retryAfter }
  if (status >= 400) return { code: 'provider_validation_failed', disposition: 'rejected', message }
  if (status >= 300) {
    return {
      code: 'provider_not_found',
      disposition: 'rejected',
      message: `The provider answered with a redirect to another address (${status}): check the account's base_url.`,
    }
  }
  return {
    code: 'outcome_unknown',
    disposition: 'unknown',
    message: 'The provider answered with success, but with a body that is not its own.',
  }
}

/**
 * For a look-up that was answered with success in a form that is not the provider's own: it may be asked again, and
 * nothing follows from it.
 */
export function unreadableAnswer(response: RemoteResponse): RemoteFailureError {
  return new RemoteFailureError(
    {
      code: 'provider_unavailable',
      disposition: 'unavailable',
      message: "A look-up was answered with success, but in a form that is not the provider's own.",
    },
    response,
  )
}
