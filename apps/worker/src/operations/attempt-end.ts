import type { KnownSecrets } from '@muster/contracts/known-secrets'
import { blotOut, providerIdOf } from '@muster/contracts/secrets'
import type { AttemptResult } from '@muster/providers/engine/attempt'
import type { RemoteFailure, RemoteResponse } from '@muster/providers/provider'
import type { AttemptEnd, Failure } from '@muster/domain/operation/state'

const MAX_MESSAGE = 1_000
/** Kept of a provider's error answer, in characters of JSON. */
const MAX_RAW = 4_000

/** The provider's words are hostile input: bounded, and without what was sent in confidence. */
export function toFailure(
  failure: RemoteFailure,
  response: RemoteResponse | undefined,
  secrets: KnownSecrets,
): Failure {
  const raw = response === undefined ? undefined : blotOut(response.body, secrets)
  const text = JSON.stringify(raw ?? null)
  const isOurs = failure.disposition === 'unknown' && response === undefined
  return {
    code: failure.code,
    message: blotOut(failure.message, secrets).slice(0, MAX_MESSAGE),
    origin: isOurs ? 'muster' : 'provider',
    ...(failure.pointer ? { pointer: failure.pointer } : {}),
    ...(response
      ? { providerStatus: response.status, rawResponse: text.length > MAX_RAW ? `${text.slice(0, MAX_RAW)}…` : raw }
      : {}),
  }
}

/**
 * What an attempt came to, in the words of the state machine. `succeeded` and `hold` are the caller's.
 */
export function toAttemptEnd(
  result: Exclude<AttemptResult, { kind: 'succeeded' | 'hold' }>,
  options: { secrets: KnownSecrets; now: number; firstLookUpMs: number; throttleMs: number },
): AttemptEnd {
  const { secrets, now } = options
  switch (result.kind) {
    case 'failed': {
      const failure = toFailure(result.failure, result.response, secrets)
      const remoteId = providerIdOf(result.remoteId, secrets)
      return {
        outcome: 'failed',
        failure: remoteId === undefined ? failure : { ...failure, remoteId },
        warnings: result.warnings,
      }
    }
    case 'throttled':
      return {
        outcome: 'rate_limited',
        failure: toFailure(result.failure, undefined, secrets),
        until: now + options.throttleMs,
      }
    case 'retry':
      return { outcome: 'retrying', failure: toFailure(result.failure, undefined, secrets) }
    case 'unknown':
      return {
        outcome: 'unknown',
        failure: toFailure(result.failure, undefined, secrets),
        // What the provider asks for besides, its lane rests.
        lookUpAt: now + options.firstLookUpMs,
      }
    case 'reconcile_later':
      return { outcome: 'reconciling', at: result.at }
    case 'expired':
      return { outcome: 'expired' }
  }
}
