import type { Limits } from '@muster/contracts/bounds'
import type { BatchRecord, UploadProgress } from '@muster/domain/batch/record'
import { bindings } from '../crypto/bindings.ts'
import type { Keyring } from '../crypto/keyring.ts'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'
import { createBatchCounts, readBatchAccounts, type BatchAccount } from './batch-accounts.ts'
import { createBatchBacklog } from './batch-backlog.ts'
import { createBatchChanges } from './batch-changes.ts'
import { createBatchLifetime } from './batch-lifetime.ts'
import { createBatchUpload } from './batch-upload.ts'
import { readBatch, readProgress, readVersionedBatch, type VersionedBatch } from './read-batch.ts'

const DAY_MS = 86_400_000
/** As long as one request may take. */
const KEY_OF_NOTHING_MS = 15 * 60_000

interface BatchesOptions {
  redis: Redis
  keyring: Keyring
  retentionMs: number
  limits?: Limits
}

export type Batches = ReturnType<typeof createBatches>

export function createBatches(options: BatchesOptions) {
  return {
    ...createBatchReader(options),
    ...createBatchIdempotency(options),
    ...createBatchLifetime(options),
    ...createBatchUpload(options),
    ...createBatchChanges(options),
    ...createBatchCounts(options),
    ...createBatchBacklog(options),
  }
}

function createBatchReader({ redis, keyring }: BatchesOptions) {
  return {
    read: (batchId: string): Promise<BatchRecord | undefined> => readBatch(redis, batchId),
    readVersioned: (batchId: string): Promise<VersionedBatch | undefined> => readVersionedBatch(redis, batchId),
    readAccounts: (record: BatchRecord, from?: number, to?: number): Promise<BatchAccount[]> =>
      readBatchAccounts(redis, record, from, to),
    readProgress: (batchId: string): Promise<UploadProgress> => readProgress(redis, batchId),

    /** @throws UnreadableError */
    readReference: ({ id, reference, sealedReference }: BatchRecord): string | null =>
      sealedReference === undefined
        ? reference
        : String(keyring.open(Buffer.from(sealedReference, 'base64'), bindings.batchReference(id))),

    async readCallback(batchId: string): Promise<string | undefined> {
      const sealed = await redis.hgetBuffer(keys.batch(batchId), 'credentials')
      if (!sealed) return undefined
      return (keyring.open(sealed, bindings.batch.credentials(batchId)) as { callbackUrl: string }).callbackUrl
    },

    /** Ids of a page, newest first, older than `before`. */
    listIds: (tenantId: string, before: string | null, count: number): Promise<string[]> =>
      redis.zrevrangebylex(keys.tenantBatches(tenantId), before === null ? '+' : `(${before}`, '-', 'LIMIT', 0, count),
    listOpenIds: (): Promise<string[]> => redis.smembers(keys.openBatches),
    countOpenOf: (tenantId: string): Promise<number> => redis.scard(keys.tenantOpenBatches(tenantId)),
  }
}

function createBatchIdempotency({ redis, retentionMs }: BatchesOptions) {
  return {
    /**
     * The id under which the batch of this key is to be written: the second request, at the same moment or after a
     * crash, gets the id of the first. The entry outlives the batch.
     */
    async reserveId(tenantId: string, keyHash: string, batchId: string): Promise<string> {
      const key = keys.batchIdempotency(tenantId, keyHash)
      if ((await redis.set(key, batchId, 'PX', 30 * DAY_MS + retentionMs, 'NX')) === 'OK') return batchId
      return (await redis.get(key)) ?? batchId
    },
    /**
     * The upload of this key brought no row: the id is kept for as long as another request with the key may be under
     * way, and no longer, or a tenant could store keys without end.
     */
    letKeyGo: async (tenantId: string, keyHash: string): Promise<void> =>
      void (await redis.pexpire(keys.batchIdempotency(tenantId, keyHash), KEY_OF_NOTHING_MS)),
    readFingerprint: (batchId: string): Promise<string | null> => redis.hget(keys.batch(batchId), 'fingerprint'),
    findByIdempotencyKey: (tenantId: string, keyHash: string): Promise<string | null> =>
      redis.get(keys.batchIdempotency(tenantId, keyHash)),
  }
}
