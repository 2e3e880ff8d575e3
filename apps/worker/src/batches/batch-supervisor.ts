import { parseEventSource, type EventSourceRef } from '@muster/domain/event'
import { accountLane } from '@muster/domain/lane-id'
import { failureCountsOf, sumCounts, toBatchCounts, type AccountCounts } from '@muster/domain/batch/counts'
import type { BatchRecord } from '@muster/domain/batch/record'
import { holdOf, isBatchFinished, isMoving, isSameWork } from '@muster/domain/batch/state'
import { dueEvent, hasFailureLimit, stopEvent, type BatchObservation } from '@muster/domain/batch/supervision'
import type { LaneSchedule } from '@muster/lanes/lane-schedule'
import { accountCountOf } from '@muster/store/batches/batch-accounts'
import type { RedisClock } from '@muster/store/redis/clock'
import type { Redis } from '@muster/store/redis/connect'
import { EVENTS_CHANNEL, FINISHED_CHANNEL } from '@muster/store/redis/keys'
import type { Store } from '@muster/store/store'
import { workOnBatch } from './batch-work.ts'
import { LookTimers } from './look-timers.ts'

interface BatchSupervisorDependencies {
  store: Store
  schedule: LaneSchedule
  redis: Redis
  subscriber: Redis
  clock: RedisClock
  /** Events wait at a source. */
  onEvent(source: EventSourceRef): void
  onError(error: Error): void
}

export type BatchSupervisor = ReturnType<typeof createBatchSupervisor>

/**
 * Looks after a batch as a whole: its end, its failure limit, its progress, and what was asked of all of its rows. Any
 * number of processes may look at once, since their writes are versioned.
 */
export function createBatchSupervisor(dependencies: BatchSupervisorDependencies) {
  const { subscriber, onError } = dependencies
  const timers = new LookTimers((batchId) => {
    supervise(batchId).catch((error: unknown) => onError(error as Error))
  })
  const supervise = (batchId: string): Promise<void> => lookAtBatch({ ...dependencies, timers }, batchId)
  const hear = (channel: string, message: string): void => {
    if (channel !== EVENTS_CHANNEL) return
    const source = parseEventSource(message)
    if (source.kind === 'batch') timers.nudge(source.id)
  }
  return {
    nudge: (batchId: string): void => timers.nudge(batchId),
    supervise,
    start: (): void => void subscriber.on('message', hear),
    stop(): void {
      subscriber.off('message', hear)
      timers.stop()
    },
  }
}

type Look = BatchSupervisorDependencies & { timers: LookTimers }

async function lookAtBatch(look: Look, batchId: string): Promise<void> {
  const { store, timers } = look
  const found = await store.batches.read(batchId)
  if (!found || isBatchFinished(found)) {
    timers.forget(batchId)
    if (found) await close(look, found)
    return
  }
  timers.setAccountCount(batchId, accountCountOf(found))
  const record = await work(look, await applyFailureLimit(look, found))
  if (record) await conclude(look, record)
}

async function applyFailureLimit({ store, clock }: Look, record: BatchRecord): Promise<BatchRecord> {
  if (!hasFailureLimit(record) || !isMoving(record)) return record
  const failures = failureCountsOf(await store.batches.readAccountCounts(record))
  if (!stopEvent(record, failures)) return record
  // Stopped and resumed meanwhile, it counts from another baseline.
  return (await store.batches.apply(record.id, (latest) => stopEvent(latest, failures), clock.now())) ?? record
}

/** Resolves with undefined where the work is not done, and another look follows. */
async function work(look: Look, record: BatchRecord): Promise<BatchRecord | undefined> {
  if (!record.work) return record
  const { store, schedule, timers, onEvent } = look
  const latest = (await workOnBatch(look, record)) ?? record
  for (const { id } of await store.batches.readAccounts(latest)) {
    await schedule.wake(accountLane(id))
    onEvent({ kind: 'account', id })
  }
  // Nothing was done: there is no room for more open operations, and the janitor's next look is soon enough.
  if (isSameWork(latest.work, record.work)) return undefined
  if (latest.work) timers.nudgeSoon(record.id)
  return latest.work ? undefined : latest
}

async function conclude(look: Look, record: BatchRecord): Promise<void> {
  const { store, clock, timers } = look
  const { accounts, ...seen } = await observe(store, record)
  // The process that changed its status may have died before its accounts knew.
  if (accounts.some(({ hold }) => hold !== holdOf(record))) await store.batches.syncHold(record.id)
  const now = clock.now()
  const event = dueEvent(record, seen, now)
  if (!event) return
  // Changed meanwhile, it is looked at again: its rows may run again, or its failure limit count from another baseline.
  const eventFor = (latest: BatchRecord) =>
    latest.updatedAt === record.updatedAt ? dueEvent(latest, seen, now) : undefined
  const written = await store.batches.apply(record.id, eventFor, now)
  if (event.type === 'record_progress') await dispatchEvents(look, record.id)
  else if (written && isBatchFinished(written)) await close(look, written)
  else timers.nudge(record.id)
}

async function observe(
  store: Store,
  record: BatchRecord,
): Promise<BatchObservation & { accounts: readonly AccountCounts[] }> {
  const [accounts, progress] = await Promise.all([
    store.batches.readAccountCounts(record),
    store.batches.readProgress(record.id),
  ])
  return {
    accounts,
    counts: toBatchCounts(sumCounts(accounts), progress),
    failures: failureCountsOf(accounts),
    rows: progress.rows,
    isUploading: record.uploadedAt === null && (await store.batches.isUploading(record.id)),
  }
}

const dispatchEvents = ({ store, schedule, clock }: Look, batchId: string): Promise<void> =>
  store.dispatchEvents({ kind: 'batch', id: batchId }, clock.now, schedule.wake)

/** Its event first: once it is closed, no one looks at it again. */
async function close(look: Look, record: BatchRecord): Promise<void> {
  look.timers.forget(record.id)
  await dispatchEvents(look, record.id)
  await look.store.batches.close(record)
  await look.redis.publish(FINISHED_CHANNEL, record.id)
}
