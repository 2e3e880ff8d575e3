import type { WebhookEndpointRecord } from './record.ts'

export const DISABLED_BY_HAND = 'Disabled by hand.'

export type EndpointStep = 'enable' | 'disable' | 'delivered' | 'failed' | 'failing_too_long' | 'gone'

/** Everything that can happen to an endpoint of the tenant. One of callback addresses is never disabled. */
export const endpointTransitions: Record<
  WebhookEndpointRecord['status'],
  Record<EndpointStep, WebhookEndpointRecord['status']>
> = {
  active: {
    enable: 'active',
    disable: 'disabled',
    delivered: 'active',
    failed: 'active',
    failing_too_long: 'disabled',
    gone: 'disabled',
  },
  // Deliveries under way can still end.
  disabled: {
    enable: 'active',
    disable: 'disabled',
    delivered: 'disabled',
    failed: 'disabled',
    failing_too_long: 'disabled',
    gone: 'disabled',
  },
}

/** Disabled or enabled by its owner. */
export function setEndpointStatus(
  endpoint: WebhookEndpointRecord,
  step: 'enable' | 'disable',
  now: number,
): WebhookEndpointRecord {
  const status = endpointTransitions[endpoint.status][step]
  if (status === endpoint.status) return { ...endpoint, updatedAt: now }
  return {
    ...endpoint,
    status,
    statusReason: step === 'disable' ? DISABLED_BY_HAND : null,
    statusSince: now,
    failingSince: null,
    updatedAt: now,
  }
}

/** What a receiver did with one delivery; `gone` is 410: it wants nothing more. */
export interface ReceiverReply {
  outcome: 'delivered' | 'failed' | 'gone'
  reason?: string
}

export interface FailurePolicy {
  /** The longest wait between two attempts of one delivery. */
  longestDelayMs: number
  /** An endpoint that has failed for this long is disabled. */
  disableAfterMs: number
}

/** The endpoint after a delivery; undefined where nothing is worth writing, so that a healthy one costs no write. */
export function noteReply(
  endpoint: WebhookEndpointRecord,
  reply: ReceiverReply,
  policy: FailurePolicy,
  now: number,
): WebhookEndpointRecord | undefined {
  if (reply.outcome === 'delivered')
    return endpoint.failingSince === null ? undefined : { ...endpoint, failingSince: null, updatedAt: now }
  const { health, isTooLong, isWorthWriting } = countFailure(endpoint, policy, now)
  const step = reply.outcome === 'gone' ? 'gone' : isTooLong ? 'failing_too_long' : 'failed'
  const status = endpoint.kind === 'callback' ? endpoint.status : endpointTransitions[endpoint.status][step]
  if (status !== endpoint.status)
    return {
      ...endpoint,
      ...health,
      status,
      statusReason: reasonOf(step, health.failingSince, reply.reason),
      statusSince: now,
      updatedAt: now,
    }
  return isWorthWriting ? { ...endpoint, ...health, updatedAt: now } : undefined
}

const reasonOf = (step: EndpointStep, failingSince: number, reason = ''): string =>
  step === 'gone'
    ? 'The receiver answered 410 Gone.'
    : `Every delivery has failed since ${new Date(failingSince).toISOString()}; the latest: ${reason}.`

export type EndpointHealth = Pick<WebhookEndpointRecord, 'failingSince' | 'failures' | 'lastFailureAt'>

/** Attempts that must have failed before an endpoint is disabled. */
export const MIN_FAILURES = 5
/** A worker that stood still for so long may have made an attempt late. */
const LATE_MS = 60_000
/** An endpoint that fails all the time need not be written at each attempt. */
const NOTED_EVERY_MS = 60_000

/**
 * Time in which nothing was attempted does not count: after a longer gap than attempts of one delivery can have, the
 * count starts again.
 */
export function countFailure(
  { failingSince, failures = 0, lastFailureAt = -Infinity }: EndpointHealth,
  { longestDelayMs, disableAfterMs }: FailurePolicy,
  now: number,
) {
  const longestGapMs = Math.max(longestDelayMs, disableAfterMs / MIN_FAILURES) + LATE_MS
  const startsAgain = failingSince === null || now - lastFailureAt > longestGapMs
  const health = {
    failingSince: startsAgain ? now : failingSince,
    failures: startsAgain ? 1 : failures + 1,
    lastFailureAt: now,
  }
  return {
    health,
    isTooLong: health.failures >= MIN_FAILURES && now - health.failingSince >= disableAfterMs,
    isWorthWriting: startsAgain || failures < MIN_FAILURES || now - lastFailureAt >= NOTED_EVERY_MS,
  }
}
