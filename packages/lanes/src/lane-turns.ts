import type { LaneId } from '@muster/domain/lane-id'
import type { Backlog } from './lane.ts'

/** A lane that needs an owner, while as many are open as may be. */
export interface WaitingLane {
  laneId: LaneId
  tenantId: string
  /** Milliseconds since it was first seen to wait. */
  waitedMs: number
}

export interface OpenLaneView {
  laneId: LaneId
  tenantId: string
  openForMs: number
  /** Milliseconds until it can do its next work; 0 while a call is under way, Infinity when it has none. */
  dueInMs: number
}

/**
 * Another process may have room first. Only then are lanes closed for those that wait, sooner for a tenant with none.
 */
const PATIENCE_MS = 1_000
export const FIRST_PATIENCE_MS = 200
/** Work that is due sooner is not worth closing a lane and opening it again. */
const SOON_MS = 1_000

/** Unix milliseconds at which the lane can do its next work; `outsideAt` is when work outside of it is due. */
export function dueAtOf(left: Backlog, outsideAt: number, now: number): number {
  if (left.isAtWork) return now
  const workAt = left.ready + left.active > 0 ? now : Math.min(left.nextAt ?? Infinity, outsideAt)
  return Math.max(workAt, left.opensAt)
}

/** Which of them open: each next one is of the tenant with the fewest lanes, longest waiting first. */
export function lanesToOpen(waiting: readonly WaitingLane[], open: readonly OpenLaneView[], free: number): LaneId[] {
  const counts = countByTenant(open)
  return [...waiting]
    .sort((a, b) => b.waitedMs - a.waitedMs)
    .map((lane) => {
      const lanesBefore = countOf(counts, lane)
      counts.set(lane.tenantId, lanesBefore + 1)
      return { lane, lanesBefore }
    })
    .sort((a, b) => a.lanesBefore - b.lanesBefore || b.lane.waitedMs - a.lane.waitedMs)
    .slice(0, Math.max(0, free))
    .map(({ lane }) => lane.laneId)
}

/**
 * Which lanes close for those that wait: first lanes without due work, unless their tenant has no more
 * than its share, so that its next single create finds its lane open; then lanes that have had their turn, of the
 * tenant with the most, as long as no tenant falls behind the one that waits.
 */
export function lanesToClose(
  waiting: readonly WaitingLane[],
  open: readonly OpenLaneView[],
  { closing, turnMs }: { closing: number; turnMs: number },
): LaneId[] {
  const counts = countByTenant(open)
  const needed = waiting.filter(
    (lane) => lane.waitedMs >= (countOf(counts, lane) === 0 ? FIRST_PATIENCE_MS : PATIENCE_MS),
  )
  const share = Math.floor(open.length / new Set([...open, ...needed].map(({ tenantId }) => tenantId)).size)
  const idle = new Set(open.filter(({ dueInMs }) => dueInMs > SOON_MS).sort((a, b) => b.dueInMs - a.dueInMs))
  const busy = new Set(
    open.filter((lane) => !idle.has(lane) && lane.openForMs >= turnMs).sort((a, b) => b.openForMs - a.openForMs),
  )
  const waiters = new Map(needed.map((lane) => [lane.laneId, lane]))
  const chosen: LaneId[] = []
  for (const laneId of lanesToOpen(needed, open, Math.min(needed.length - closing, open.length))) {
    const waiter = waiters.get(laneId)
    if (!waiter) continue
    const victim =
      [...idle].find((lane) => lane.tenantId === waiter.tenantId || countOf(counts, lane) > share) ??
      findBusy([...busy], waiter, counts)
    if (!victim) continue
    idle.delete(victim)
    busy.delete(victim)
    counts.set(victim.tenantId, countOf(counts, victim) - 1)
    counts.set(waiter.tenantId, countOf(counts, waiter) + 1)
    chosen.push(victim.laneId)
  }
  return chosen
}

function findBusy(busy: readonly OpenLaneView[], waiter: WaitingLane, counts: Counts): OpenLaneView | undefined {
  const [first, ...others] = busy
  const most = others.reduce(
    (best, lane) => (best && countOf(counts, lane) > countOf(counts, best) ? lane : best),
    first,
  )
  if (!most) return undefined
  return most.tenantId === waiter.tenantId || countOf(counts, most) > countOf(counts, waiter) ? most : undefined
}

type Counts = Map<string, number>
const countOf = (counts: Counts, { tenantId }: { tenantId: string }): number => counts.get(tenantId) ?? 0

function countByTenant(lanes: readonly { tenantId: string }[]): Counts {
  const counts: Counts = new Map()
  for (const lane of lanes) counts.set(lane.tenantId, countOf(counts, lane) + 1)
  return counts
}
