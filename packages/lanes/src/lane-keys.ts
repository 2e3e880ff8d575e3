import type { LaneId } from '@muster/domain/lane-id'
/** BullMQ's keys of a lane lie under `muster:{<lane id>}:lane:`, and so in one hash slot. */
export const lanePrefix = (laneId: LaneId): string => `muster:{${laneId}}`
export const LANE_QUEUE = 'lane'
/**
 * BullMQ's own: how many jobs have begun in its window, or, while the lane cools down, the greatest number there is.
 * Expires with the window or the cooldown.
 */
export const limiterKey = (laneId: LaneId): string => `${lanePrefix(laneId)}:${LANE_QUEUE}:limiter`
/** When the lane's latest call left, by the clock that all workers share; for the next owner. */
export const lastCallKey = (laneId: LaneId): string => `muster:{${laneId}}:lane-last-call`
export const leaseKey = (laneId: LaneId): string => `muster:{${laneId}}:lane-lease`

/** Zset of the lanes that have work, by the time at which each needs an owner. */
export const SCHEDULE_KEY = 'muster:lane-schedule'
/** Pub/sub channel: a lane that has just been given work. */
export const WAKE_CHANNEL = 'muster:lane-wake'
/** Pub/sub channel: a lane whose pace or status has changed, so that it must be opened again. */
export const RELOAD_CHANNEL = 'muster:lane-reload'
