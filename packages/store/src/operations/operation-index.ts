import type { LaneId } from '@muster/domain/lane-id'
import { accountsOfRows } from '../batches/batch-accounts.ts'
import { batchIdOf, itemIdOf, rowOf, timeOf } from '../batches/batch-item-id.ts'
import { findRowsOfReference } from '../batches/batch-references.ts'
import { keys } from '../redis/keys.ts'
import { findGone, idPagesOf } from '../redis/pages.ts'
import { timeOfId } from '@muster/domain/operation/record'
import type { Redis } from '../redis/connect.ts'

/** Batches that are asked for a reference in one round trip. */
const BATCH_PAGE = 100

export interface PageOptions {
  before: string | null
  from: number | null
  to: number | null
  count: number
}

export type OperationIndex = ReturnType<typeof createOperationIndex>

/** Which operations there are, which account each belongs to, and what waits for the lanes. */
export function createOperationIndex({ redis, retentionMs }: { redis: Redis; retentionMs: number }) {
  async function locate(operationIds: readonly string[]): Promise<(string | null)[]> {
    if (operationIds.length === 0) return []
    const located = (await redis.mget(...operationIds.map(keys.locator))).slice()
    const unknown = operationIds.flatMap((id, position) => (located[position] === null ? [{ id, position }] : []))
    // Those of a batch have no entry of their own: the batch knows where its rows are.
    const byBatch = new Map<string, { id: string; position: number }[]>()
    for (const one of unknown) {
      const batchId = batchIdOf(one.id)
      // The id of a batch stands for its rows in the tenant's index; it is no operation.
      if (one.id === batchId) continue
      const items = byBatch.get(batchId) ?? []
      items.push(one)
      byBatch.set(batchId, items)
    }
    const pipeline = redis.pipeline()
    const asked: { position: number; accountId: string }[] = []
    for (const [batchId, items] of byBatch) {
      const accounts = await accountsOfRows(
        redis,
        batchId,
        items.map(({ id }) => rowOf(id)),
      )
      items.forEach(({ id, position }, index) => {
        for (const accountId of accounts[index] ?? []) {
          asked.push({ position, accountId })
          pipeline.exists(keys.operation(accountId, id))
        }
      })
    }
    const answers = (await pipeline.exec()) ?? []
    asked.forEach(({ position, accountId }, index) => {
      if (answers[index]?.[1] === 1) located[position] = accountId
    })
    return located
  }

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
      const entries = await redis.zrevrangebylex(
        keys.tenantOperations(tenantId),
        upperBound(after, to),
        from === null ? '-' : `[${uuidPrefix(from)}`,
        'LIMIT',
        0,
        asked,
      )
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
    const lower = from === null ? '-' : `[${uuidPrefix(from)}`
    const newest = (ids: Iterable<string>): string[] => [...new Set(ids)].sort().reverse().slice(0, count)
    let found = await redis.zrevrangebylex(
      keys.tenantReference(tenantId, reference),
      upperBound(before, to),
      lower,
      'LIMIT',
      0,
      count,
    )
    // A batch has the largest id of its rows, so that of the millisecond of `before` each may have rows below it.
    for (let after = upperBound(before && `${timeOf(before)}.`, to); ;) {
      const page = await redis.zrevrangebylex(keys.tenantBatches(tenantId), after, lower, 'LIMIT', 0, BATCH_PAGE)
      found = newest([...found, ...(await findRowsOfReference(redis, page, { reference, before, count }))])
      const last = page.at(-1)
      if (last === undefined || page.length < BATCH_PAGE) return found
      // What is left is older than the whole page.
      if (timeOf(found[count - 1] ?? '') > timeOf(last)) return found
      after = `(${last}`
    }
  }

  return {
    async accountIdOf(operationId: string): Promise<string | null> {
      return (await locate([operationId]))[0] ?? null
    },

    /**
     * Ids of a page, newest first, older than `before`. The indexes are sorted by id, and a UUIDv7 begins with its
     * time.
     */
    async listIds(
      index: { tenantId: string; accountId?: string; batchId?: string; reference?: string },
      options: PageOptions,
    ): Promise<string[]> {
      if (index.batchId !== undefined) return listBatchIds(index.batchId, options)
      if (index.reference !== undefined) return listReferenceIds(index.tenantId, index.reference, options)
      if (index.accountId === undefined) return listTenantIds(index.tenantId, options)
      return redis.zrevrangebylex(
        keys.operations(index.accountId),
        upperBound(options.before, options.to),
        options.from === null ? '-' : `[${uuidPrefix(options.from)}`,
        'LIMIT',
        0,
        options.count,
      )
    },

    locate,

    /** Operations of the account whose ids are of that time or later: accepted since, or rows of a batch begun since. */
    countSince: (accountId: string, at: number): Promise<number> =>
      redis.zlexcount(keys.operations(accountId), `[${uuidPrefix(at)}`, '+'),

    countOpen: (accountId: string): Promise<number> => redis.zcard(keys.openOperations(accountId)),

    /** Unfinished operations of the account whose time is up. */
    dueForExpiry: (accountId: string, now: number, page: { from: number; count: number }): Promise<string[]> =>
      redis.zrangebyscore(keys.openOperations(accountId), '-inf', now, 'LIMIT', page.from, page.count),

    /** What the lane has not been given yet, most urgent first: `+job` to add, `-job` to remove. */
    readOutbox: (laneId: LaneId, limit: number): Promise<string[]> =>
      redis.zrange(keys.outbox(laneId), '0', String(limit - 1)),
    async clearOutbox(laneId: LaneId, entries: readonly string[]): Promise<void> {
      if (entries.length > 0) await redis.zrem(keys.outbox(laneId), ...entries)
    },

    /**
     * Removes operations from an index once their records have expired; resolves with how many.
     */
    async trimIndex(index: { tenantId: string } | { accountId: string }, now: number): Promise<number> {
      const key = 'tenantId' in index ? keys.tenantOperations(index.tenantId) : keys.operations(index.accountId)
      let removed = 0
      for await (const page of idPagesOf(redis, key, `(${uuidPrefix(now - retentionMs)}`)) {
        const accounts = 'accountId' in index ? page.map(() => index.accountId) : await locate(page)
        const gone = await findGone(redis, page, (id, position) => [
          keys.operation(accounts[position] ?? 'none', id),
          keys.batch(id),
        ])
        if (gone.length > 0) await redis.zrem(key, ...gone)
        removed += gone.length
      }
      return removed
    },
  }
}

/** The first 48 bits of a UUIDv7 are its Unix milliseconds (RFC 9562). */
function uuidPrefix(at: number): string {
  const hex = Math.max(0, Math.floor(at)).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}`
}

function upperBound(before: string | null, to: number | null): string {
  return (
    [before === null ? undefined : `(${before}`, to === null ? undefined : `(${uuidPrefix(to + 1)}`]
      .filter((bound) => bound !== undefined)
      .sort()[0] ?? '+'
  )
}
