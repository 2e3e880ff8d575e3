import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { v7 as uuidv7 } from 'uuid'
import { beforeAll, describe, expect, test } from 'vitest'
import { newBatch, newItem } from '../../test/batches.ts'
import { newAccount, newHead, newKeyring, newRequest, newState, useRedis } from '../../test/redis.ts'
import { createAccounts } from '../accounts/accounts.ts'
import { createBatchId, itemIdOf } from './batch-item-id.ts'
import { createBatches, type Batches } from './batches.ts'
import { keys } from '../redis/keys.ts'
import { createOperations, type Operations } from '../operations/operations.ts'
import type { Redis } from '../redis/connect.ts'

const connect = useRedis()
const keyring = newKeyring()
const RETENTION_MS = 604_800_000
const T0 = Date.now() - 100_000
let redis: Redis
let batches: Batches
let operations: Operations
beforeAll(() => {
  redis = connect()
  batches = createBatches({ redis, keyring, retentionMs: RETENTION_MS })
  operations = createOperations({ redis, keyring, retentionMs: RETENTION_MS, waitReplicas: 0 })
})

async function newTenant(): Promise<{ tenantId: string; accountIds: [string, string] }> {
  const tenantId = randomUUID()
  const [first, second] = [newAccount({ tenantId }), newAccount({ tenantId })]
  for (const account of [first, second])
    await createAccounts({ redis, keyring }).create(account, { type: 'api_token', api_token: 't' })
  return { tenantId, accountIds: [first.id, second.id] }
}
async function newBatchOf(
  tenantId: string,
  accountIds: readonly string[],
  rows: number,
  at: number,
  references: (row: number) => string | undefined = () => undefined,
): Promise<string[]> {
  const batch = newBatch({
    tenantId,
    id: createBatchId(at),
    createdAt: at,
    accounts: accountIds.map((id) => ({ id, provider: 'okta' as const })),
  })
  await batches.create(batch, { fingerprint: 'f' })
  const items = Array.from({ length: rows }, (_, index) =>
    newItem(
      batch,
      index + 1,
      accountIds[index % accountIds.length] ?? '',
      references(index + 1) ? { reference: references(index + 1) ?? '' } : {},
    ),
  )
  await operations.acceptMany(items)
  await batches.commitChunk(
    batch.id,
    0,
    items.map(({ head }, index) => ({
      row: index + 1,
      line: null,
      account: index % accountIds.length,
      reference: head.reference,
    })),
    { rows, rejected: 0, digest: 'd' },
  )
  return items.map(({ head }) => head.id)
}
const single = async (
  tenantId: string,
  accountId: string,
  at: number,
  reference: string | null = null,
): Promise<string> => {
  const head = newHead({ tenantId, accountId, id: uuidv7({ msecs: at }), reference })
  await operations.accept({ head, state: newState(), request: newRequest(), fingerprint: 'f' })
  return head.id
}
async function walk(
  index: { tenantId: string; accountId?: string; reference?: string },
  count: number,
  range: { from?: number; to?: number } = {},
): Promise<string[]> {
  const found: string[] = []
  for (let before: string | null = null; ; before = found.at(-1) ?? null) {
    const page = await operations.listIds(index, { before, from: range.from ?? null, to: range.to ?? null, count })
    expect(page.length).toBeLessThanOrEqual(count)
    if (page.length === 0) return found
    found.push(...page)
  }
}

describe('single creates and batches in one list', () => {
  test('each is there once, newest first, whatever the size of the page, the time asked for, or what stands next to what', async () => {
    const kinds = fc.array(fc.record({ at: fc.integer({ min: 0, max: 5 }), rows: fc.constantFrom(0, 0, 1, 2, 7) }), {
      minLength: 1,
      maxLength: 8,
    })
    await fc.assert(
      fc.asyncProperty(
        kinds,
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 0, max: 5 }),
        async (entries, count, from) => {
          const { tenantId, accountIds } = await newTenant()
          const ids: string[] = []
          for (const { at, rows } of entries)
            ids.push(
              ...(rows === 0
                ? [await single(tenantId, accountIds[0], T0 + at)]
                : await newBatchOf(tenantId, accountIds, rows, T0 + at)),
            )
          // Of a batch the last row first; a batch stands at its own id among the others.
          const found = await walk({ tenantId }, count)
          expect(new Set(found).size).toBe(found.length)
          expect([...found].sort()).toEqual([...ids].sort())
          const timeOf = (id: string): number => parseInt(id.replace('-', '').slice(0, 12), 16)
          expect(found.map(timeOf)).toEqual(found.map(timeOf).sort((a, b) => b - a))
          expect((await walk({ tenantId }, count, { from: T0 + from })).sort()).toEqual(
            ids.filter((id) => timeOf(id) >= T0 + from).sort(),
          )
          for (const accountId of accountIds) {
            const own = await walk({ tenantId, accountId }, count)
            expect(own).toEqual([...own].sort().reverse())
            expect(await operations.locate(own)).toEqual(own.map(() => accountId))
          }
        },
      ),
      { numRuns: 25 },
    )
  }, 60_000)

  test('a reference finds single creates and rows, of the tenant only', async () => {
    const { tenantId, accountIds } = await newTenant()
    const one = await single(tenantId, accountIds[0], T0, 'hr-1')
    const rows = await newBatchOf(tenantId, accountIds, 5, T0 + 1, (row) =>
      row === 5 ? undefined : row % 2 === 0 ? 'hr-1' : `own-${row}`,
    )
    const late = await single(tenantId, accountIds[1], T0 + 2, 'hr-1')
    const found = [late, rows[3], rows[1], one]
    for (const count of [1, 2, 3, 10]) expect(await walk({ tenantId, reference: 'hr-1' }, count)).toEqual(found)
    expect(await walk({ tenantId, reference: 'hr-1' }, 10, { from: T0 + 1, to: T0 + 1 })).toEqual([rows[3], rows[1]])
    expect(await walk({ tenantId, reference: 'own-3' }, 10)).toEqual([rows[2]])
    expect(await walk({ tenantId: randomUUID(), reference: 'hr-1' }, 10)).toEqual([])
  })

  test('an operation of a batch is found by its id alone, at whichever account, and a row that never was is not', async () => {
    const { tenantId, accountIds } = await newTenant()
    const rows = await newBatchOf(tenantId, accountIds, 4, T0)
    const one = await single(tenantId, accountIds[1], T0)
    expect(await operations.locate([...rows, one, itemIdOf(rows[0] ?? '', 5), randomUUID()])).toEqual([
      accountIds[0],
      accountIds[1],
      accountIds[0],
      accountIds[1],
      accountIds[1],
      null,
      null,
    ])
    expect(await operations.accountIdOf(rows[2] ?? '')).toBe(accountIds[0])
    for (const id of rows) expect(await redis.exists(keys.locator(id))).toBe(0)
  })

  test('a batch that has left is taken out of the lists, one that is there stays', async () => {
    const { tenantId, accountIds } = await newTenant()
    const old = Date.now() - RETENTION_MS - 1_000
    const [gone, kept] = [
      await newBatchOf(tenantId, accountIds, 2, old),
      await newBatchOf(tenantId, accountIds, 2, old + 1),
    ]
    const batchId = (await batches.listIds(tenantId, null, 10))[1] ?? ''
    expect(itemIdOf(batchId, 1)).toBe(gone[0])
    await redis.del(keys.batch(batchId), ...gone.map((id, index) => keys.operation(accountIds[index] ?? '', id)))
    await operations.trimIndex({ tenantId }, Date.now())
    await batches.trimIndex(tenantId)
    expect((await walk({ tenantId }, 10)).sort()).toEqual([...kept].sort())
    expect(await batches.listIds(tenantId, null, 10)).toHaveLength(1)
  })
})
