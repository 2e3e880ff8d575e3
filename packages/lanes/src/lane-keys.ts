/** BullMQ's keys of a lane lie under `muster:{account}:lane:`, in the account's permit of a Redis Cluster. */
export const lanePrefix = (accountId: string): string => `muster:{${accountId}}`
export const LANE_QUEUE = 'lane'
/**
 * BullMQ's own. How many jobs have begun in its window, or while the lane rests the greatest number there is; lives
 * until the window or the rest is over.
 */
export const limiterKey = (accountId: string): string => `${lanePrefix(accountId)}:${LANE_QUEUE}:limiter`
/** When the lane's latest call left, by the clock that all workers share; for the next owner. */
export const lastCallKey = (accountId: string): string => `muster:{${accountId}}:lane-last-call`
export const leaseKey = (accountId: string): string => `muster:{${accountId}}:lane-lease`

/** Zset of every lane that has something to do, by the time at which it needs an owner. */
export const SCHEDULE_KEY = 'muster:lane-schedule'
/** Pub/sub channel: the account whose lane has just been given something. */
export const WAKE_CHANNEL = 'muster:lane-wake'
/** Pub/sub channel: the account whose pace or status has changed, so that its lane must be opened anew. */
export const RELOAD_CHANNEL = 'muster:lane-reload'
