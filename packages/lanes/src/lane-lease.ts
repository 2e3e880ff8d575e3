import type { LaneId } from '@muster/domain/lane-id'
import type { Redis } from 'ioredis'
import { leaseKey } from './lane-keys.ts'

/**
 * After an owner died, its lanes are taken over within this time. Longer, and repeated kills cost more than a
 * tenth of the throughput; shorter, and a busy machine or a slow Redis would cost lanes for nothing.
 */
export const LEASE_MS = 3_000

/**
 * A lease that ran out while Redis stood still, and that no one took, is taken again: the lane continues.
 */
const RENEW = `
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`
const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`

/** One owner a lane. The time runs on Redis' clock, so skewed workers cannot both hold it. */
export function createLaneLeases(redis: Redis, ownerId: string) {
  return {
    /** Resolves with 0 when the lease is ours, else with the milliseconds after which it may be free. */
    async take(laneId: LaneId): Promise<number> {
      if ((await redis.set(leaseKey(laneId), ownerId, 'PX', LEASE_MS, 'NX')) === 'OK') return 0
      return Math.max(1, await redis.pttl(leaseKey(laneId)))
    },
    renew: async (laneId: LaneId): Promise<boolean> =>
      (await redis.eval(RENEW, 1, leaseKey(laneId), ownerId, LEASE_MS)) === 1,
    release: async (laneId: LaneId): Promise<void> => {
      await redis.eval(RELEASE, 1, leaseKey(laneId), ownerId)
    },
  }
}
export type LaneLeases = ReturnType<typeof createLaneLeases>
