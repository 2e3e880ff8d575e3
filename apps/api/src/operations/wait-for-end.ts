import { isBatchFinished, type BatchRecord } from '@muster/domain/batch/record'
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
  /** Stops at a hold too: it ends when somebody mends the account, and not within a request. */
  untilHeld?: boolean
}

/** The record as it is when the operation has ended or the wait is over. */
export async function waitForEnd(
  { store, finished }: { store: Store; finished: FinishedOperations },
  record: OperationRecord,
  { waitMs, signal, leaveTurn, untilHeld = false }: Wait,
): Promise<OperationRecord> {
  let latest = record
  if (waitMs === 0 || isFinished(record.state)) return latest
  leaveTurn()
  await finished.wait(record.head.id, waitMs, signal, async () => {
    try {
      latest = (await store.operations.read(record.head.accountId, record.head.id)) ?? latest
      if (isFinished(latest.state)) return true
      return untilHeld && shownStatus(latest, await store.accounts.read(record.head.accountId)).status === 'held'
    } catch (error) {
      // What was accepted stays so while Redis is away: the answer must not be a refusal.
      if (isRedisUnavailable(error)) return false
      throw error
    }
  })
  return latest
}

/** The batch as it is when its last row has ended or the wait is over. */
export async function waitForBatch(
  { store, finished }: { store: Store; finished: FinishedOperations },
  record: BatchRecord,
  { waitMs, signal, leaveTurn }: Wait,
): Promise<BatchRecord> {
  let latest = record
  if (waitMs === 0 || isBatchFinished(record)) return latest
  leaveTurn()
  await finished.wait(record.id, waitMs, signal, async () => {
    try {
      latest = (await store.batches.read(record.id)) ?? latest
      return isBatchFinished(latest)
    } catch (error) {
      if (isRedisUnavailable(error)) return false
      throw error
    }
  })
  return latest
}
