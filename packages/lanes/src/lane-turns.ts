import type { Backlog } from './lane.ts'

/** A lane that needs an owner, and found no place. */
export interface WaitingLane {
  laneId: string
  tenantId: string
  /** Milliseconds since it was first seen to wait. */
  waitedMs: number
}

export interface OpenLaneView {
  laneId: string
  tenantId: string
  openForMs: number
  /** Milliseconds until it can do its next work; 0 while a call is under way, Infinity when it has none. */
  dueInMs: number
}

/** Another process may have a place: only then are lanes closed for those that wait. */
const PATIENCE_MS = 1_000
/** Work that is due sooner is not worth closing a lane and opening it again. */
const SOON_MS = 1_000

/** Unix milliseconds at which the lane can do its next work; `outsideAt` is when work outside of it is due. */
export function dueAtOf(left: Backlog, outsideAt: number, now: number): number {
  if (left.isAtWork) return now
  const workAt = left.ready + left.active > 0 ? now : Math.min(left.nextAt ?? Infinity, outsideAt)
  return Math.max(workAt, left.opensAt)
}

/** Which of them get the free places: each next one is of the tenant with the fewest lanes, longest waiting first. */
export function lanesToOpen(waiting: readonly WaitingLane[], open: readonly OpenLaneView[], free: number): string[] {
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
 * Which lanes give up their places for those that wait: first lanes without due work; then lanes that have had their
 * turn, of the tenant with the most, as long as no tenant falls behind the one that waits.
 */
export function lanesToClose(
  waiting: readonly WaitingLane[],
  open: readonly OpenLaneView[],
  { closing, turnMs }: { closing: number; turnMs: number },
): string[] {
  const needed = waiting.filter(({ waitedMs }) => waitedMs >= PATIENCE_MS)
  const wanted = Math.max(0, needed.length - closing)
  const idle = open.filter(({ dueInMs }) => dueInMs > SOON_MS).sort((a, b) => b.dueInMs - a.dueInMs)
  const chosen = idle.slice(0, wanted).map(({ laneId }) => laneId)
  const busy = open
    .filter(({ laneId, openForMs }) => !chosen.includes(laneId) && openForMs >= turnMs)
    .sort((a, b) => b.openForMs - a.openForMs)
  const counts = countByTenant(open.filter(({ laneId }) => !chosen.includes(laneId)))
  const waiters = new Map(needed.map((lane) => [lane.laneId, lane]))
  for (const laneId of lanesToOpen(needed, open, Math.min(wanted, open.length)).slice(chosen.length)) {
    const waiter = waiters.get(laneId)
    if (!waiter || busy.length === 0) break
    const victim = busy.reduce((most, lane) => (countOf(counts, lane) > countOf(counts, most) ? lane : most))
    const isFair = victim.tenantId === waiter.tenantId || countOf(counts, victim) > countOf(counts, waiter)
    if (!isFair) continue
    busy.splice(busy.indexOf(victim), 1)
    counts.set(victim.tenantId, countOf(counts, victim) - 1)
    counts.set(waiter.tenantId, countOf(counts, waiter) + 1)
    chosen.push(victim.laneId)
  }
  return chosen
}

type Counts = Map<string, number>
const countOf = (counts: Counts, { tenantId }: { tenantId: string }): number => counts.get(tenantId) ?? 0

function countByTenant(lanes: readonly { tenantId: string }[]): Counts {
  const counts: Counts = new Map()
  for (const lane of lanes) counts.set(lane.tenantId, countOf(counts, lane) + 1)
  return counts
}
