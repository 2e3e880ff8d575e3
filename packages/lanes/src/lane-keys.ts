import type { LaneId } from '@muster/domain/lane-id'
/** BullMQ's keys of a lane lie under `muster:{account}:lane:`, in the account's slot of a Redis Cluster. */
export const lanePrefix = (laneId: LaneId): string => `muster:{${laneId}}`
export const LANE_QUEUE = 'lane'
/**
 * BullMQ's own. How many jobs have begun in its window, or while the lane rests the greatest number there is; lives
 * until the window or the rest is over.
 */
export const limiterKey = (laneId: LaneId): string => `${lanePrefix(laneId)}:${LANE_QUEUE}:limiter`
/** When the lane's latest call left, by the clock that all workers share; for the next owner. */
export const lastCallKey = (laneId: LaneId): string => `muster:{${laneId}}:lane-last-call`
export const leaseKey = (laneId: LaneId): string => `muster:{${laneId}}:lane-lease`

/** Zset of every lane that has something to do, by the time at which it needs an owner. */
export const SCHEDULE_KEY = 'muster:lane-schedule'
/** Pub/sub channel: the account whose lane has just been given something. */
export const WAKE_CHANNEL = 'muster:lane-wake'
/** Pub/sub channel: the account whose pace or status has changed, so that its lane must be opened anew. */
export const RELOAD_CHANNEL = 'muster:lane-reload'
