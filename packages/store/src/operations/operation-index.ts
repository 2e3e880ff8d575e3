import type { LaneId } from '@muster/domain/lane-id'
import { keys } from '../redis/keys.ts'
import { findGone, idPagesOf } from '../redis/pages.ts'
import type { Redis } from '../redis/connect.ts'
import { createOperationLists, uuidPrefix } from './list-operations.ts'
import { locateOperations } from './locate.ts'

export type OperationIndex = ReturnType<typeof createOperationIndex>

/** Which operations there are, which account each belongs to, and what waits for the lanes. */
export function createOperationIndex({ redis, retentionMs }: { redis: Redis; retentionMs: number }) {
  const locate = (ids: readonly string[]): Promise<(string | null)[]> => locateOperations(redis, ids)

  return {
    ...createOperationLists({ redis }),
    locate,
    accountIdOf: async (operationId: string): Promise<string | null> => (await locate([operationId]))[0] ?? null,

    /**
     * Operations of the account whose ids are of that time or later: accepted since, or rows of a batch begun since.
     */
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

    /** Removes operations from an index once their records have expired; resolves with how many. */
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
