import type { LaneId } from '@muster/domain/lane-id'
import type { Redis } from 'ioredis'
import { limiterKey } from './lane-keys.ts'
import { readLastCallAt, waitAfterCallMs } from './last-call.ts'
import type { Pace } from './pace.ts'

/**
 * Milliseconds until calls may leave the lane again, after the provider asked for a pause or seems to be down; else 0.
 */
export async function readCooldownMs(redis: Redis, laneId: LaneId): Promise<number> {
  const begun = Number(await redis.get(limiterKey(laneId)))
  // It may have ended between the two: then what is left is negative.
  return begun >= Number.MAX_SAFE_INTEGER ? Math.max(0, await redis.pttl(limiterKey(laneId))) : 0
}

/** Milliseconds in which nothing can leave the lane: until its cooldown ends, and until its next call. */
export interface LaneWait {
  cooldownMs: number
  /** Negative: the next call could have left so long ago. */
  callInMs: number
}

export async function readLaneWait(
  redis: Redis,
  laneId: LaneId,
  pace: Pick<Pace, 'requests' | 'perSeconds'>,
  now: number,
): Promise<LaneWait> {
  const [cooldownMs, lastCallAt] = await Promise.all([readCooldownMs(redis, laneId), readLastCallAt(redis, laneId)])
  return { cooldownMs, callInMs: waitAfterCallMs(lastCallAt, pace, now) }
}
