import { accountsOfRows } from '../batches/batch-accounts.ts'
import { batchIdOf, rowOf } from '../batches/batch-item-id.ts'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'

interface Wanted {
  id: string
  position: number
}

/** The account of each operation; null where it is gone. */
export async function locateOperations(redis: Redis, operationIds: readonly string[]): Promise<(string | null)[]> {
  if (operationIds.length === 0) return []
  const located = (await redis.mget(...operationIds.map(keys.locator))).slice()
  const unknown = operationIds.flatMap((id, position) => (located[position] === null ? [{ id, position }] : []))
  for (const { position, accountId } of await locateRows(redis, unknown)) located[position] = accountId
  return located
}

/** Rows of a batch have no entry of their own: the batch knows where they are. */
async function locateRows(redis: Redis, wanted: readonly Wanted[]): Promise<{ position: number; accountId: string }[]> {
  const pipeline = redis.pipeline()
  const asked: { position: number; accountId: string }[] = []
  for (const [batchId, rows] of byBatch(wanted)) {
    const numbers = rows.map(({ id }) => rowOf(id))
    const accounts = await accountsOfRows(redis, batchId, numbers)
    rows.forEach(({ id, position }, index) => {
      for (const accountId of accounts[index] ?? []) {
        asked.push({ position, accountId })
        pipeline.exists(keys.operation(accountId, id))
      }
    })
  }
  const answers = (await pipeline.exec()) ?? []
  return asked.filter((_, index) => answers[index]?.[1] === 1)
}

function byBatch(wanted: readonly Wanted[]): Map<string, Wanted[]> {
  const batches = new Map<string, Wanted[]>()
  for (const one of wanted) {
    const batchId = batchIdOf(one.id)
    // The id of a batch stands for its rows in the tenant's index; it is not an operation.
    if (one.id !== batchId) batches.set(batchId, [...(batches.get(batchId) ?? []), one])
  }
  return batches
}
