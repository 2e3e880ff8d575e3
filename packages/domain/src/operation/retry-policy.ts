export interface RetryPolicy {
  /** Attempts that may fail before the operation does. Rate limits and holds do not count. */
  maxAttempts: number
  baseDelayMs: number
  maxDelayMs: number
}

/**
 * About an hour and a half in all: long enough for a provider's outage, and each delay is full jitter up to a quarter
 * of an hour.
 */
export const defaultRetryPolicy: RetryPolicy = { maxAttempts: 20, baseDelayMs: 1_000, maxDelayMs: 15 * 60_000 }

/** Capped exponential backoff with full jitter. @param random in [0, 1). */
export function backoff(policy: RetryPolicy, usedAttempts: number, random = Math.random()): number {
  return Math.floor(random * Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** usedAttempts)) + 50
}
