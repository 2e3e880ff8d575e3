declare const brand: unique symbol

/** Names a lane in keys, on the schedule and in messages. Only this file knows what it is made of. */
export type LaneId = string & { readonly [brand]: 'lane' }

/** Whose calls a lane paces. */
export interface LaneSubject {
  kind: 'account' | 'endpoint'
  id: string
}

const ENDPOINT_PREFIX = 'webhook-'

/** Reads back what was stored. */
export const toLaneId = (text: string): LaneId => text as LaneId
export const accountLane = (accountId: string): LaneId => toLaneId(accountId)
export const endpointLane = (endpointId: string): LaneId => toLaneId(ENDPOINT_PREFIX + endpointId)

export const parseLaneId = (laneId: LaneId): LaneSubject =>
  laneId.startsWith(ENDPOINT_PREFIX)
    ? { kind: 'endpoint', id: laneId.slice(ENDPOINT_PREFIX.length) }
    : { kind: 'account', id: laneId }
