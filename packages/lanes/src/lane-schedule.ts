import type { Redis } from 'ioredis'
import { RELOAD_CHANNEL, SCHEDULE_KEY, WAKE_CHANNEL } from './lane-keys.ts'
import { readRestMs } from './lane-rest.ts'

/** Due by everybody's clock: whoever wakes a lane may have another time than who opens it. */
const AT_ONCE = 0

/**
 * Which lanes need an owner and when (Unix milliseconds by Redis' clock), and which of them rest. All that the API
 * needs of lanes.
 */
export function createLaneSchedule(redis: Redis) {
  return {
    /**
     * Called before the work is written, so that a crash cannot leave work in a lane that nobody opens, and again after
     * it, which wakes an owner at once.
     */
    async wake(accountId: string): Promise<void> {
      await redis.multi().zadd(SCHEDULE_KEY, 'LT', AT_ONCE, accountId).publish(WAKE_CHANNEL, accountId).exec()
    },
    /** The account's pace or status has changed: whoever owns the lane closes it, and it is opened anew if it may. */
    async reload(accountId: string): Promise<void> {
      await redis
        .multi()
        .zadd(SCHEDULE_KEY, 'LT', AT_ONCE, accountId)
        .publish(RELOAD_CHANNEL, accountId)
        .publish(WAKE_CHANNEL, accountId)
        .exec()
    },
    /** Needs an owner at that time, if not sooner; nobody is told before. */
    async expect(accountId: string, at: number): Promise<void> {
      await redis.zadd(SCHEDULE_KEY, 'LT', at, accountId)
    },
    has: async (accountId: string): Promise<boolean> => (await redis.zscore(SCHEDULE_KEY, accountId)) !== null,
    /** Those that need an owner now. */
    due: (now: number, limit: number): Promise<string[]> =>
      redis.zrangebyscore(SCHEDULE_KEY, '-inf', now, 'LIMIT', 0, limit),
    /** Looked after until then: other processes need not try. */
    async defer(accountId: string, until: number): Promise<void> {
      await redis.zadd(SCHEDULE_KEY, until, accountId)
    },
    restMs: (accountId: string): Promise<number> => readRestMs(redis, accountId),
    async remove(accountId: string): Promise<void> {
      await redis.zrem(SCHEDULE_KEY, accountId)
    },
  }
}
export type LaneSchedule = ReturnType<typeof createLaneSchedule>
