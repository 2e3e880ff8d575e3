import type { LaneSchedule } from '@muster/lanes/lane-schedule'
import { accountCountOf } from '@muster/store/batches/batch-accounts'
import {
  failureCountsOf,
  holdOf,
  endedOf,
  isBatchFinished,
  isMoving,
  openOf,
  toBatchCounts,
  type AccountCounts,
  type BatchRecord,
} from '@muster/domain/batch/record'
import { parseEventSource, type EventSourceRef } from '@muster/domain/event'
import { accountLane } from '@muster/domain/lane-id'
import { EVENTS_CHANNEL, FINISHED_CHANNEL } from '@muster/store/redis/keys'
import type { Redis } from '@muster/store/redis/connect'
import type { RedisClock } from '@muster/store/redis/clock'
import type { Store } from '@muster/store/store'
import { workOnBatch } from './batch-work.ts'

/** How soon after a row the whole is looked at: a batch of a hundred thousand must not be looked at as often. */
const LOOK_AFTER_MS = 250
/** Looking reads a part of each account: over very many it must not be most of the work. */
const LOOK_MS_PER_ACCOUNT = 2
/** The janitor looks as often. */
const LOOK_AFTER_AT_MOST_MS = 5_000
const PROGRESS_EVERY_MS = 5_000
/** A minute of them. */
const KEPT_SAMPLES = 12
/** Of so few, one failure is no rate. */
const JUDGED_FROM = 20
/** Longer than the API takes from the batch to its first look at the rows. */
const BROKEN_AFTER_MS = 20_000
/** An upload that nobody goes on with. */
const ABANDONED_AFTER_MS = 7 * 86_400_000

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
 * What a batch as a whole needs: its end, its failure limit, its progress, and what was asked of all of its rows. Any number of
 * processes may look at once; what they write is versioned.
 */
export function createBatchSupervisor({
  store,
  schedule,
  redis,
  subscriber,
  clock,
  onEvent,
  onError,
}: BatchSupervisorDependencies) {
  const timers = new Map<string, NodeJS.Timeout>()
  /** Of batches over very many accounts, how soon after a row they are looked at. */
  const delays = new Map<string, number>()
  let isStopped = false

  function nudge(batchId: string, delayMs = delays.get(batchId) ?? LOOK_AFTER_MS): void {
    if (isStopped || timers.has(batchId)) return
    timers.set(
      batchId,
      setTimeout(() => {
        timers.delete(batchId)
        supervise(batchId).catch((error: unknown) => onError(error as Error))
      }, delayMs),
    )
  }

  async function supervise(batchId: string): Promise<void> {
    let record = await store.batches.read(batchId)
    if (!record || isBatchFinished(record)) delays.delete(batchId)
    if (!record) return
    if (isBatchFinished(record)) return close(record)
    const delayMs = Math.min(accountCountOf(record) * LOOK_MS_PER_ACCOUNT, LOOK_AFTER_AT_MOST_MS)
    if (delayMs > LOOK_AFTER_MS) delays.set(batchId, delayMs)
    record = await applyFailureLimit(record)
    const { work } = record
    if (work) {
      record = (await workOnBatch({ store, clock }, record)) ?? record
      for (const { id } of await store.batches.readAccounts(record)) {
        await schedule.wake(accountLane(id))
        onEvent({ kind: 'account', id: id })
      }
      // Without room for more open operations nothing came of it: then the janitor's next look is soon enough.
      if (JSON.stringify(record.work) === JSON.stringify(work)) return
      if (record.work) return nudge(batchId, LOOK_AFTER_MS)
    }
    await conclude(record)
  }

  /** Too many failures: nothing more of it is started, and it says why. */
  async function applyFailureLimit(record: BatchRecord): Promise<BatchRecord> {
    if (!isMoving(record) || (record.maxFailures === null && record.maxFailureRate === null)) return record
    const parts = await store.batches.readAccountCounts(record)
    if (tooManyFailures(record, parts) === null) return record
    const now = clock.now()
    const stopped =
      (await store.batches.update(record.id, (latest) => {
        // Stopped and resumed meanwhile, it counts anew.
        const reason = isMoving(latest) ? tooManyFailures(latest, parts) : null
        return reason === null ? undefined : { ...latest, status: 'stopped', statusReason: reason, updatedAt: now }
      })) ?? record
    await store.batches.syncHold(record.id)
    return stopped
  }

  async function conclude(record: BatchRecord): Promise<void> {
    const [parts, progress] = await Promise.all([
      store.batches.readAccountCounts(record),
      store.batches.readProgress(record.id),
    ])
    // The process that changed its status may have died before its accounts knew.
    if (parts.some(({ hold }) => hold !== holdOf(record))) await store.batches.syncHold(record.id)
    const counts = toBatchCounts(parts, progress)
    const now = clock.now()
    const isUploading = record.uploadedAt === null && (await store.batches.isUploading(record.id))
    if (
      record.status === 'uploading' &&
      !isUploading &&
      !record.isResumable &&
      now - record.updatedAt > BROKEN_AFTER_MS
    ) {
      // Nobody can go on with it: what came in is all there will be.
      await store.batches.update(record.id, (latest) =>
        latest.uploadedAt === null && latest.status === 'uploading'
          ? {
              ...latest,
              status: 'running',
              statusReason: `The upload broke off after ${progress.rows} rows; without an Idempotency-Key nothing can be added to it.`,
              uploadedAt: now,
              updatedAt: now,
            }
          : undefined,
      )
      return nudge(record.id)
    }
    const isWhole = record.uploadedAt !== null || (record.status === 'canceling' && !isUploading)
    if (isWhole && openOf(counts) === 0) {
      const ended = await store.batches.update(record.id, (latest) => {
        // Changed meanwhile: rows may run again, or the failure limit count again.
        if (latest.updatedAt !== record.updatedAt || latest.work || isBatchFinished(latest)) return undefined
        // Its last rows may have failed since the failure limit was checked.
        return {
          ...latest,
          status: latest.status === 'canceling' ? 'canceled' : 'completed',
          statusReason: latest.statusReason ?? tooManyFailures(latest, parts),
          finishedAt: now,
          updatedAt: now,
          progressAt: now,
        }
      })
      if (ended && isBatchFinished(ended)) {
        delays.delete(record.id)
        await close(ended)
      } else if (ended) nudge(record.id)
      return
    }
    if (
      record.uploadedAt === null &&
      !isUploading &&
      record.status === 'uploading' &&
      now - record.updatedAt > ABANDONED_AFTER_MS
    ) {
      await store.batches.update(record.id, (latest) => ({
        ...latest,
        status: 'canceling',
        statusReason: 'The upload was never finished.',
        work: { kind: 'cancel', nextChunk: 0, expiresAt: 0 },
        updatedAt: now,
      }))
      await store.batches.syncHold(record.id)
      return nudge(record.id)
    }
    const ended = endedOf(counts)
    if (now - record.progressAt < PROGRESS_EVERY_MS || record.samples.at(-1)?.ended === ended) return
    await store.batches.update(record.id, (latest) =>
      now - latest.progressAt < PROGRESS_EVERY_MS
        ? undefined
        : {
            ...latest,
            progressAt: now,
            updatedAt: now,
            samples: [...latest.samples, { at: now, ended }].slice(-KEPT_SAMPLES),
          },
    )
    await handOver(record.id)
  }

  const handOver = (batchId: string): Promise<void> =>
    store.dispatchEvents({ kind: 'batch', id: batchId }, clock.now, schedule.wake)

  /** Its event first: once it is closed, nobody looks at it again. */
  async function close(record: BatchRecord): Promise<void> {
    await handOver(record.id)
    await store.batches.close(record)
    // Rows were run again while it was being closed.
    const latest = await store.batches.read(record.id)
    if (latest && !isBatchFinished(latest)) await store.batches.reopen(latest, clock.now())
    await redis.publish(FINISHED_CHANNEL, record.id)
  }

  const hear = (channel: string, message: string): void => {
    if (channel !== EVENTS_CHANNEL) return
    const source = parseEventSource(message)
    if (source.kind === 'batch') nudge(source.id)
  }
  return {
    nudge,
    supervise,
    start: (): void => void subscriber.on('message', hear),
    stop(): void {
      isStopped = true
      subscriber.off('message', hear)
      timers.forEach(clearTimeout)
    },
  }
}

/** Why the failure limit stops it; null where it does not. */
function tooManyFailures(
  { maxFailures, maxFailureRate, failureBaseline }: BatchRecord,
  parts: readonly AccountCounts[],
): string | null {
  const now = failureCountsOf(parts)
  const failed = now.failed - failureBaseline.failed
  const ended = now.ended - failureBaseline.ended
  if (maxFailures !== null && failed >= maxFailures)
    return `${failed} rows have failed, and max_failures is ${maxFailures}.`
  if (maxFailureRate !== null && ended >= JUDGED_FROM && failed / ended > maxFailureRate)
    return `${failed} of ${ended} rows have failed, and max_failure_rate is ${maxFailureRate}.`
  return null
}
