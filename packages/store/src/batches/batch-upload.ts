import { CHUNK_ROWS, type BatchRow, type UploadProgress } from '@muster/domain/batch/record'
import { bindings } from '../crypto/bindings.ts'
import type { Keyring } from '../crypto/keyring.ts'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'
import { CONFLICT, swapValueScript, untilWritten } from '../redis/versioned.ts'
import { toRowAccounts } from './batch-accounts.ts'
import { forgetReference, referenceMember } from './batch-references.ts'
import { readProgress } from './read-batch.ts'

/** An upload that shows no sign of life for so long may be taken up by another request. */
const UPLOAD_LEASE_MS = 15_000

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

export function createBatchUpload(options: { redis: Redis; keyring: Keyring }) {
  return { ...createChunks(options), ...createUploadLease(options) }
}

function createChunks({ redis, keyring }: { redis: Redis; keyring: Keyring }) {
  const open = (sealed: Buffer, batchId: string, chunk: number): BatchRow[] =>
    keyring.open(sealed, bindings.batchChunk(batchId, chunk)) as BatchRow[]
  const seal = (rows: readonly BatchRow[], batchId: string, chunk: number): Buffer =>
    keyring.seal(rows, bindings.batchChunk(batchId, chunk))

  async function readChunk(batchId: string, chunk: number): Promise<BatchRow[]> {
    const sealed = await redis.getBuffer(keys.batchChunk(batchId, chunk))
    return sealed ? open(sealed, batchId, chunk) : []
  }

  /**
   * Chunks have CHUNK_ROWS rows or, where those are large, fewer: never before the place that the number alone says.
   */
  async function findChunk(batchId: string, row: number): Promise<number | undefined> {
    let from = Math.floor((row - 1) / CHUNK_ROWS)
    let to = (await readProgress(redis, batchId)).chunks - 1
    for (let chunk = from; from <= to; chunk = (from + to) >> 1) {
      const rows = await readChunk(batchId, chunk)
      const [first, last] = [rows[0]?.row ?? Infinity, rows.at(-1)?.row ?? Infinity]
      if (row < first) to = chunk - 1
      else if (row > last) from = chunk + 1
      else return chunk
    }
    return undefined
  }

  return {
    readChunk,

    /** Resolves with false when another request has committed it. */
    async commitChunk(
      batchId: string,
      chunk: number,
      rows: readonly BatchRow[],
      progress: Omit<UploadProgress, 'chunks'>,
    ): Promise<boolean> {
      const { offset, bytes } = toRowAccounts(rows)
      const written = await commitScript(redis, {
        batch: keys.batch(batchId),
        chunk: keys.batchChunk(batchId, chunk),
        referenceRows: keys.batchReferenceRows(batchId),
        rowAccounts: keys.batchRowAccounts(batchId),
        number: chunk,
        ...progress,
        blob: seal(rows, batchId, chunk),
        offset,
        accounts: bytes,
        references: rows.flatMap(({ row, account, reference }) =>
          account !== null && reference ? [0, referenceMember(reference, row)] : [],
        ),
      })
      return written === 1
    },

    /** A person's cells leave the chunk that holds them. */
    async eraseRow(batchId: string, row: number): Promise<void> {
      const chunk = await findChunk(batchId, row)
      if (chunk === undefined) return
      const key = keys.batchChunk(batchId, chunk)
      await untilWritten(async () => {
        const before = await redis.getBuffer(key)
        if (!before) return undefined
        const rows = open(before, batchId, chunk)
        const reference = rows.find((kept) => kept.row === row)?.reference
        if (reference) await forgetReference(redis, batchId, reference, row)
        const erased = rows.map((kept) =>
          kept.row === row ? { row: kept.row, line: kept.line, account: kept.account } : kept,
        )
        // Only over what was read: another row of the chunk may be erased at the same moment, and its cells must not
        // come back.
        const written = await swapValueScript(redis, { value: key, before, next: seal(erased, batchId, chunk) })
        return written === 1 ? undefined : CONFLICT
      })
    },
  }
}

/** One request at a time uploads rows. */
function createUploadLease({ redis }: { redis: Redis }) {
  return {
    /** Resolves with false while another request uploads. */
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
  }
}
