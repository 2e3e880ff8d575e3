import type { BatchRecord } from '@muster/domain/batch/record'
import { isBatchFinished } from '@muster/domain/batch/state'
import type { OperationRecord } from '@muster/domain/operation/record'
import { isFinished } from '@muster/domain/operation/state'
import { isRedisUnavailable } from '@muster/store/redis/connect'
import type { Store } from '@muster/store/store'
import type { FinishedOperations } from './finished-operations.ts'
import { shownStatus } from './operation-resource.ts'

interface Wait {
  waitMs: number
  signal: AbortSignal
  leaveTurn(): void
}
interface Sources {
  store: Store
  finished: FinishedOperations
}

/** The latest record, when the operation has ended or the wait has. @param untilHeld a hold ends the wait too */
export async function waitForEnd(
  { store, finished }: Sources,
  record: OperationRecord,
  { untilHeld = false, ...wait }: Wait & { untilHeld?: boolean },
): Promise<OperationRecord> {
  const { id, accountId } = record.head
  if (isFinished(record.state)) return record
  return waitUntil(finished, id, record, wait, {
    read: () => store.operations.read(accountId, id),
    isOver: async (latest) =>
      isFinished(latest.state) ||
      (untilHeld && shownStatus(latest, await store.accounts.read(accountId)).status === 'held'),
  })
}

/** The latest record, when the batch has ended or the wait has. */
export async function waitForBatch(
  { store, finished }: Sources,
  record: BatchRecord,
  wait: Wait,
): Promise<BatchRecord> {
  if (isBatchFinished(record)) return record
  return waitUntil(finished, record.id, record, wait, {
    read: () => store.batches.read(record.id),
    isOver: async (latest) => isBatchFinished(latest),
  })
}

async function waitUntil<R>(
  finished: FinishedOperations,
  id: string,
  record: R,
  { waitMs, signal, leaveTurn }: Wait,
  { read, isOver }: { read(): Promise<R | undefined>; isOver(latest: R): Promise<boolean> },
): Promise<R> {
  let latest = record
  if (waitMs === 0) return latest
  leaveTurn()
  await finished.wait(id, waitMs, signal, async () => {
    try {
      latest = (await read()) ?? latest
      return await isOver(latest)
    } catch (error) {
      // What is accepted stays accepted while Redis is away: the answer must not be a refusal.
      if (isRedisUnavailable(error)) return false
      throw error
    }
  })
  return latest
}
