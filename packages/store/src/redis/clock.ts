import type { Redis } from './connect.ts'

/**
 * How often it is compared: a quartz drifts by less than a millisecond in that time, and a machine that slept is soon
 * set right.
 */
const EVERY_MS = 10_000
/** Looks a comparison makes; the one that came back soonest is the most exact. */
const LOOKS = 3

export interface Clock {
  /** Unix milliseconds. */
  now(): number
}

export type RedisClock = Awaited<ReturnType<typeof followRedisClock>>

/**
 * The time that all workers share: Redis' own. What one worker writes down (an intent, when an answer was given up)
 *   another one judges by after a crash;
 * with clocks of their own, a user that Muster created looked older than its own create, and was taken for another's.
 * Between comparisons it runs on the monotonic clock, so that setting the machine's clock does not move it.
 */
export async function followRedisClock(redis: Redis, onError: (error: Error) => void) {
  let zero = Date.now() - performance.now()
  const now = (): number => Math.round(zero + performance.now())

  async function compare(): Promise<void> {
    let best = Infinity
    for (let look = 0; look < LOOKS; look += 1) {
      const askedAt = performance.now()
      const [seconds, microseconds] = await redis.time()
      const tookMs = performance.now() - askedAt
      if (tookMs >= best) continue
      best = tookMs
      zero = Number(seconds) * 1000 + Number(microseconds) / 1000 - askedAt - tookMs / 2
    }
  }
  // A worker starts without Redis as well; until it is there, nothing is written down that would need its time.
  const first = compare().catch(onError)
  await Promise.race([first, new Promise((resolve) => setTimeout(resolve, 1_000).unref())])
  const timer = setInterval(() => void compare().catch(onError), EVERY_MS).unref()

  return {
    now,
    /** The same moment by this machine's clock, for timers and queues that run on it. */
    toLocal: (at: number): number => at - now() + Date.now(),
    fromLocal: (at: number): number => at - Date.now() + now(),
    /** This machine's clock less Redis', in milliseconds. */
    skewMs: (): number => Date.now() - now(),
    stop: (): void => clearInterval(timer),
  }
}
