import type { LaneId } from '@muster/domain/lane-id'
import type { Redis } from 'ioredis'
import { readLaneWait } from './lane-cooldown.ts'
import type { LaneLeases } from './lane-lease.ts'
import { obliterateLane, readJobs } from './lane-queue.ts'
import type { LaneSchedule } from './lane-schedule.ts'
import type { LaneSource } from './lane-source.ts'
import { dueAtOf } from './lane-turns.ts'
import type { Backlog } from './lane.ts'

/** What owning a lane takes. */
export interface LaneContext {
  redis: Redis
  leases: LaneLeases
  schedule: LaneSchedule
  source: LaneSource
  /** Unix milliseconds by the clock that all workers share: the schedule is kept by it. */
  now(): number
  idleCloseMs: number
  onError(error: unknown, laneId?: LaneId): void
}

/**
 * Gives a lane back: the next owner finds it free before it hears of it, and on the schedule if there is anything to
 * do. @param left null: not known @param beforeRelease the lane is ours until then
 */
export async function releaseLane(
  context: LaneContext,
  laneId: LaneId,
  left: Backlog | null,
  beforeRelease: () => void = () => undefined,
): Promise<void> {
  const { redis, schedule, source, now } = context
  await schedule.remove(laneId)
  if (await source.isGone?.(laneId)) await obliterateLane(redis, laneId)
  beforeRelease()
  await context.leases.release(laneId)
  const dueAt = await findDueAt(context, laneId, left)
  if (dueAt <= Date.now()) await schedule.wake(laneId)
  else if (dueAt < Infinity) await schedule.expect(laneId, Math.max(0, dueAt - Date.now() + now()))
}

/**
 * When the lane needs an owner again. Asked only after the release: what came before has been taken off the schedule,
 * and what comes later puts itself there.
 */
async function findDueAt(context: LaneContext, laneId: LaneId, left: Backlog | null): Promise<number> {
  const { redis, source, now } = context
  const [pace, pending, outsideAt] = await Promise.all([
    source.pace(laneId),
    source.readOutbox(laneId, 1),
    readBacklogAt(context, laneId),
  ])
  if (!pace) return Infinity
  const { cooldownMs, callInMs } = await readLaneWait(redis, laneId, pace, now())
  const opensAt = Date.now() + Math.max(cooldownMs, callInMs)
  if (left === null || pending.length > 0) return opensAt
  return dueAtOf({ ...left, opensAt, isAtWork: false }, outsideAt, Date.now())
}

/** When work outside the lane is due, by this machine's clock, as a lane's delays are. */
export async function readBacklogAt({ source, now }: LaneContext, laneId: LaneId): Promise<number> {
  return ((await source.backlog?.nextAt(laneId)) ?? Infinity) - now() + Date.now()
}

/**
 * What a lane holds whose rows all wait for a distant time, and which has nothing else: one upload wakes hundreds of
 * them, and none needs to be open. Undefined for any other, also for an empty one: its work is about to be written.
 */
export async function findLaterOnly(context: LaneContext, laneId: LaneId): Promise<Backlog | undefined> {
  const { redis, source, idleCloseMs } = context
  const outsideAt = await readBacklogAt(context, laneId)
  if (outsideAt === Infinity || outsideAt - Date.now() <= idleCloseMs) return undefined
  const [pending, jobs] = await Promise.all([source.readOutbox(laneId, 1), readJobs(redis, laneId)])
  const left = { ...jobs, opensAt: 0, isAtWork: false }
  return pending.length === 0 && dueAtOf(left, outsideAt, Date.now()) - Date.now() > idleCloseMs ? left : undefined
}
