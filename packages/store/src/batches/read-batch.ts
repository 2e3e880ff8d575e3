import type { BatchRecord, UploadProgress } from '@muster/domain/batch/record'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'
import { decodeBatch } from './stored-batch.ts'

export interface VersionedBatch {
  record: BatchRecord
  version: string
}

export async function readVersionedBatch(redis: Redis, batchId: string): Promise<VersionedBatch | undefined> {
  const [record, version] = await redis.hmget(keys.batch(batchId), 'record', 'version')
  return record && version ? { record: decodeBatch(record), version } : undefined
}

export async function readBatch(redis: Redis, batchId: string): Promise<BatchRecord | undefined> {
  return (await readVersionedBatch(redis, batchId))?.record
}

/** What is committed of the upload. */
export async function readProgress(redis: Redis, batchId: string): Promise<UploadProgress> {
  const fields = ['rows', 'rejected', 'chunks', 'digest'] as const
  const [rows, rejected, chunks, digest] = await redis.hmget(keys.batch(batchId), ...fields)
  return {
    rows: Number(rows ?? 0),
    rejected: Number(rejected ?? 0),
    chunks: Number(chunks ?? 0),
    digest: digest ?? '',
  }
}
