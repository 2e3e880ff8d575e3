import { randomBytes, randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { newBatch } from '../../test/batches.ts'
import { newAccount, newHead, newRequest, newState, useRedis } from '../../test/redis.ts'
import { createBatches } from '../batches/batches.ts'
import { Keyring } from './keyring.ts'
import { keys } from '../redis/keys.ts'
import { resealAll } from './reseal.ts'
import { openStore } from '../store.ts'

const connect = useRedis()
const newKey = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`

test('the chunks of a batch and its callback address are sealed by the newest key, and leave when they would have left', async () => {
  const redis = connect()
  const [old, fresh] = [newKey('old'), newKey('fresh')]
  const tenantId = randomUUID()
  await redis.hset(keys.tenantNames, 'acme', tenantId)
  const before = createBatches({ redis, keyring: Keyring.parse(old), retentionMs: 60_000 })
  const batch = newBatch({ tenantId, hasCallback: true })
  await before.create(batch, { fingerprint: 'f', callbackUrl: 'https://example.com/hook' })
  const rows = [0, 1].map((chunk) => [
    { row: chunk * 500 + 1, line: 2, account: 0, columns: { Mail: 'ada@example.com' } },
  ])
  for (const [chunk, own] of rows.entries())
    await before.commitChunk(batch.id, chunk, own, { rows: chunk + 1, rejected: 0, digest: '' })
  const ttls = (): Promise<number[]> =>
    Promise.all(
      [keys.batch(batch.id), keys.batchChunk(batch.id, 0), keys.batchChunk(batch.id, 1)].map((key) => redis.pttl(key)),
    )
  await redis.pexpire(keys.batchChunk(batch.id, 1), 90_000)

  expect(await resealAll(redis, Keyring.parse(`${fresh},${old}`), () => undefined)).toMatchObject({ resealed: 3 })
  const after = createBatches({ redis, keyring: Keyring.parse(fresh), retentionMs: 60_000 })
  expect(await Promise.all(rows.map((_, chunk) => after.readChunk(batch.id, chunk)))).toEqual(rows)
  expect(await after.readCallback(batch.id)).toBe('https://example.com/hook')
  expect(await ttls()).toEqual([-1, -1, expect.any(Number)])
  expect((await ttls())[2]).toBeGreaterThan(0)
  // And again where it was stopped.
  expect(await resealAll(redis, Keyring.parse(`${fresh},${old}`), () => undefined)).toEqual({
    looked: 3,
    resealed: 0,
    unreadable: 0,
  })
})

test('what does not open is named and left as it is, and the rest is sealed by the newest key all the same', async () => {
  const redis = connect()
  const [old, fresh, foreign] = [newKey('old'), newKey('fresh'), newKey('foreign')]
  const tenantId = randomUUID()
  await redis.hset(keys.tenantNames, 'other', tenantId)
  const accountIds = [randomUUID(), randomUUID()]
  for (const [index, accountId] of accountIds.entries()) {
    await redis.sadd(keys.accounts, accountId)
    const keyring = Keyring.parse(index === 0 ? foreign : old)
    await redis.hset(keys.account(accountId), 'credentials', keyring.seal({}, `account:${accountId}:credentials`))
  }
  const left = await redis.hgetBuffer(keys.account(accountIds[0] ?? ''), 'credentials')

  const unreadable: string[] = []
  const done = await resealAll(
    redis,
    Keyring.parse(`${fresh},${old}`),
    () => undefined,
    (error) => unreadable.push(error.record),
  )
  expect(unreadable).toEqual(expect.arrayContaining([`account:${accountIds[0]}:credentials`]))
  expect(done.unreadable).toBe(unreadable.length)
  expect(await redis.hgetBuffer(keys.account(accountIds[0] ?? ''), 'credentials')).toEqual(left)
  const sealed = await redis.hgetBuffer(keys.account(accountIds[1] ?? ''), 'credentials')
  expect(Keyring.parse(fresh).open(sealed ?? Buffer.alloc(0), `account:${accountIds[1]}:credentials`)).toEqual({})
})

test('the record of an operation and the reference of a batch are sealed by the newest key', async () => {
  const redis = connect()
  const [old, fresh] = [newKey('old'), newKey('fresh')]
  const storeOf = (keyring: Keyring) => openStore({ redis, keyring, retentionMs: 60_000, waitReplicas: 0 })
  const before = storeOf(Keyring.parse(old))
  const account = newAccount()
  await redis.hset(keys.tenantNames, 'records', account.tenantId)
  await before.accounts.create(account, { type: 'api_token', api_token: 'x' })
  const owner = { accountId: account.id, tenantId: account.tenantId, reference: 'ada@example.com' }
  const heads = [newHead(owner), newHead(owner)]
  for (const head of heads)
    await before.operations.accept({ head, state: newState(), request: newRequest(), fingerprint: head.id })
  const batch = newBatch({ tenantId: account.tenantId, reference: 'ada@example.com' })
  await before.batches.create(batch, { fingerprint: 'f' })

  await resealAll(redis, Keyring.parse(`${fresh},${old}`), () => undefined)
  const after = storeOf(Keyring.parse(fresh))
  for (const head of heads)
    expect((await after.operations.read(account.id, head.id))?.head.reference).toBe('ada@example.com')
  const kept = await after.batches.read(batch.id)
  expect(kept && after.batches.readReference(kept)).toBe('ada@example.com')
})
