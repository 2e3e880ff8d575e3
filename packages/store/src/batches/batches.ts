import { defaultLimits, type Limits } from '@muster/contracts/bounds'
import {
  accountCountOf,
  createBatchCounts,
  readBatchAccounts,
  toRowAccounts,
  writeBatchAccounts,
  type BatchAccount,
} from './batch-accounts.ts'
import { createBatchBacklog } from './batch-backlog.ts'
import { toBatchCounts, type BatchHold } from '@muster/domain/batch/counts'
import { CHUNK_ROWS, type BatchRecord, type BatchRow, type UploadProgress } from '@muster/domain/batch/record'
import { applyEvent, holdOf, isBatchFinished, type BatchEvent } from '@muster/domain/batch/state'
import { forgetReference, referenceMember } from './batch-references.ts'
import { decodeBatch, encodeBatch, HOLD_FIELD } from './stored-batch.ts'
import { addWithin } from '../redis/bounded-index.ts'
import { bindings } from '../crypto/bindings.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'
import { findGone, idPagesOf } from '../redis/pages.ts'
import { defineScript } from '../redis/script.ts'
import type { EventDraft } from '@muster/domain/event'
import { batchEvent, batchEventType } from '@muster/domain/event-of-change'
import { CONFLICT, createRecord, swapValueScript, untilWritten, updateRecord, writeRecord } from '../redis/versioned.ts'

const DAY_MS = 86_400_000
/** An upload that shows no sign of life for so long may be taken up by another request. */
const UPLOAD_LEASE_MS = 15_000
/** As long as one request may take. */
const KEY_OF_NOTHING_MS = 15 * 60_000

/**
 * Only the next chunk is taken, so that two requests that upload the same batch cannot both count a row. `rows` and
 * `rejected` are so far; `accounts` are written at `offset`; `references` are 0 and the member of each row with one.
 */
const commitScript = defineScript({
  keys: ['batch', 'chunk', 'referenceRows', 'rowAccounts'],
  args: ['number', 'rows', 'rejected', 'digest', 'blob', 'offset', 'accounts'],
  argList: 'references',
  lua: `
if tonumber(redis.call('HGET', batch, 'chunks') or '-1') ~= tonumber(number) then return 0 end
redis.call('SET', chunk, blob)
redis.call('HSET', batch, 'chunks', number + 1, 'rows', rows, 'rejected', rejected, 'digest', digest)
redis.call('SETRANGE', rowAccounts, offset, accounts)
if #references > 0 then redis.call('ZADD', referenceRows, unpack(references)) end
return 1
`,
})

export type Batches = ReturnType<typeof createBatches>

export function createBatches({
  redis,
  keyring,
  retentionMs,
  limits = defaultLimits,
}: {
  redis: Redis
  keyring: Keyring
  retentionMs: number
  limits?: Limits
}) {
  const counts = createBatchCounts({ redis })

  async function readVersioned(batchId: string): Promise<{ record: BatchRecord; version: string } | undefined> {
    const [record, version] = await redis.hmget(keys.batch(batchId), 'record', 'version')
    return record && version ? { record: decodeBatch(record), version } : undefined
  }

  async function readProgress(batchId: string): Promise<UploadProgress> {
    const [rows, rejected, chunks, digest] = await redis.hmget(
      keys.batch(batchId),
      'rows',
      'rejected',
      'chunks',
      'digest',
    )
    return {
      rows: Number(rows ?? 0),
      rejected: Number(rejected ?? 0),
      chunks: Number(chunks ?? 0),
      digest: digest ?? '',
    }
  }

  async function eventOf(before: BatchRecord, record: BatchRecord, version: number): Promise<EventDraft | undefined> {
    const type = batchEventType(before, record)
    if (!type) return undefined
    const [{ totals }, progress] = await Promise.all([counts.readCounts(record), readProgress(record.id)])
    return batchEvent(type, record, toBatchCounts(totals, progress), version)
  }

  const kindOf = (id: string) =>
    ({ key: keys.batch(id), source: { kind: 'batch', id }, encode: encodeBatch, toEvent: eventOf }) as const

  /** For what is no event: nothing follows from it. `change` runs again when another process writes meanwhile. */
  function update(batchId: string, change: (record: BatchRecord) => BatchRecord): Promise<BatchRecord | undefined> {
    return updateRecord(redis, { ...kindOf(batchId), read: () => readVersioned(batchId), change })
  }

  /**
   * Writes what an event changes, and all that follows from it: the hold flags, and the retention of a batch that runs
   * again. `eventFor` runs again when another process writes meanwhile. @throws RefusedBatchEventError
   */
  function apply(
    batchId: string,
    eventFor: (latest: BatchRecord) => BatchEvent | undefined,
    now: number,
  ): Promise<BatchRecord | undefined> {
    return untilWritten(async () => {
      const present = await readVersioned(batchId)
      const event = present && eventFor(present.record)
      if (!event) return present?.record
      const next = applyEvent(present.record, event, now)
      const isReopened = isBatchFinished(present.record) && !isBatchFinished(next)
      // Before its status says so, since what is kept of it could expire in between.
      if (isReopened) await keepOpen(next, now)
      if (next !== present.record && !(await writeRecord(redis, kindOf(batchId), present, next))) return CONFLICT
      // And after, since another process could just be closing it.
      if (isReopened) await keepOpen(next, now)
      // Also where nothing has changed: the process that changed it may have died before its accounts knew.
      if (isReopened || next === present.record || holdOf(next) !== holdOf(present.record)) await syncHold(batchId)
      return next
    })
  }

  async function readChunk(batchId: string, chunk: number): Promise<BatchRow[]> {
    const sealed = await redis.getBuffer(keys.batchChunk(batchId, chunk))
    return sealed ? (keyring.open(sealed, bindings.batchChunk(batchId, chunk)) as BatchRow[]) : []
  }

  /** Chunks have CHUNK_ROWS rows or, where those are large, fewer: never before the place that the number alone says. */
  async function findChunk(batchId: string, row: number): Promise<number | undefined> {
    let from = Math.floor((row - 1) / CHUNK_ROWS)
    let to = (await readProgress(batchId)).chunks - 1
    for (let chunk = from; from <= to; chunk = (from + to) >> 1) {
      const rows = await readChunk(batchId, chunk)
      const [first, last] = [rows[0]?.row ?? Infinity, rows.at(-1)?.row ?? Infinity]
      if (row < first) to = chunk - 1
      else if (row > last) from = chunk + 1
      else return chunk
    }
    return undefined
  }

  /**
   * The hold flags of its accounts, as its status says. They lie in other slots than the status, so it is read again
   * afterwards: of two that write at the same moment, the later one has seen the latest status.
   */
  async function syncHold(batchId: string, only?: readonly BatchAccount[]): Promise<void> {
    for (let done = ''; ;) {
      const record = (await readVersioned(batchId))?.record
      if (!record || isBatchFinished(record)) return
      const hold = holdOf(record)
      const wanted = JSON.stringify([hold, only ? 0 : accountCountOf(record)])
      if (wanted === done) return
      const pipeline = redis.pipeline()
      for (const { id } of only ?? (await readBatchAccounts(redis, record))) {
        if (hold === null) pipeline.hdel(keys.batchCounts(id, record.id), HOLD_FIELD)
        else pipeline.hset(keys.batchCounts(id, record.id), HOLD_FIELD, hold)
      }
      await pipeline.exec()
      done = wanted
    }
  }

  /** The client's own id can be an e-mail address. */
  function withoutReference(record: BatchRecord): BatchRecord {
    if (record.reference === null) return record
    const sealed = keyring.seal(record.reference, bindings.batchReference(record.id))
    return { ...record, reference: null, sealedReference: sealed.toString('base64') }
  }

  /** Nothing of it expires, and lanes and the batch supervisor know of it. */
  async function keepOpen(record: BatchRecord, now: number): Promise<void> {
    const [{ chunks }, accounts] = await Promise.all([readProgress(record.id), readBatchAccounts(redis, record)])
    const pipeline = redis.pipeline()
    for (const key of keysOf(record.id, accounts, chunks)) pipeline.persist(key)
    for (const { id } of accounts) pipeline.zadd(keys.accountBatches(id), 'NX', now, record.id)
    pipeline.sadd(keys.tenantOpenBatches(record.tenantId), record.id).sadd(keys.openBatches, record.id)
    await pipeline.exec()
  }

  /** Among the open ones of its tenant, if there is room. @throws BoundReachedError */
  const admit = ({ id, tenantId }: Pick<BatchRecord, 'id' | 'tenantId'>): Promise<void> =>
    addWithin(redis, limits, { bound: 'openBatches', kind: 'set', key: keys.tenantOpenBatches(tenantId), id })

  return {
    admit,
    ...counts,
    readAccounts: (record: BatchRecord, from?: number, to?: number): Promise<BatchAccount[]> =>
      readBatchAccounts(redis, record, from, to),
    readProgress,
    readChunk,
    update,
    apply,
    read: async (batchId: string): Promise<BatchRecord | undefined> => (await readVersioned(batchId))?.record,
    readVersioned,

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
     * Nothing is changed where it is written already; what is there then is for the caller to read. Resolves with false
     * where it was made of another request. @throws BoundReachedError
     */
    async create(record: BatchRecord, options: { callbackUrl?: string; fingerprint: string }): Promise<boolean> {
      // Counted first: what is refused leaves nothing behind.
      const { id, tenantId } = record
      await admit(record)
      await addWithin(redis, limits, {
        bound: 'batches',
        kind: 'sorted',
        key: keys.tenantBatches(tenantId),
        id,
      }).catch(async (error: unknown) => {
        await redis.srem(keys.tenantOpenBatches(tenantId), id)
        throw error
      })
      await redis.hsetnx(keys.batch(record.id), 'fingerprint', options.fingerprint)
      if ((await redis.hget(keys.batch(record.id), 'fingerprint')) !== options.fingerprint) return false
      await redis
        .multi()
        .hsetnx(keys.batch(record.id), 'chunks', '0')
        .zadd(keys.tenantOperations(record.tenantId), 0, record.id)
        .sadd(keys.openBatches, record.id)
        .exec()
      const sealed =
        options.callbackUrl === undefined
          ? ''
          : keyring.seal({ callbackUrl: options.callbackUrl }, bindings.batch.credentials(record.id))
      await createRecord(redis, {
        key: keys.batch(record.id),
        source: { kind: 'batch', id: record.id },
        record: encodeBatch(withoutReference(record)),
        sealed,
      })
      return true
    },

    /** Unwritten again: nothing of it was accepted. Its id stays reserved for its key. */
    async remove(record: BatchRecord): Promise<void> {
      const latest = (await readVersioned(record.id))?.record ?? record
      for (const { id } of await readBatchAccounts(redis, latest)) await redis.zrem(keys.accountBatches(id), record.id)
      await redis
        .multi()
        .zrem(keys.tenantBatches(record.tenantId), record.id)
        .zrem(keys.tenantOperations(record.tenantId), record.id)
        .srem(keys.tenantOpenBatches(record.tenantId), record.id)
        .srem(keys.openBatches, record.id)
        .del(keys.batch(record.id), keys.batchAccounts(record.id))
        .exec()
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

    /** @throws UnreadableError */
    readReference: ({ id, reference, sealedReference }: BatchRecord): string | null =>
      sealedReference === undefined
        ? reference
        : String(keyring.open(Buffer.from(sealedReference, 'base64'), bindings.batchReference(id))),

    async readCallback(batchId: string): Promise<string | undefined> {
      const sealed = await redis.hgetBuffer(keys.batch(batchId), 'credentials')
      return sealed
        ? (keyring.open(sealed, bindings.batch.credentials(batchId)) as { callbackUrl: string }).callbackUrl
        : undefined
    },

    /** Ids of a page, newest first, older than `before`. */
    listIds: (tenantId: string, before: string | null, count: number): Promise<string[]> =>
      redis.zrevrangebylex(keys.tenantBatches(tenantId), before === null ? '+' : `(${before}`, '-', 'LIMIT', 0, count),
    listOpenIds: (): Promise<string[]> => redis.smembers(keys.openBatches),
    countOpenOf: (tenantId: string): Promise<number> => redis.scard(keys.tenantOpenBatches(tenantId)),

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
        const present = await readVersioned(batchId)
        if (!present || accountCountOf(present.record) !== from) return undefined
        return (await writeBatchAccounts(redis, present, added, now)) ?? CONFLICT
      })
      // What was paused or canceled before it had these accounts.
      if (record) await syncHold(batchId, added)
      return record
    },

    /** Resolves with false when another request has committed it. */
    async commitChunk(
      batchId: string,
      chunk: number,
      rows: readonly BatchRow[],
      progress: Omit<UploadProgress, 'chunks'>,
    ): Promise<boolean> {
      const references = rows.flatMap(({ row, account, reference }) =>
        account !== null && reference ? [0, referenceMember(reference, row)] : [],
      )
      const rowAccounts = toRowAccounts(rows)
      const written = await commitScript(redis, {
        batch: keys.batch(batchId),
        chunk: keys.batchChunk(batchId, chunk),
        referenceRows: keys.batchReferenceRows(batchId),
        rowAccounts: keys.batchRowAccounts(batchId),
        number: chunk,
        rows: progress.rows,
        rejected: progress.rejected,
        digest: progress.digest,
        blob: keyring.seal(rows, bindings.batchChunk(batchId, chunk)),
        offset: rowAccounts.offset,
        accounts: rowAccounts.bytes,
        references,
      })
      return written === 1
    },

    /** A person's cells leave the chunk that holds them. */
    async eraseRow(batchId: string, row: number): Promise<void> {
      const chunk = await findChunk(batchId, row)
      if (chunk === undefined) return
      await untilWritten(async () => {
        const sealed = await redis.getBuffer(keys.batchChunk(batchId, chunk))
        if (!sealed) return undefined
        const rows = keyring.open(sealed, bindings.batchChunk(batchId, chunk)) as BatchRow[]
        const reference = rows.find((kept) => kept.row === row)?.reference
        if (reference) await forgetReference(redis, batchId, reference, row)
        const erased = rows.map((kept) =>
          kept.row === row ? { row: kept.row, line: kept.line, account: kept.account } : kept,
        )
        // Only over what was read: another row of the chunk may be erased at the same moment, and its cells must not
        //   come back.
        const written = await swapValueScript(redis, {
          value: keys.batchChunk(batchId, chunk),
          before: sealed,
          next: keyring.seal(erased, bindings.batchChunk(batchId, chunk)),
        })
        return written === 1 ? undefined : CONFLICT
      })
    },

    /** One request at a time uploads rows. Resolves with false while another does. */
    async takeUpload(batchId: string, holder: string): Promise<boolean> {
      if ((await redis.set(keys.batchUpload(batchId), holder, 'PX', UPLOAD_LEASE_MS, 'NX')) === 'OK') return true
      if ((await redis.get(keys.batchUpload(batchId))) !== holder) return false
      await redis.pexpire(keys.batchUpload(batchId), UPLOAD_LEASE_MS)
      return true
    },
    async releaseUpload(batchId: string, holder: string): Promise<void> {
      if ((await redis.get(keys.batchUpload(batchId))) === holder) await redis.del(keys.batchUpload(batchId))
    },
    isUploading: async (batchId: string): Promise<boolean> => (await redis.exists(keys.batchUpload(batchId))) === 1,

    syncHold,
    readHold: async (accountId: string, batchId: string): Promise<BatchHold | null> =>
      (await redis.hget(keys.batchCounts(accountId, batchId), HOLD_FIELD)) as BatchHold | null,

    ...createBatchBacklog({ redis }),

    /** It has come to an end: what is kept of it leaves with its last operations. */
    async close(record: BatchRecord): Promise<void> {
      const [{ chunks }, accounts] = await Promise.all([readProgress(record.id), readBatchAccounts(redis, record)])
      const lifetimeMs = retentionMs + DAY_MS
      const pipeline = redis.pipeline()
      for (const key of keysOf(record.id, accounts, chunks)) pipeline.pexpire(key, lifetimeMs)
      for (const { id } of accounts) pipeline.zrem(keys.accountBatches(id), record.id)
      pipeline.srem(keys.tenantOpenBatches(record.tenantId), record.id).srem(keys.openBatches, record.id)
      await pipeline.exec()
      // Rows of it were retried meanwhile.
      const latest = (await readVersioned(record.id))?.record
      if (latest && !isBatchFinished(latest)) await keepOpen(latest, latest.updatedAt)
    },

    /** Takes those that have left out of the tenant's list. */
    async trimIndex(tenantId: string): Promise<void> {
      for await (const page of idPagesOf(redis, keys.tenantBatches(tenantId))) {
        const gone = await findGone(redis, page, (id) => [keys.batch(id)])
        if (gone.length > 0) await redis.zrem(keys.tenantBatches(tenantId), ...gone)
      }
    },
  }
}

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
