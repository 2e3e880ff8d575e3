import type { Redis } from 'ioredis'
import { lastCallKey } from './lane-keys.ts'
import { callIntervalMs, type Pace } from './pace.ts'

/** The longest limit is one of a day. */
export const KEPT_MS = 26 * 60 * 60 * 1000
/** Calls closer together than this are noted ahead: one write a second, however fast the lane. */
const AHEAD_MS = 1_000

/** Milliseconds that a new owner has to wait for its first call. */
export function waitAfterCallMs(lastCallAt: number | null, pace: Pick<Pace, 'requests' | 'perSeconds'>, now: number) {
  if (lastCallAt === null) return 0
  const interval = callIntervalMs(pace)
  return Math.min(interval, Math.max(0, lastCallAt + interval - now))
}

export async function readLastCallAt(redis: Redis, accountId: string): Promise<number | null> {
  const at = await redis.get(lastCallKey(accountId))
  return at === null ? null : Number(at)
}

/**
 * Notes calls as they leave. Nobody waits for the write: on the connection of the worker it precedes the intent of the
 * create, which is waited for.
 */
export function createCallNotes(
  { redis, accountId, pace, onError }: { redis: Redis; accountId: string; pace: Pace; onError(error: Error): void },
  now: () => number,
): () => void {
  const aheadMs = callIntervalMs(pace) < AHEAD_MS ? AHEAD_MS : 0
  let notedUntil = -Infinity
  return () => {
    const at = now()
    if (at < notedUntil) return
    notedUntil = at + aheadMs
    redis.set(lastCallKey(accountId), Math.ceil(notedUntil), 'PX', KEPT_MS).catch(onError)
  }
}
