import { accountLane } from '@muster/domain/lane-id'
import { rowOf } from '../batches/batch-item-id.ts'
import { keys } from '../redis/keys.ts'
import type { OperationHead } from '@muster/domain/operation/record'

type Owner = Pick<OperationHead, 'accountId' | 'batchId'>

/**
 * Where the job of an operation waits until its lane takes it. Rows of a batch wait apart, so that they can be paused
 * together.
 */
export const waitingKeyOf = ({ accountId, batchId }: Owner): string =>
  batchId === null ? keys.outbox(accountLane(accountId)) : keys.batchOutbox(accountId, batchId)

/** Counts of the batch at the account; for a single operation, a key that no script touches. */
export const countsKeyOf = ({ accountId, batchId }: Owner): string => keys.batchCounts(accountId, batchId ?? 'none')

export const idempotencyKeyOf = ({ accountId, idempotencyHash }: OperationHead): string =>
  keys.idempotency(accountId, idempotencyHash ?? 'none')

/** Most urgent first; of a batch by row, or not before their time. */
export const scoreOf = (head: OperationHead, notBefore: number | null, at: number): number =>
  head.batchId === null ? head.priority * 1e14 + at : (notBefore ?? rowOf(head.id))
