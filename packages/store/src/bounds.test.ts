import { randomUUID } from 'node:crypto'
import { BoundReachedError, bounds, defaultLimits, PAGE_BYTES } from '@muster/contracts/bounds'
import { beforeAll, describe, expect, test } from 'vitest'
import { newBatch } from '../test/batches.ts'
import { newAccount, newEndpoint, newKeyring, newSecrets, useRedis } from '../test/redis.ts'
import { keys } from './redis/keys.ts'
import { openStore, type Store } from './store.ts'

const MOST = 20
const AT_ONCE = 60

const connect = useRedis()
let store: Store
let tenantId: string
beforeAll(() => {
  tenantId = randomUUID()
  store = openStore({
    redis: connect(),
    keyring: newKeyring(),
    retentionMs: 604_800_000,
    waitReplicas: 0,
    limits: {
      ...defaultLimits,
      apiKeys: MOST,
      integratedAccounts: MOST,
      columnMappings: MOST,
      webhookEndpoints: MOST,
      callbackHosts: MOST,
      openBatches: MOST,
    },
  })
})

interface Collection {
  bound: keyof typeof bounds
  add(number: number): Promise<unknown>
  /** All of it, page by page. */
  count(): Promise<number>
}

async function countPages(read: (after: string | null) => Promise<{ ids: string[]; next: string | null }>) {
  const seen: string[] = []
  for (let after: string | null = null; ;) {
    const { ids, next } = await read(after)
    seen.push(...ids)
    if (next === null) break
    after = next
  }
  expect(new Set(seen).size).toBe(seen.length)
  return seen.length
}
const idsOf = (records: readonly { id: string }[]): string[] => records.map(({ id }) => id)

const collections: Collection[] = [
  {
    bound: 'apiKeys',
    add: (number) => store.tenants.createApiKey(tenantId, `key ${number}`, ['read'], 'live'),
    count: () =>
      countPages(async (after) => {
        const { records, next } = await store.tenants.listApiKeys(tenantId, { after, limit: 7 })
        return { ids: idsOf(records), next }
      }),
  },
  {
    bound: 'integratedAccounts',
    add: () => store.accounts.create(newAccount({ tenantId }), { type: 'api_token', api_token: 't' }),
    count: () =>
      countPages(async (after) => {
        const { records, next } = await store.accounts.list(tenantId, { after, limit: 7 })
        return { ids: idsOf(records), next }
      }),
  },
  {
    bound: 'columnMappings',
    add: (number) => store.columnMappings.save(tenantId, { name: `m${number}`, columns: { A: 'first_name' } }),
    count: () =>
      countPages(async (after) => {
        const { mappings, next } = await store.columnMappings.list(tenantId, { after, limit: 7 })
        return { ids: mappings.map(({ name }) => name), next }
      }),
  },
  {
    bound: 'webhookEndpoints',
    add: () => store.webhookEndpoints.create(newEndpoint({ tenantId }), newSecrets()),
    count: () => connect().scard(keys.tenantWebhookEndpoints(tenantId)),
  },
  {
    bound: 'callbackHosts',
    add: (number) => store.webhookEndpoints.ensureCallbackEndpoint(tenantId, `https://h${number}.example/`, 0),
    count: () => connect().scard(keys.tenantCallbackEndpoints(tenantId)),
  },
  {
    bound: 'openBatches',
    add: () => store.batches.create(newBatch({ tenantId }), { fingerprint: 'f' }),
    count: () => store.batches.countOpenOf(tenantId),
  },
]

describe('what a tenant can store', () => {
  test.each(collections)('of $bound, many at the same moment get no further than the bound', async (collection) => {
    const outcomes = await Promise.allSettled(Array.from({ length: AT_ONCE }, (_, number) => collection.add(number)))
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []))
    expect(refused).toHaveLength(AT_ONCE - MOST)
    for (const reason of refused) {
      expect(reason).toBeInstanceOf(BoundReachedError)
      expect(reason).toMatchObject({ bound: collection.bound, limit: MOST })
    }
    expect(await collection.count()).toBe(MOST)
  })

  test('what is refused leaves nothing behind', async () => {
    const redis = connect()
    const before = await redis.dbsize()
    for (const { add } of collections) await expect(add(AT_ONCE + 1)).rejects.toThrow(BoundReachedError)
    expect(await redis.dbsize()).toBe(before)
  })

  test('what is there already is written over, also where there is room for no other', async () => {
    const { mappings } = await store.columnMappings.list(tenantId, { after: null, limit: 1 })
    const name = mappings[0]?.name ?? ''
    await store.columnMappings.save(tenantId, { name, columns: { B: 'last_name' } })
    expect(await store.columnMappings.read(tenantId, name)).toEqual({ B: 'last_name' })
    await store.webhookEndpoints.ensureCallbackEndpoint(tenantId, 'https://h0.example/other', 0)
  })

  test('one that is removed makes room for one', async () => {
    const [{ id = '' } = {}] = (await store.tenants.listApiKeys(tenantId, { after: null, limit: 1 })).records
    await store.tenants.revokeApiKey(tenantId, id)
    const add = () => store.tenants.createApiKey(tenantId, 'in its place', ['read'], 'live')
    await add()
    await expect(add()).rejects.toThrow(BoundReachedError)
  })

  test('a mapping larger than any may be is refused, and a page of large ones ends before it is too large', async () => {
    const owner = randomUUID()
    const columnsOf = (bytes: number) =>
      Object.fromEntries(Array.from({ length: Math.floor(bytes / 200) }, (_, n) => [`${n}`.padEnd(180, 'x'), 'name']))
    const limit = bounds.columnMappings.bytes
    await expect(store.columnMappings.save(owner, { name: 'large', columns: columnsOf(2 * limit) })).rejects.toThrow(
      `at most ${limit} bytes`,
    )
    for (let number = 0; number < MOST; number += 1)
      await store.columnMappings.save(owner, { name: `m${number}`, columns: columnsOf(limit * 0.9) })
    let pages = 0
    const seen = await countPages(async (after) => {
      const { mappings, next } = await store.columnMappings.list(owner, { after, limit: 100 })
      pages += 1
      expect(Buffer.byteLength(JSON.stringify(mappings))).toBeLessThan(PAGE_BYTES * 1.1)
      return { ids: mappings.map(({ name }) => name), next }
    })
    expect({ seen, pages }).toEqual({ seen: MOST, pages: MOST / 4 })
  })
})
