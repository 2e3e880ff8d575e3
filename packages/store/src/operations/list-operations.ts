import { timeOfId } from '@muster/domain/operation/record'
import { batchIdOf, itemIdOf, rowOf, timeOf } from '../batches/batch-item-id.ts'
import { findRowsOfReference } from '../batches/batch-references.ts'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'

/** Batches that are asked for a reference in one round trip. */
const BATCH_PAGE = 100

type PageOptions = {
  before: string | null
  from: number | null
  to: number | null
  count: number
}

/** Pages of operations. The indexes are sorted by id, and a UUIDv7 begins with its time. */
export function createOperationLists({ redis }: { redis: Redis }) {
  const newestOf = (index: string, { before, from, to }: Omit<PageOptions, 'count'>, count: number) =>
    redis.zrevrangebylex(index, upperBound(before, to), lowerBound(from), 'LIMIT', 0, count)

  const rowsOfBatch = async (batchId: string): Promise<number> =>
    Number((await redis.hget(keys.batch(batchId), 'rows')) ?? 0)

  /** Newest first: entries of the tenant's index, where a batch stands for all of its rows, the last one first. */
  async function listTenantIds(tenantId: string, { before, from, to, count }: PageOptions): Promise<string[]> {
    const ids: string[] = []
    const take = (batchId: string, rows: number): void => {
      for (let row = rows; row >= 1 && ids.length < count; row -= 1) ids.push(itemIdOf(batchId, row))
    }
    let after = before
    if (
      before !== null &&
      before !== batchIdOf(before) &&
      (await redis.zscore(keys.tenantOperations(tenantId), batchIdOf(before))) !== null
    ) {
      after = batchIdOf(before)
      take(after, rowOf(before) - 1)
    }
    while (ids.length < count) {
      const asked = count - ids.length
      const entries = await newestOf(keys.tenantOperations(tenantId), { before: after, from, to }, asked)
      for (const entry of entries) {
        const rows = entry === batchIdOf(entry) ? await rowsOfBatch(entry) : 0
        if (rows > 0) take(entry, rows)
        else if (ids.length < count) ids.push(entry)
        if (ids.length >= count) return ids
      }
      after = entries.at(-1) ?? null
      if (entries.length < asked) return ids
    }
    return ids
  }

  /** From the last row to the first; all of them are of one moment. */
  async function listBatchIds(batchId: string, { before, from, to, count }: PageOptions): Promise<string[]> {
    const at = timeOfId(batchId)
    if (at < (from ?? 0) || at > (to ?? Infinity)) return []
    const last = before !== null && batchIdOf(before) === batchId ? rowOf(before) - 1 : await rowsOfBatch(batchId)
    return Array.from({ length: Math.max(0, Math.min(count, last)) }, (_, index) => itemIdOf(batchId, last - index))
  }

  /** Newest first: single creates, and rows of the tenant's batches. Reads no more of either than a page of them. */
  async function listReferenceIds(
    tenantId: string,
    reference: string,
    { before, from, to, count }: PageOptions,
  ): Promise<string[]> {
    const newest = (ids: Iterable<string>): string[] => [...new Set(ids)].sort().reverse().slice(0, count)
    let found = await newestOf(keys.tenantReference(tenantId, reference), { before, from, to }, count)
    // A batch has the largest id of its rows, so that of the millisecond of `before` each may have rows below it.
    for (let after = upperBound(before && `${timeOf(before)}.`, to); ;) {
      const page = await redis.zrevrangebylex(
        keys.tenantBatches(tenantId),
        after,
        lowerBound(from),
        'LIMIT',
        0,
        BATCH_PAGE,
      )
      found = newest([...found, ...(await findRowsOfReference(redis, page, { reference, before, count }))])
      const last = page.at(-1)
      if (last === undefined || page.length < BATCH_PAGE) return found
      // What is left is older than the whole page.
      if (timeOf(found[count - 1] ?? '') > timeOf(last)) return found
      after = `(${last}`
    }
  }

  return {
    /** Ids of a page, newest first, older than `before`. */
    async listIds(
      index: { tenantId: string; accountId?: string; batchId?: string; reference?: string },
      options: PageOptions,
    ): Promise<string[]> {
      if (index.batchId !== undefined) return listBatchIds(index.batchId, options)
      if (index.reference !== undefined) return listReferenceIds(index.tenantId, index.reference, options)
      if (index.accountId === undefined) return listTenantIds(index.tenantId, options)
      return newestOf(keys.operations(index.accountId), options, options.count)
    },
  }
}

/** The first 48 bits of a UUIDv7 are its Unix milliseconds (RFC 9562). */
export function uuidPrefix(at: number): string {
  const hex = Math.max(0, Math.floor(at)).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}`
}

const lowerBound = (from: number | null): string => (from === null ? '-' : `[${uuidPrefix(from)}`)

function upperBound(before: string | null, to: number | null): string {
  return (
    [before === null ? undefined : `(${before}`, to === null ? undefined : `(${uuidPrefix(to + 1)}`]
      .filter((bound) => bound !== undefined)
      .sort()[0] ?? '+'
  )
}
