import { toBatchCounts, type BatchHold } from '@muster/domain/batch/counts'
import type { BatchRecord } from '@muster/domain/batch/record'
import { applyEvent, holdOf, isBatchFinished, type BatchEvent } from '@muster/domain/batch/state'
import type { EventDraft } from '@muster/domain/event'
import { batchEvent, batchEventType } from '@muster/domain/event-of-change'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'
import { CONFLICT, untilWritten, updateRecord, writeRecord } from '../redis/versioned.ts'
import {
  accountCountOf,
  createBatchCounts,
  readBatchAccounts,
  writeBatchAccounts,
  type BatchAccount,
} from './batch-accounts.ts'
import { keepOpen } from './batch-lifetime.ts'
import { readBatch, readProgress, readVersionedBatch } from './read-batch.ts'
import { encodeBatch, HOLD_FIELD } from './stored-batch.ts'

/** Every change is written over the version that was read, and runs again when another process writes meanwhile. */
export function createBatchChanges({ redis }: { redis: Redis }) {
  const { readCounts } = createBatchCounts({ redis })

  async function eventOf(before: BatchRecord, record: BatchRecord, version: number): Promise<EventDraft | undefined> {
    const type = batchEventType(before, record)
    if (!type) return undefined
    const [{ totals }, progress] = await Promise.all([readCounts(record), readProgress(redis, record.id)])
    return batchEvent(type, record, toBatchCounts(totals, progress), version)
  }

  const kindOf = (id: string) =>
    ({ key: keys.batch(id), source: { kind: 'batch', id }, encode: encodeBatch, toEvent: eventOf }) as const

  return {
    /** For what is not an event: nothing follows from it. */
    update: (batchId: string, change: (record: BatchRecord) => BatchRecord): Promise<BatchRecord | undefined> =>
      updateRecord(redis, { ...kindOf(batchId), read: () => readVersionedBatch(redis, batchId), change }),

    /**
     * Writes what an event changes, and all that follows from it: the hold flags, and the retention of a batch that
     * runs again. @throws RefusedBatchEventError
     */
    apply: (
      batchId: string,
      eventFor: (latest: BatchRecord) => BatchEvent | undefined,
      now: number,
    ): Promise<BatchRecord | undefined> =>
      untilWritten(async () => {
        const present = await readVersionedBatch(redis, batchId)
        const event = present && eventFor(present.record)
        if (!event) return present?.record
        const next = applyEvent(present.record, event, now)
        const isReopened = isBatchFinished(present.record) && !isBatchFinished(next)
        // Before its status says so, since what is kept of it could expire in between.
        if (isReopened) await keepOpen(redis, next, now)
        if (next !== present.record && !(await writeRecord(redis, kindOf(batchId), present, next))) return CONFLICT
        // And after, since another process could just be closing it.
        if (isReopened) await keepOpen(redis, next, now)
        // Also where nothing has changed: the process that changed it may have died before its accounts knew.
        if (isReopened || next === present.record || holdOf(next) !== holdOf(present.record))
          await syncHold(redis, batchId)
        return next
      }),

    syncHold: (batchId: string): Promise<void> => syncHold(redis, batchId),
    readHold: async (accountId: string, batchId: string): Promise<BatchHold | null> =>
      (await redis.hget(keys.batchCounts(accountId, batchId), HOLD_FIELD)) as BatchHold | null,

    /**
     * Before the first row of them is accepted, so that its operations can be found, and their lanes fed. Resolves with
     * undefined where the batch has other accounts than those `from` before them: another request is adding to it.
     */
    async addAccounts(
      batchId: string,
      from: number,
      added: readonly BatchAccount[],
      now: number,
    ): Promise<BatchRecord | undefined> {
      const pipeline = redis.pipeline()
      for (const { id } of added) pipeline.zadd(keys.accountBatches(id), 'NX', now, batchId)
      await pipeline.exec()
      const record = await untilWritten(async () => {
        const present = await readVersionedBatch(redis, batchId)
        if (!present || accountCountOf(present.record) !== from) return undefined
        return (await writeBatchAccounts(redis, present, added, now)) ?? CONFLICT
      })
      // What was paused or canceled before it had these accounts.
      if (record) await syncHold(redis, batchId, added)
      return record
    },
  }
}

/**
 * The hold flags of its accounts, as its status says. They are in other hash slots than the status, so it is read again
 * afterwards: of two that write at the same moment, the later one has seen the latest status.
 */
async function syncHold(redis: Redis, batchId: string, only?: readonly BatchAccount[]): Promise<void> {
  for (let done = ''; ;) {
    const record = await readBatch(redis, batchId)
    if (!record || isBatchFinished(record)) return
    const hold = holdOf(record)
    const wanted = JSON.stringify([hold, only ? 0 : accountCountOf(record)])
    if (wanted === done) return
    const pipeline = redis.pipeline()
    for (const { id } of only ?? (await readBatchAccounts(redis, record))) {
      if (hold === null) pipeline.hdel(keys.batchCounts(id, batchId), HOLD_FIELD)
      else pipeline.hset(keys.batchCounts(id, batchId), HOLD_FIELD, hold)
    }
    await pipeline.exec()
    done = wanted
  }
}
