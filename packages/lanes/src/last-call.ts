import type { LaneId } from '@muster/domain/lane-id'
import type { Redis } from 'ioredis'
import { lastCallKey } from './lane-keys.ts'
import { callIntervalMs, type Pace } from './pace.ts'

/** The longest limit is one of a day. */
export const KEPT_MS = 26 * 60 * 60 * 1000
/** Calls closer together than this are noted ahead: one write a second, however fast the lane. */
const AHEAD_MS = 1_000

/** Milliseconds until one interval after the last call; negative if it has passed. */
export function waitAfterCallMs(lastCallAt: number | null, pace: Pick<Pace, 'requests' | 'perSeconds'>, now: number) {
  return callIntervalMs(pace) + Math.min(0, (lastCallAt ?? -Infinity) - now)
}

export async function readLastCallAt(redis: Redis, laneId: LaneId): Promise<number | null> {
  const at = await redis.get(lastCallKey(laneId))
  return at === null ? null : Number(at)
}

/**
 * Notes calls as they leave. The write is not awaited: on the worker's connection it precedes the intent of the create,
 * which is.
 */
export function createCallNotes(
  { redis, laneId, pace, onError }: { redis: Redis; laneId: LaneId; pace: Pace; onError(error: Error): void },
  now: () => number,
): () => void {
  const aheadMs = callIntervalMs(pace) < AHEAD_MS ? AHEAD_MS : 0
  let notedUntil = -Infinity
  return () => {
    const at = now()
    if (at < notedUntil) return
    notedUntil = at + aheadMs
    redis.set(lastCallKey(laneId), Math.ceil(notedUntil), 'PX', KEPT_MS).catch(onError)
  }
}
