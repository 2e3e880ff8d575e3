import { BoundReachedError } from '@muster/contracts/bounds'
import type { BulkQuery } from '@muster/contracts/batch'
import type { BatchRecord } from '@muster/domain/batch/record'
import { startBatch } from '@muster/domain/batch/state'
import { createBatchId } from '@muster/store/batches/batch-item-id'
import type { Hasher } from '@muster/store/crypto/hash-key'
import type { Store } from '@muster/store/store'
import type { ApiDependencies } from '../dependencies.ts'
import { modeOf, type Caller } from '../http/own-records.ts'
import { RequestError } from '../http/request-error.ts'
import { canonicalJson } from '../operations/create-input.ts'
import type { UploadedFile } from './upload.ts'

/** Which batch a request means, and what it must be the same request as. */
export interface BatchIdentity {
  /** null: without an Idempotency-Key each request makes a batch. */
  idempotencyHash: string | null
  fingerprint: string
}

export function identifyBatch(
  hash: Hasher,
  { tenantId, isTest }: Caller,
  key: string | undefined,
  file: UploadedFile,
  query: BulkQuery,
): BatchIdentity {
  return {
    idempotencyHash:
      key === undefined ? null : hash('batch-idempotency-key', tenantId, key, ...(isTest ? ['test'] : [])),
    fingerprint: hash('batch', file.format, canonicalJson(query)),
  }
}

/** The batch that an earlier request with the same key began. @throws RequestError where that was another request */
export async function findBatch(
  store: Store,
  tenantId: string,
  { idempotencyHash, fingerprint }: BatchIdentity,
): Promise<BatchRecord | undefined> {
  if (idempotencyHash === null) return undefined
  const batchId = await store.batches.findByIdempotencyKey(tenantId, idempotencyHash)
  const record = batchId === null ? undefined : await store.batches.read(batchId)
  if (record && (await store.batches.readFingerprint(record.id)) !== fingerprint) throw keyReused(record.id)
  return record
}

/**
 * Before anything is read, so that a refusal costs nothing; the scripts that write check again.
 * @throws BoundReachedError
 */
export async function checkRoom({ store, config }: ApiDependencies, tenantId: string): Promise<void> {
  const limit = config.MUSTER_MAX_OPEN_BATCHES
  if ((await store.batches.countOpenOf(tenantId)) >= limit) throw new BoundReachedError('openBatches', limit)
  await store.openWork.check(tenantId)
}

export interface NewBatch extends BatchIdentity {
  caller: Caller
  query: BulkQuery
  file: UploadedFile
  requestId: string
  now: number
}

export async function openBatch(store: Store, given: NewBatch): Promise<BatchRecord> {
  const { query, fingerprint } = given
  const record = await toRecord(store, given)
  const callback = query.callback_url === undefined ? {} : { callbackUrl: query.callback_url }
  if (!(await store.batches.create(record, { fingerprint, ...callback }))) throw keyReused(record.id)
  // Another request with this key may have written it at the same moment.
  return (await store.batches.read(record.id)) ?? record
}

async function toRecord(
  store: Store,
  { caller, query, file, requestId, idempotencyHash, now }: NewBatch,
): Promise<BatchRecord> {
  const { tenantId, isTest } = caller
  const id = createBatchId(now)
  return startBatch(
    {
      id: idempotencyHash === null ? id : await store.batches.reserveId(tenantId, idempotencyHash, id),
      tenantId,
      ...(isTest ? { mode: modeOf(caller) } : {}),
      reference: query.reference ?? null,
      requestId,
      format: file.format,
      onInvalid: query.on_invalid ?? 'continue',
      maxFailures: query.max_failures ?? null,
      maxFailureRate: query.max_failure_rate ?? null,
      hasCallback: query.callback_url !== undefined,
      isResumable: idempotencyHash !== null,
    },
    now,
  )
}

/** A batch of which no row was accepted: it would stand open for a week. */
export async function removeBatch(
  store: Store,
  record: BatchRecord,
  { idempotencyHash }: BatchIdentity,
): Promise<void> {
  await store.batches.remove(record)
  if (idempotencyHash !== null) await store.batches.letKeyGo(record.tenantId, idempotencyHash)
}

const keyReused = (batchId: string): RequestError =>
  new RequestError('idempotency_key_reused', 'This Idempotency-Key came with another request before.', {
    extensions: { batch: `/batches/${batchId}`, batch_id: batchId },
  })
