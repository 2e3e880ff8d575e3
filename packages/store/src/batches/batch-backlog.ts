import { MAX_ROW } from './batch-item-id.ts'
import { HOLD_FIELD } from './stored-batch.ts'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'

/** Rows of batches that wait outside the lane of their account, and are given to it bit by bit. */
export function createBatchBacklog({ redis }: { redis: Redis }) {
  return {
    /** What the lane of the account may be given now: the oldest batch first, in order of rows. */
    async readBacklog(accountId: string, now: number, limit: number): Promise<{ batchId: string; entry: string }[]> {
      const found: { batchId: string; entry: string }[] = []
      for (const batchId of await redis.zrange(keys.accountBatches(accountId), '0', '-1')) {
        if (found.length >= limit) break
        const [hold, entries] = await Promise.all([
          redis.hget(keys.batchCounts(accountId, batchId), HOLD_FIELD),
          redis.zrangebyscore(keys.batchOutbox(accountId, batchId), '-inf', now, 'LIMIT', 0, limit - found.length),
        ])
        if (hold !== 'paused') found.push(...entries.map((entry) => ({ batchId, entry })))
      }
      return found
    },
    /** When the first of those that have to wait for their time may start; null when there is none. */
    async nextBacklogAt(accountId: string): Promise<number | null> {
      let next: number | null = null
      for (const batchId of await redis.zrange(keys.accountBatches(accountId), '0', '-1')) {
        if ((await redis.hget(keys.batchCounts(accountId, batchId), HOLD_FIELD)) === 'paused') continue
        const [, score] = await redis.zrange(keys.batchOutbox(accountId, batchId), '0', '0', 'WITHSCORES')
        if (score !== undefined) next = Math.min(next ?? Infinity, Number(score))
      }
      return next
    },
    /** When the last row of the batch may start that has to wait for its time; null where none has one. */
    async latestStartAt(accountId: string, batchId: string): Promise<number | null> {
      const [, score] = await redis.zrevrange(keys.batchOutbox(accountId, batchId), 0, 0, 'WITHSCORES')
      // Of the others it is their row.
      return score === undefined || Number(score) <= MAX_ROW ? null : Number(score)
    },
    /** Operations of batches that the account gets to only after this one. */
    async countBehind(accountId: string, batchId: string): Promise<number> {
      const all = await redis.zrange(keys.accountBatches(accountId), '0', '-1')
      const later = all.slice(all.indexOf(batchId) + 1)
      const pipeline = redis.pipeline()
      for (const other of later) pipeline.hmget(keys.batchCounts(accountId, other), 'queued', 'running', 'retrying')
      const rows = (await pipeline.exec()) ?? []
      return rows.reduce(
        (sum, [, row]) => sum + (row as (string | null)[]).reduce((open, count) => open + Number(count ?? 0), 0),
        0,
      )
    },
    async clearBacklog(accountId: string, given: readonly { batchId: string; entry: string }[]): Promise<void> {
      const pipeline = redis.pipeline()
      for (const { batchId, entry } of given) pipeline.zrem(keys.batchOutbox(accountId, batchId), entry)
      await pipeline.exec()
    },
  }
}
