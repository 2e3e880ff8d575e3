import { cancel, startAttempt } from '@muster/domain/operation/state'
import { randomUUID } from 'node:crypto'
import { beforeAll, beforeEach, expect, test } from 'vitest'
import { newBatch, newItem } from '../../test/batches.ts'
import { newAccount, newHead, newKeyring, newRequest, newState, useRedis } from '../../test/redis.ts'
import { itemIdOf } from '../batches/batch-item-id.ts'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'
import { openStore, type Store } from '../store.ts'
import { discardOperation } from './discard-operation.ts'

const connect = useRedis()
const keyring = newKeyring()
const retentionMs = 86_400_000
const account = newAccount()
let redis: Redis
let store: Store
beforeAll(() => {
  redis = connect()
  store = openStore({ redis, keyring, retentionMs, waitReplicas: 0 })
})
beforeEach(async () => {
  account.id = randomUUID()
  await store.accounts.create(account, { type: 'api_token', api_token: 't' })
})

const damage = (id: string) => redis.hset(keys.operation(account.id, id), 'record', Buffer.from([99, 1]))
const discard = (id: string, freeLogin = false) =>
  discardOperation({ redis, keyring, retentionMs }, id, { freeLogin, now: Date.now() })

test('one that is damaged ends as failed, for good, and keeps its login until that is freed', async () => {
  const ids = { tenantId: account.tenantId, accountId: account.id }
  const head = newHead({ ...ids, idempotencyHash: 'i', naturalKeyHash: 'login' })
  await store.operations.accept({ head, state: newState(), request: newRequest(), fingerprint: 'f' })
  await expect(discard(head.id)).rejects.toThrow('can be read')
  await damage(head.id)
  expect(await store.accounts.remove(account, retentionMs)).toBe(false)
  expect(await discard(head.id)).toEqual({ discarded: true, loginFreed: false })
  expect(await store.operations.read(account.id, head.id)).toMatchObject({
    head: { tenantId: account.tenantId, provider: account.provider, batchId: null, createdAt: expect.any(Number) },
    state: { status: 'failed', error: { code: 'outcome_unknown', retryable: false }, erasedAt: expect.any(Number) },
    version: 2,
  })
  expect(await store.operations.readRequest(account.id, head.id)).toBeUndefined()
  expect(await redis.zrange(keys.eventOutbox({ kind: 'account', id: account.id }), 0, '-1')).toEqual([
    expect.stringContaining('operation.failed'),
  ])
  for (const key of [keys.operation(account.id, head.id), keys.idempotency(account.id, 'i'), keys.locator(head.id)])
    expect(await redis.pttl(key)).toBeGreaterThan(0)
  expect(await redis.hget(keys.openWork(account.id), 'bytes')).toBe('0')
  await expect(discard(head.id)).rejects.toThrow('can be read')
  expect(await store.operations.findLiveLogins(account.id, ['login'])).toEqual([head.id])
  expect(await discard(head.id, true)).toEqual({ discarded: false, loginFreed: true })
  expect(await store.operations.findLiveLogins(account.id, ['login'])).toEqual([null])
  expect(await store.accounts.remove(account, retentionMs)).toBe(true)
})

test('a row waits until no other can move, and then the counts of its batch are right', async () => {
  const batch = newBatch({ tenantId: account.tenantId })
  await store.batches.create(batch, { fingerprint: 'f' })
  await store.batches.addAccounts(batch.id, 0, [{ id: account.id, provider: account.provider }], Date.now())
  await store.operations.acceptMany([1, 2, 3].map((row) => newItem(batch, row, account.id)))
  const rows = [1, 2, 3].map((row) => ({ row, line: row, account: 0 }))
  await store.batches.commitChunk(batch.id, 0, rows, { rows: 3, rejected: 0, digest: 'd' })
  const [running = '', queued = '', well = ''] = [1, 2, 3].map((row) => itemIdOf(batch.id, row))
  const first = await store.operations.read(account.id, running)
  if (first) await store.operations.save(first, startAttempt(first.state, Date.now()))
  for (const id of [running, queued]) await damage(id)
  await expect(discard(running)).rejects.toThrow('Other rows of its batch')
  const last = await store.operations.read(account.id, well)
  if (last) await store.operations.save(last, cancel(last.state, Date.now()))
  for (const id of [queued, running]) expect(await discard(id, true)).toEqual({ discarded: true, loginFreed: true })
  const record = await store.batches.read(batch.id)
  expect(record && (await store.batches.readCounts(record)).totals).toMatchObject({
    queued: 0,
    running: 0,
    retrying: 0,
    failed: 2,
    canceled: 1,
    everEnded: 3,
  })
  expect(await store.operations.read(account.id, queued)).toMatchObject({ head: { batchId: batch.id } })
})
