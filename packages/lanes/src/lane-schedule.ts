import { toLaneId, type LaneId } from '@muster/domain/lane-id'
import type { Redis } from 'ioredis'
import { lastCallKey, limiterKey, RELOAD_CHANNEL, SCHEDULE_KEY, WAKE_CHANNEL } from './lane-keys.ts'
import { readCooldownMs } from './lane-cooldown.ts'
import { KEPT_MS } from './last-call.ts'

/**
 * By Redis' own clock, which all workers share: waiting lanes are opened in the order in which they became due.
 */
const WAKE = `
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], 'LT', time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
for channel = 2, #ARGV do redis.call('PUBLISH', ARGV[channel], ARGV[1]) end`

const NOTE_CALL = `
local time = redis.call('TIME')
redis.call('SET', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000), 'PX', ARGV[1])`

/**
 * Which lanes need an owner and when (Unix milliseconds by Redis' clock), and which of them cool down. All that
 * the API needs of lanes.
 */
export function createLaneSchedule(redis: Redis) {
  return {
    /**
     * Called before the work is written, so that a crash cannot leave work in a lane that no one opens, and again after
     * it, which wakes an owner at once.
     */
    async wake(laneId: LaneId): Promise<void> {
      await redis.eval(WAKE, 1, SCHEDULE_KEY, laneId, WAKE_CHANNEL)
    },
    /** The lane's pace or status has changed: its owner closes it, and it is opened again if it may. */
    async reload(laneId: LaneId): Promise<void> {
      await redis.eval(WAKE, 1, SCHEDULE_KEY, laneId, RELOAD_CHANNEL, WAKE_CHANNEL)
    },
    /** Needs an owner at that time, if not sooner; no message announces it. */
    async expect(laneId: LaneId, at: number): Promise<void> {
      await redis.zadd(SCHEDULE_KEY, 'LT', at, laneId)
    },
    has: async (laneId: LaneId): Promise<boolean> => (await redis.zscore(SCHEDULE_KEY, laneId)) !== null,
    /** Those that need an owner now, longest due first. */
    due: async (now: number, limit: number): Promise<LaneId[]> =>
      (await redis.zrangebyscore(SCHEDULE_KEY, '-inf', now, 'LIMIT', 0, limit)).map(toLaneId),
    /** Looked after until then: other processes need not try. */
    async defer(laneId: LaneId, until: number): Promise<void> {
      await redis.zadd(SCHEDULE_KEY, until, laneId)
    },
    /** Follow it with `reload`, so that the lane's owner notices. */
    async endCooldown(laneId: LaneId): Promise<void> {
      await redis.del(limiterKey(laneId))
    },
    /**
     * A call is made outside the lane, such as a test of the credentials: the next owner waits for it as for any other.
     */
    async noteCall(laneId: LaneId): Promise<void> {
      await redis.eval(NOTE_CALL, 1, lastCallKey(laneId), KEPT_MS)
    },
    cooldownMs: (laneId: LaneId): Promise<number> => readCooldownMs(redis, laneId),
    async remove(laneId: LaneId): Promise<void> {
      await redis.zrem(SCHEDULE_KEY, laneId)
    },
  }
}
export type LaneSchedule = ReturnType<typeof createLaneSchedule>
