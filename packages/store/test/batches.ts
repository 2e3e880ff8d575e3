import { randomUUID } from 'node:crypto'
import { createBatchId, itemIdOf } from '../src/batches/batch-item-id.ts'
import type { BatchRecord } from '../../domain/src/batch/record.ts'
import type { NewOperation } from '../src/operations/operations.ts'
import { newHead, newRequest, newState } from './redis.ts'

export function newBatch(more: Partial<BatchRecord> & Pick<BatchRecord, 'tenantId'>): BatchRecord {
  const now = Date.now()
  return {
    id: createBatchId(now),
    reference: null,
    requestId: 'r',
    status: 'uploading',
    statusReason: null,
    format: 'ndjson',
    columns: null,
    accounts: [],
    onInvalid: 'continue',
    maxFailures: null,
    maxFailureRate: null,
    failureBaseline: { failed: 0, ended: 0 },
    work: null,
    retrySkipped: 0,
    samples: [],
    progressAt: now,
    hasCallback: false,
    isResumable: true,
    createdAt: now,
    updatedAt: now,
    uploadedAt: null,
    finishedAt: null,
    ...more,
  }
}

export function newItem(
  batch: BatchRecord,
  row: number,
  accountId: string,
  more: { reference?: string; naturalKeyHash?: string; notBefore?: number } = {},
): NewOperation {
  return {
    head: newHead({
      id: itemIdOf(batch.id, row),
      tenantId: batch.tenantId,
      accountId,
      batchId: batch.id,
      priority: 10,
      createdAt: batch.createdAt,
      reference: more.reference ?? null,
      naturalKeyHash: more.naturalKeyHash ?? randomUUID(),
    }),
    state: newState({ notBefore: more.notBefore ?? null }),
    request: newRequest(),
    fingerprint: '',
  }
}
