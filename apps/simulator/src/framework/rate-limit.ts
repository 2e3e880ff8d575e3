import { z } from 'zod'

/**
 * Without `burst`: a window that opens with the first request and lets `requests` through until it closes.
 * With it: a token bucket that holds `burst` and regains `requests` in every `per_seconds`, continuously. Meraki's
 * "10 a second and 10 more in the first, 30 in two seconds" is requests 10, per_seconds 1, burst 10.
 */
export const rateLimitRuleSchema = z.strictObject({
  requests: z.int().min(0),
  per_seconds: z.number().positive(),
  burst: z.int().min(1).optional(),
})
export type RateLimitRule = z.output<typeof rateLimitRuleSchema>

export interface RateLimitUsage {
  readonly isExceeded: boolean
  readonly limit: number
  readonly remaining: number
  /** Epoch milliseconds at which a request passes again (exceeded) or the whole allowance is back. */
  readonly resetAt: number
}

interface Bucket {
  used: number
  /** A window's opening, or the time up to which a token bucket has been refilled. */
  since: number
}

export function createRateLimiter(now: () => number) {
  const buckets = new Map<string, Bucket>()

  /** Counts one request and returns the state of the bucket. A refused request costs nothing. */
  function take(name: string, rule: RateLimitRule): RateLimitUsage {
    const at = now()
    const windowMs = rule.per_seconds * 1000
    const isTokenBucket = rule.burst !== undefined
    const limit = rule.burst ?? rule.requests
    const msPerToken = windowMs / Math.max(rule.requests, 1)

    let bucket = buckets.get(name)
    if (bucket === undefined || (!isTokenBucket && at >= bucket.since + windowMs)) {
      bucket = { used: 0, since: at }
      buckets.set(name, bucket)
    }
    if (isTokenBucket) {
      bucket.used = Math.max(0, bucket.used - (at - bucket.since) / msPerToken)
      bucket.since = at
    }

    // The margin is for sums of fractions: a client that keeps the pace exactly must get through.
    const isExceeded = bucket.used + 1 > limit + 1e-6
    if (!isExceeded) bucket.used += 1
    const resetAt = isTokenBucket
      ? at + (isExceeded ? bucket.used + 1 - limit : bucket.used) * msPerToken
      : bucket.since + windowMs
    return { isExceeded, limit, remaining: Math.max(0, Math.floor(limit - bucket.used)), resetAt }
  }

  return { take, clear: () => buckets.clear() }
}
