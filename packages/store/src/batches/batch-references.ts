import { createHash } from 'node:crypto'
import { itemIdOf, lastRowBelow, MAX_ROW, timeOf } from './batch-item-id.ts'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'
import { defineScript } from '../redis/script.ts'

/** In the names of members: the client's own ids can be long, and can be e-mail addresses. */
export const referenceHash = (reference: string): string =>
  createHash('sha256').update(reference).digest('base64url').slice(0, 20)

/** Rows of one reference lie next to each other, in the order of their numbers. */
export const referenceMember = (reference: string, row: number): string => memberOf(referenceHash(reference), row)
const memberOf = (hash: string, row: number): string => `${hash}${row.toString(36).padStart(4, '0')}`

/** Of the hash that an earlier version wrote. */
const forgetOldScript = defineScript({
  keys: ['references'],
  args: ['reference', 'forgotten'],
  lua: `
local rows = redis.call('HGET', references, reference)
if not rows then return end
local kept = {}
for row in string.gmatch(rows, '%d+') do if row ~= forgotten then kept[#kept + 1] = row end end
if #kept == 0 then redis.call('HDEL', references, reference)
else redis.call('HSET', references, reference, table.concat(kept, ',')) end
`,
})

export async function forgetReference(redis: Redis, batchId: string, reference: string, row: number): Promise<void> {
  await redis.zrem(keys.batchReferenceRows(batchId), referenceMember(reference, row))
  const references = keys.batchReferences(batchId)
  await forgetOldScript(redis, { references, reference: referenceHash(reference), forgotten: row })
}

/** Of each batch, ids of its newest rows with this reference that are below `before`; at most `count` of them. */
export async function findRowsOfReference(
  redis: Redis,
  batchIds: readonly string[],
  { reference, before, count }: { reference: string; before: string | null; count: number },
): Promise<string[]> {
  const hash = referenceHash(reference)
  const lastRows = batchIds.map((batchId) =>
    before !== null && timeOf(batchId) === timeOf(before) ? lastRowBelow(batchId, before) : MAX_ROW,
  )
  const pipeline = redis.pipeline()
  batchIds.forEach((batchId, at) => {
    const newest = `[${memberOf(hash, lastRows[at] ?? 0)}`
    pipeline.zrevrangebylex(keys.batchReferenceRows(batchId), newest, `[${memberOf(hash, 1)}`, 'LIMIT', 0, count)
    // Batches of an earlier version kept all rows of a reference in one field.
    pipeline.hget(keys.batchReferences(batchId), hash)
  })
  const answers = (await pipeline.exec()) ?? []
  return batchIds.flatMap((batchId, at) => {
    const members = (answers[at * 2]?.[1] ?? []) as string[]
    const old = String(answers[at * 2 + 1]?.[1] ?? '')
    const rows = [
      ...members.map((member) => parseInt(member.slice(hash.length), 36)),
      ...old.split(',').flatMap((row) => (row === '' ? [] : Number(row))),
    ]
    return rows.filter((row) => row <= (lastRows[at] ?? 0)).map((row) => itemIdOf(batchId, row))
  })
}
