import type { IncomingMessage } from 'node:http'
import { BoundReachedError } from '@muster/contracts/bounds'
import type { BatchRecord } from '@muster/domain/batch/record'
import { isUploadCanceled } from '@muster/domain/batch/state'
import type { Hasher } from '@muster/store/crypto/hash-key'
import type { ApiDependencies } from '../dependencies.ts'
import { toRequestError } from '../http/problem.ts'
import { RequestError } from '../http/request-error.ts'
import { RowCommitter } from './commit-rows.ts'
import { UploadLease } from './upload-lease.ts'
import type { ValidatedRow } from './validate-rows.ts'

export interface Upload {
  record: BatchRecord
  /** From the first on, whether they came before or not. */
  rows: AsyncIterable<ValidatedRow>
  hash: Hasher
  requestId: string
  request: IncomingMessage
  /** Called where no row was accepted. */
  onNothingAccepted(): Promise<void>
}

type ReceiveDependencies = Pick<ApiDependencies, 'store' | 'schedule' | 'metrics' | 'config' | 'events'>

/** Accepts the rows of an upload. Resolves with the batch as it is then. */
export async function receiveUpload(dependencies: ReceiveDependencies, upload: Upload): Promise<BatchRecord> {
  const { store } = dependencies
  const lease = await UploadLease.take(store, upload.record.id)
  if (!lease) throw uploadBusy(upload.record.id)
  try {
    // Read again under the lease: it may have ended, or been removed, since it was found.
    const record = await store.batches.read(upload.record.id)
    if (!record) throw uploadBusy(upload.record.id)
    if (!isUploadCanceled(record)) return await commitRows(dependencies, { ...upload, record }, lease)
    upload.request.resume()
    return record
  } finally {
    await lease.release()
  }
}

async function commitRows(dependencies: ReceiveDependencies, upload: Upload, lease: UploadLease): Promise<BatchRecord> {
  const { store, schedule, metrics, config } = dependencies
  const { record, rows, hash, requestId } = upload
  const defaultExpiryHours = config.MUSTER_DEFAULT_EXPIRY_HOURS
  const now = record.createdAt
  const context = { store, schedule, metrics, hash, record, requestId, defaultExpiryHours, now }
  const committer = await RowCommitter.open(context)
  try {
    for await (const row of rows) {
      await committer.add(row)
      if (committer.isCanceled()) break
      if (lease.isLost()) throw uploadBusy(record.id)
    }
    await committer.finish()
    return await finishUpload(dependencies, upload)
  } catch (error) {
    if (committer.hasWritten()) throw withBatch(error, record.id)
    await upload.onNothingAccepted()
    throw error
  }
}

async function finishUpload({ store, events }: ReceiveDependencies, { record, request }: Upload): Promise<BatchRecord> {
  const finished = await store.batches.apply(record.id, () => ({ type: 'finish_upload' }), Date.now())
  // Canceled meanwhile: the rest of the body is read and dropped.
  if (finished?.uploadedAt === null) request.resume()
  events.nudge({ kind: 'batch', id: record.id })
  return finished ?? record
}

/** What came in stays and runs; the client learns where the rest belongs. */
function withBatch(error: unknown, batchId: string): unknown {
  const refusal = error instanceof BoundReachedError ? toRequestError(error).error : error
  return refusal instanceof RequestError
    ? refusal.extendedBy({ batch: `/batches/${batchId}`, batch_id: batchId })
    : refusal
}

const uploadBusy = (batchId: string): RequestError =>
  new RequestError(
    'upload_in_progress',
    'Another request is uploading this batch: wait for it, or until it has been silent for 15 seconds.',
    { headers: { 'retry-after': '5' }, extensions: { batch: `/batches/${batchId}`, batch_id: batchId } },
  )
