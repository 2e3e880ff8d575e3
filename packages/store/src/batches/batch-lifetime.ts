import { defaultLimits, type Limits } from '@muster/contracts/bounds'
import type { BatchRecord } from '@muster/domain/batch/record'
import { isBatchFinished } from '@muster/domain/batch/state'
import { bindings } from '../crypto/bindings.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { addWithin } from '../redis/bounded-index.ts'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'
import { findGone, idPagesOf } from '../redis/pages.ts'
import { createRecord } from '../redis/versioned.ts'
import { readBatchAccounts, type BatchAccount } from './batch-accounts.ts'
import { readBatch, readProgress } from './read-batch.ts'
import { encodeBatch } from './stored-batch.ts'

const DAY_MS = 86_400_000

interface Options {
  redis: Redis
  keyring: Keyring
  retentionMs: number
  limits?: Limits
}

/** Everything that is kept of a batch beside its operations. */
function keysOf(batchId: string, accounts: readonly BatchAccount[], chunks: number): string[] {
  return [
    keys.batch(batchId),
    keys.batchAccounts(batchId),
    keys.batchRowAccounts(batchId),
    keys.batchReferenceRows(batchId),
    keys.batchReferences(batchId),
    ...Array.from({ length: chunks }, (_, chunk) => keys.batchChunk(batchId, chunk)),
    ...accounts.flatMap(({ id }) => [keys.batchCounts(id, batchId), keys.batchOutbox(id, batchId)]),
  ]
}

const readExtent = (redis: Redis, record: BatchRecord) =>
  Promise.all([readProgress(redis, record.id), readBatchAccounts(redis, record)])

/** Nothing of it expires, and lanes and the batch supervisor know of it. */
export async function keepOpen(redis: Redis, record: BatchRecord, now: number): Promise<void> {
  const [{ chunks }, accounts] = await readExtent(redis, record)
  const pipeline = redis.pipeline()
  for (const key of keysOf(record.id, accounts, chunks)) pipeline.persist(key)
  for (const { id } of accounts) pipeline.zadd(keys.accountBatches(id), 'NX', now, record.id)
  pipeline.sadd(keys.tenantOpenBatches(record.tenantId), record.id).sadd(keys.openBatches, record.id)
  await pipeline.exec()
}

/** A batch comes and goes. */
export function createBatchLifetime({ redis, keyring, retentionMs, limits = defaultLimits }: Options) {
  /** Among the open ones of its tenant, if there is room. @throws BoundReachedError */
  const admit = ({ id, tenantId }: Pick<BatchRecord, 'id' | 'tenantId'>): Promise<void> =>
    addWithin(redis, limits, { bound: 'openBatches', kind: 'set', key: keys.tenantOpenBatches(tenantId), id })

  /** Counted before anything is written: what is refused leaves nothing behind. @throws BoundReachedError */
  async function admitNew(record: Pick<BatchRecord, 'id' | 'tenantId'>): Promise<void> {
    const { id, tenantId } = record
    await admit(record)
    try {
      await addWithin(redis, limits, { bound: 'batches', kind: 'sorted', key: keys.tenantBatches(tenantId), id })
    } catch (error) {
      await redis.srem(keys.tenantOpenBatches(tenantId), id)
      throw error
    }
  }

  /** The client's own id can be an e-mail address. */
  function sealReference(record: BatchRecord): BatchRecord {
    if (record.reference === null) return record
    const sealed = keyring.seal(record.reference, bindings.batchReference(record.id))
    return { ...record, reference: null, sealedReference: sealed.toString('base64') }
  }

  return {
    /** One that has ended, before it is opened again. @throws BoundReachedError */
    async admitAgain(record: BatchRecord): Promise<void> {
      // The supervisor closes it once more where nothing opens it after all.
      await redis.sadd(keys.openBatches, record.id)
      await admit(record)
    },

    /**
     * Nothing is changed where it is written already; what is there then is for the caller to read. Resolves with false
     * where it was made of another request. @throws BoundReachedError
     */
    async create(
      record: BatchRecord,
      { callbackUrl, fingerprint }: { callbackUrl?: string; fingerprint: string },
    ): Promise<boolean> {
      const key = keys.batch(record.id)
      await admitNew(record)
      await redis.hsetnx(key, 'fingerprint', fingerprint)
      if ((await redis.hget(key, 'fingerprint')) !== fingerprint) return false
      await redis
        .multi()
        .hsetnx(key, 'chunks', '0')
        .zadd(keys.tenantOperations(record.tenantId), 0, record.id)
        .sadd(keys.openBatches, record.id)
        .exec()
      const sealed =
        callbackUrl === undefined ? '' : keyring.seal({ callbackUrl }, bindings.batch.credentials(record.id))
      await createRecord(redis, {
        key,
        source: { kind: 'batch', id: record.id },
        record: encodeBatch(sealReference(record)),
        sealed,
      })
      return true
    },

    /** Removed again: nothing of it was accepted. Its id stays reserved for its key. */
    async remove(record: BatchRecord): Promise<void> {
      const { id: batchId, tenantId } = record
      const latest = (await readBatch(redis, batchId)) ?? record
      for (const { id } of await readBatchAccounts(redis, latest)) await redis.zrem(keys.accountBatches(id), batchId)
      await redis
        .multi()
        .zrem(keys.tenantBatches(tenantId), batchId)
        .zrem(keys.tenantOperations(tenantId), batchId)
        .srem(keys.tenantOpenBatches(tenantId), batchId)
        .srem(keys.openBatches, batchId)
        .del(keys.batch(batchId), keys.batchAccounts(batchId))
        .exec()
    },

    /** It has ended: what is kept of it expires with its last operations. */
    async close(record: BatchRecord): Promise<void> {
      const [{ chunks }, accounts] = await readExtent(redis, record)
      const pipeline = redis.pipeline()
      for (const key of keysOf(record.id, accounts, chunks)) pipeline.pexpire(key, retentionMs + DAY_MS)
      for (const { id } of accounts) pipeline.zrem(keys.accountBatches(id), record.id)
      pipeline.srem(keys.tenantOpenBatches(record.tenantId), record.id).srem(keys.openBatches, record.id)
      await pipeline.exec()
      // Rows of it were retried meanwhile.
      const latest = await readBatch(redis, record.id)
      if (latest && !isBatchFinished(latest)) await keepOpen(redis, latest, latest.updatedAt)
    },

    /** Removes batches from the tenant's list once they have expired. */
    async trimIndex(tenantId: string): Promise<void> {
      for await (const page of idPagesOf(redis, keys.tenantBatches(tenantId))) {
        const gone = await findGone(redis, page, (id) => [keys.batch(id)])
        if (gone.length > 0) await redis.zrem(keys.tenantBatches(tenantId), ...gone)
      }
    },
  }
}
