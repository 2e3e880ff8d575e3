import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { v7 as uuidv7 } from 'uuid'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { newAccount, newHead, newKeyring, newRequest, newState, useRedis } from '../../test/redis.ts'
import { createAccounts } from '../accounts/accounts.ts'
import { keys } from '../redis/keys.ts'
import { cancel } from '@muster/domain/operation/state'
import { createOperations, type Operations } from './operations.ts'
import type { Redis } from '../redis/connect.ts'

const connect = useRedis()
const keyring = newKeyring()
const RETENTION_MS = 604_800_000
const T0 = 1_750_000_000_000
let redis: Redis
let operations: Operations
let owner: { tenantId: string; accountId: string }
beforeAll(() => {
  redis = connect()
  operations = createOperations({ redis, keyring, retentionMs: RETENTION_MS, waitReplicas: 0 })
})
beforeEach(() => void (owner = { tenantId: randomUUID(), accountId: randomUUID() }))

const idAt = (msecs: number): string => uuidv7({ msecs })
/** Only the index: what a page shows is looked at elsewhere. */
async function index(times: number[]): Promise<string[]> {
  const ids = times.map(idAt)
  for (let at = 0; at < ids.length; at += 1_000)
    await redis.zadd(keys.tenantOperations(owner.tenantId), ...ids.slice(at, at + 1_000).flatMap((id) => [0, id]))
  return ids.sort().reverse()
}
async function pages(count: number, range: { from?: number; to?: number } = {}): Promise<string[][]> {
  const found: string[][] = []
  for (let before: string | null = null; ; before = found.at(-1)?.at(-1) ?? null) {
    const page = await operations.listIds(
      { tenantId: owner.tenantId },
      { before, from: range.from ?? null, to: range.to ?? null, count },
    )
    if (page.length === 0) return found
    found.push(page)
  }
}

describe('listing', () => {
  test('walks through thousands of the same millisecond, each once, newest first', async () => {
    const ids = await index(Array.from({ length: 3_500 }, (_, count) => (count < 3_000 ? T0 : T0 + count)))
    const found = await pages(100)
    expect(found.every((page) => page.length <= 100)).toBe(true)
    expect(found.flat()).toEqual(ids)
  })

  test('keeps to the time asked for, ends included, whatever the page size', async () => {
    const times = Array.from({ length: 60 }, (_, count) => T0 + (count % 12))
    const ids = await index(times)
    const timeOf = (id: string): number => parseInt(id.replace('-', '').slice(0, 12), 16)
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -2, max: 13 }),
        fc.integer({ min: -2, max: 13 }),
        fc.integer({ min: 1, max: 70 }),
        async (from, to, count) => {
          const range = { from: T0 + from, to: T0 + to }
          expect((await pages(count, range)).flat()).toEqual(
            ids.filter((id) => timeOf(id) >= range.from && timeOf(id) <= range.to),
          )
        },
      ),
      { numRuns: 60 },
    )
    expect((await pages(100, { from: -5, to: 253_402_300_799_999 })).flat()).toEqual(ids)
  })

  test('what arrives while a client pages neither repeats nor hides anything', async () => {
    const ids = await index(Array.from({ length: 20 }, (_, count) => T0 + count))
    const first = await operations.listIds(
      { tenantId: owner.tenantId },
      { before: null, from: null, to: null, count: 10 },
    )
    await index([T0 + 100, T0 + 101])
    const second = await operations.listIds(
      { tenantId: owner.tenantId },
      { before: first.at(-1) ?? null, from: null, to: null, count: 10 },
    )
    expect([...first, ...second]).toEqual(ids)
  })

  test('another tenant, account or reference sees none of it', async () => {
    await index([T0])
    for (const foreign of [
      { tenantId: randomUUID() },
      { tenantId: owner.tenantId, accountId: randomUUID() },
      { tenantId: owner.tenantId, reference: 'r' },
    ]) {
      expect(await operations.listIds(foreign, { before: null, from: null, to: null, count: 10 })).toEqual([])
    }
  })
})

describe('reading what was listed', () => {
  test('gives those that are still there, in the order asked for', async () => {
    const accountId = owner.accountId
    await createAccounts({ redis, keyring }).create(newAccount({ id: accountId, tenantId: owner.tenantId }), {
      type: 'api_token',
      api_token: 't',
    })
    const heads = [newHead(owner), newHead(owner), newHead(owner)]
    for (const head of heads)
      await operations.accept({ head, state: newState(), request: newRequest(), fingerprint: 'f' })
    const [first, second, third] = heads.map(({ id }) => id)
    await redis.del(keys.operation(accountId, second ?? ''))
    const asked = [third, randomUUID(), second, first].flatMap((operationId) =>
      operationId ? [{ accountId, operationId }] : [],
    )
    expect((await operations.readMany(asked)).map(({ head }) => head.id)).toEqual([third, first])
    expect(await operations.locate([first ?? '', randomUUID()])).toEqual([accountId, null])
    expect({ read: await operations.readMany([]), located: await operations.locate([]) }).toEqual({
      read: [],
      located: [],
    })
  })

  test('those whose time is up are found, the longest overdue first', async () => {
    await createAccounts({ redis, keyring }).create(newAccount({ id: owner.accountId, tenantId: owner.tenantId }), {
      type: 'api_token',
      api_token: 't',
    })
    const heads = [newHead(owner), newHead(owner), newHead(owner)] as const
    for (const [position, head] of heads.entries())
      await operations.accept({
        head,
        state: newState({ expiresAt: Date.now() + 60_000 - position * 1_000 }),
        request: newRequest(),
        fingerprint: 'f',
      })
    const now = Date.now()
    const due = (at: number, from: number, count: number) =>
      operations.dueForExpiry(owner.accountId, at, { from, count })
    expect(await due(now, 0, 10)).toEqual([])
    expect(await due(now + 59_500, 0, 10)).toEqual([heads[2].id, heads[1].id])
    expect(await due(now + 61_000, 0, 1)).toEqual([heads[2].id])
    expect(await due(now + 61_000, 1, 10)).toEqual([heads[1].id, heads[0].id])
  })
})

describe('finding an operation for as long as it is kept', () => {
  beforeEach(() =>
    createAccounts({ redis, keyring }).create(newAccount({ id: owner.accountId, tenantId: owner.tenantId }), {
      type: 'api_token',
      api_token: 't',
    }),
  )

  test('by its reference, though a later one with the same reference ends sooner', async () => {
    const [long, short] = [newHead({ ...owner, reference: 'r' }), newHead({ ...owner, reference: 'r' })]
    await operations.accept({
      head: long,
      state: newState({ expiresAt: Date.now() + 10 * RETENTION_MS }),
      request: newRequest(),
      fingerprint: 'f',
    })
    await operations.accept({ head: short, state: newState(), request: newRequest(), fingerprint: 'f' })
    expect(await redis.pttl(keys.tenantReference(owner.tenantId, 'r'))).toBeGreaterThan(10 * RETENTION_MS)
  })

  test('by its id, though it ended long after its expires_at', async () => {
    const head = newHead(owner)
    await operations.accept({ head, state: newState(), request: newRequest(), fingerprint: 'f' })
    await redis.del(keys.locator(head.id))
    const record = await operations.read(owner.accountId, head.id)
    if (!record) throw new Error('the operation is gone')
    await operations.save(record, cancel(record.state, Date.now()))
    expect(await operations.accountIdOf(head.id)).toBe(owner.accountId)
    expect(await redis.pttl(keys.locator(head.id))).toBeGreaterThan(
      await redis.pttl(keys.operation(owner.accountId, head.id)),
    )
  })
})

describe('trimming the indexes', () => {
  test('takes out what has left, and nothing that is there or young', async () => {
    await createAccounts({ redis, keyring }).create(newAccount({ id: owner.accountId, tenantId: owner.tenantId }), {
      type: 'api_token',
      api_token: 't',
    })
    const old = Date.now() - RETENTION_MS - 86_400_000
    const [kept, left] = [newHead({ ...owner, id: idAt(old) }), newHead({ ...owner, id: idAt(old + 1) })]
    const young = newHead(owner)
    for (const head of [kept, left, young])
      await operations.accept({ head, state: newState(), request: newRequest(), fingerprint: 'f' })
    for (const head of [left, young]) await redis.del(keys.operation(owner.accountId, head.id))
    for (const which of [{ tenantId: owner.tenantId }, { accountId: owner.accountId }])
      expect(await operations.trimIndex(which, Date.now())).toBe(1)
    const all = { before: null, from: null, to: null, count: 10 }
    for (const which of [{ tenantId: owner.tenantId }, owner])
      expect(await operations.listIds(which, all)).toEqual([young.id, kept.id])
  })

  test('an operation that ended yesterday stays listed, however long ago it was accepted', async () => {
    await createAccounts({ redis, keyring }).create(newAccount({ id: owner.accountId, tenantId: owner.tenantId }), {
      type: 'api_token',
      api_token: 't',
    })
    const head = newHead({ ...owner, id: idAt(Date.now() - 10 * RETENTION_MS) })
    await operations.accept({ head, state: newState(), request: newRequest(), fingerprint: 'f' })
    const record = await operations.read(owner.accountId, head.id)
    if (!record) throw new Error('the operation is gone')
    await operations.save(record, cancel(record.state, Date.now()))
    expect(await operations.trimIndex({ tenantId: owner.tenantId }, Date.now())).toBe(0)
    expect(await operations.trimIndex({ accountId: owner.accountId }, Date.now())).toBe(0)
  })
})
