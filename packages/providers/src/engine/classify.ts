import {
  RemoteFailureError,
  type CallContext,
  type CreateInput,
  type Provider,
  type RemoteFailure,
  type RemoteResponse,
} from '../provider.ts'
import { parseRetryAfter } from '@muster/contracts/retry-after'
import { asSentence } from '@muster/contracts/sentence'

/**
 * What an unsuccessful answer means. An answer that is not of the provider's own form says nothing final: the
 * gateway that wrote it may or may not have passed the request on.
 */
export function classifyAnswer(
  provider: Provider,
  response: RemoteResponse,
  input?: CreateInput,
  context?: CallContext,
): RemoteFailure {
  const failure = provider.classifyFailure(response, input, context)
  const isFinal = ['failed', 'held'].includes(failure.outcome)
  if (!isFinal || provider.isOwnAnswer(response)) return failure
  const message = `${asSentence(failure.message)} The answer is not in ${provider.name}'s own form: a gateway, a firewall or a maintenance page gave it.`
  // A gateway that knows no such path has passed nothing on.
  if (response.status === 404) return { ...failure, outcome: 'retrying', message }
  return { code: 'provider_unavailable', outcome: 'unknown', message }
}

/**
 * What a status means where the provider says nothing more exact. 408 and 5xx count as unknown: a gateway may have
 * passed the request on. A 403 is taken to be about this one request; providers say `held` where they know it is
 * about the account.
 */
export function classifyByStatus(
  response: RemoteResponse,
  message = `The provider answered ${response.status}.`,
): RemoteFailure {
  const { status } = response
  const wait = parseRetryAfter(response.headers, Date.now())
  const retryAfter = wait === undefined ? {} : { retryAfterMs: wait }
  if (status === 429) return { code: 'rate_limited', outcome: 'rate_limited', message, ...retryAfter }
  if (status === 401) return { code: 'credentials_rejected', outcome: 'held', certainty: 'confirm', message }
  if (status === 403) return { code: 'permission_denied', outcome: 'failed', message }
  if (status === 404 || status === 410) return { code: 'provider_not_found', outcome: 'failed', message }
  // 423: locked. 425: too early.
  if (status === 423 || status === 425)
    return { code: 'provider_unavailable', outcome: 'retrying', message, ...retryAfter }
  if (status === 408 || status >= 500)
    return { code: 'provider_unavailable', outcome: 'unknown', message, ...retryAfter }
  if (status >= 400) return { code: 'provider_validation_failed', outcome: 'failed', message }
  if (status >= 300) {
    return {
      code: 'provider_not_found',
      outcome: 'failed',
      message: `The provider answered with a redirect to another address (${status}): check the account's base_url.`,
    }
  }
  return {
    code: 'outcome_unknown',
    outcome: 'unknown',
    message: 'The provider answered with success, but with a body that is not its own.',
  }
}

/** What the account is after such a failure; null where it says nothing of the account. */
export function holdFor({ outcome, code }: RemoteFailure): 'needs_reauth' | 'permission_denied' | null {
  if (outcome === 'held' && code === 'credentials_rejected') return 'needs_reauth'
  return outcome === 'held' || code === 'permission_denied' ? 'permission_denied' : null
}

/**
 * For a look-up that was answered with success in a form that is not the provider's own: it may be asked again, and
 * nothing follows from it.
 */
export function unreadableAnswer(response: RemoteResponse): RemoteFailureError {
  return new RemoteFailureError(
    {
      code: 'provider_unavailable',
      outcome: 'retrying',
      message: "A look-up was answered with success, but in a form that is not the provider's own.",
    },
    response,
  )
}

/** A call that creates nothing has no unknown outcome. */
export function notExecuted(failure: RemoteFailure): RemoteFailure {
  return failure.outcome === 'unknown' ? { ...failure, outcome: 'retrying' } : failure
}
