import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { newBatch, newItem } from '../../test/batches.ts'
import { newAccount, newKeyring, useRedis } from '../../test/redis.ts'
import { createAccounts } from '../accounts/accounts.ts'
import { itemIdOf } from './batch-item-id.ts'
import { CHUNK_ROWS, type BatchRecord, type BatchRow } from '@muster/domain/batch/record'
import { createBatches, type Batches } from './batches.ts'
import { keys } from '../redis/keys.ts'
import { cancel } from '@muster/domain/operation/state'
import { createOperations, type Operations } from '../operations/operations.ts'
import type { Redis } from '../redis/connect.ts'

const connect = useRedis()
const keyring = newKeyring()
const RETENTION_MS = 604_800_000
const DAY_MS = 86_400_000
let redis: Redis
let batches: Batches
let operations: Operations
beforeAll(() => {
  redis = connect()
  batches = createBatches({ redis, keyring, retentionMs: RETENTION_MS })
  operations = createOperations({ redis, keyring, retentionMs: RETENTION_MS, waitReplicas: 0 })
})

async function opened(more: Partial<BatchRecord> = {}): Promise<BatchRecord> {
  const record = newBatch({ tenantId: randomUUID(), ...more })
  expect(await batches.create(record, { fingerprint: 'f' })).toBe(true)
  return record
}
async function withAccounts(count: number, more: Partial<BatchRecord> = {}): Promise<BatchRecord> {
  let record = await opened(more)
  for (let index = 0; index < count; index += 1) {
    const account = newAccount({ tenantId: record.tenantId })
    await createAccounts({ redis, keyring }).create(account, { type: 'api_token', api_token: 't' })
    record = (await batches.addAccounts(record.id, index, [{ id: account.id, provider: 'okta' }], Date.now())) ?? record
  }
  return record
}
const accountOf = (record: BatchRecord, index = 0): string => record.accounts[index]?.id ?? ''
const rowsFrom = (first: number, count: number, more: Partial<BatchRow> = {}): BatchRow[] =>
  Array.from({ length: count }, (_, index) => ({
    row: first + index,
    line: first + index + 1,
    account: 0,
    columns: { Mail: `canary-${first + index}@example.com` },
    ...more,
  }))
const keysOfBatch = async (record: BatchRecord): Promise<string[]> =>
  (await redis.keys(`*${record.id}*`)).filter((key) => !key.endsWith('event-outbox'))

describe('one key is one batch', () => {
  test('the second to reserve gets the id of the first, and overwrites nothing', async () => {
    const record = await opened()
    expect(await batches.reserveId(record.tenantId, 'k', record.id)).toBe(record.id)
    expect(await batches.reserveId(record.tenantId, 'k', randomUUID())).toBe(record.id)
    await batches.commitChunk(record.id, 0, rowsFrom(1, 3), { rows: 3, rejected: 0, digest: 'd' })
    expect(await batches.create({ ...record, reference: 'second' }, { fingerprint: 'f' })).toBe(true)
    expect(await batches.read(record.id)).toEqual(record)
    expect(await batches.readProgress(record.id)).toEqual({ rows: 3, rejected: 0, chunks: 1, digest: 'd' })
    expect(await batches.create({ ...record, reference: 'third' }, { fingerprint: 'other' })).toBe(false)
    expect(await batches.findByIdempotencyKey(randomUUID(), 'k')).toBeNull()
  })
})

describe('an upload', () => {
  test('has one holder at a time, who keeps it and gives it back', async () => {
    const record = await opened()
    expect(await batches.takeUpload(record.id, 'a')).toBe(true)
    expect(await batches.takeUpload(record.id, 'b')).toBe(false)
    await redis.pexpire(keys.batchUpload(record.id), 1_000)
    expect(await batches.takeUpload(record.id, 'a')).toBe(true)
    expect(await redis.pttl(keys.batchUpload(record.id))).toBeGreaterThan(10_000)
    await batches.releaseUpload(record.id, 'b')
    expect(await batches.isUploading(record.id)).toBe(true)
    await batches.releaseUpload(record.id, 'a')
    expect(await batches.isUploading(record.id)).toBe(false)
    expect(await batches.takeUpload(record.id, 'b')).toBe(true)
  })

  test('each chunk is committed once, in order, whichever request brings it', async () => {
    const record = await opened()
    const commit = (chunk: number, digest: string) =>
      batches.commitChunk(record.id, chunk, rowsFrom(chunk * CHUNK_ROWS + 1, 2), {
        rows: (chunk + 1) * 2,
        rejected: 0,
        digest,
      })
    expect(await commit(1, 'too early')).toBe(false)
    expect(
      (await Promise.all(Array.from({ length: 5 }, (_, index) => commit(0, `d${index}`)))).filter(Boolean),
    ).toHaveLength(1)
    expect(await commit(1, 'second')).toBe(true)
    expect(await commit(0, 'again')).toBe(false)
    expect(await batches.readProgress(record.id)).toEqual({ rows: 4, rejected: 0, chunks: 2, digest: 'second' })
    expect(await batches.commitChunk('no-such-batch', 0, [], { rows: 0, rejected: 0, digest: '' })).toBe(false)
  })

  test('cells of the client are sealed, and come back', async () => {
    const record = await opened()
    await batches.commitChunk(record.id, 0, rowsFrom(1, 2), { rows: 2, rejected: 0, digest: 'd' })
    expect((await redis.getBuffer(keys.batchChunk(record.id, 0)))?.includes('canary')).toBe(false)
    expect(await batches.readChunk(record.id, 0)).toEqual(rowsFrom(1, 2))
    expect(await batches.readChunk(record.id, 1)).toEqual([])
  })

  test('a row that is accepted again is the same operation, and counts once', async () => {
    const record = await withAccounts(1)
    const items = [1, 2, 3].map((row) => newItem(record, row, accountOf(record)))
    expect((await operations.acceptMany(items)).map(({ kind }) => kind)).toEqual(['accepted', 'accepted', 'accepted'])
    expect((await operations.acceptMany(items)).map(({ kind }) => kind)).toEqual(['replayed', 'replayed', 'replayed'])
    expect((await batches.readAccountCounts(record))[0]).toMatchObject({ queued: 3, changes: 0 })
  })
})

describe('accounts', () => {
  test('beyond the first twenty have a key of their own, in the order in which they came, and rows are found at each', async () => {
    const record = await withAccounts(23)
    expect(record).toMatchObject({ accountCount: 23 })
    expect(record.accounts).toHaveLength(20)
    const accounts = await batches.readAccounts(record)
    expect(new Set(accounts.map(({ id }) => id)).size).toBe(23)
    expect(await batches.readAccounts(record, 19, 22)).toEqual(accounts.slice(19, 22))
    const items = accounts.map(({ id }, index) => newItem(record, index + 1, id))
    await operations.acceptMany(items)
    const ids = items.map(({ head }) => head.id)
    const own = accounts.map(({ id }) => id)
    // Before the chunk says where its rows are, and after.
    expect(await operations.locate(ids)).toEqual(own)
    const rows = accounts.map((_, index) => ({ row: index + 1, line: null, account: index }))
    await batches.commitChunk(record.id, 0, rows, { rows: 23, rejected: 0, digest: 'd' })
    expect(await operations.locate(ids)).toEqual(own)
    expect((await batches.readCounts(record)).totals).toMatchObject({ queued: 23, running: 0 })
    expect(await batches.addAccounts(record.id, 22, [{ id: randomUUID(), provider: 'okta' }], 0)).toBeUndefined()
  })

  test('of a batch that an earlier version began are all in its record, and later ones follow them', async () => {
    const before = Array.from({ length: 25 }, () => ({ id: randomUUID(), provider: 'okta' as const }))
    const record = await opened({ accounts: before })
    const later = { id: randomUUID(), provider: 'okta' as const }
    const next = await batches.addAccounts(record.id, 25, [later], Date.now())
    expect(await batches.readAccounts(next ?? record)).toEqual([...before, later])
  })

  test('counts over very many are those that were counted last, and never older ones', async () => {
    const record = await withAccounts(21)
    const item = newItem(record, 1, accountOf(record))
    await operations.acceptMany([item])
    await batches.commitChunk(record.id, 0, rowsFrom(1, 1), { rows: 1, rejected: 0, digest: 'd' })
    const before = await batches.readAccountCounts(record)
    const operation = await operations.read(accountOf(record), item.head.id)
    if (operation) await operations.save(operation, cancel(operation.state, Date.now()))
    expect((await batches.readCounts(record)).totals).toMatchObject({ queued: 1, canceled: 0 })
    await batches.readAccountCounts(record)
    expect((await batches.readCounts(record)).totals).toMatchObject({ queued: 0, canceled: 1, changes: 1 })
    expect(before[0]).toMatchObject({ queued: 1, hold: null })
  })
})

describe('hold flags', () => {
  const holdsOf = (record: BatchRecord) => Promise.all(record.accounts.map(({ id }) => batches.readHold(id, record.id)))
  test('are those of the status, also at an account that came later', async () => {
    const record = await withAccounts(2)
    for (const [status, hold] of [
      ['paused', 'paused'],
      ['running', null],
      ['stopped', 'paused'],
      ['canceling', 'canceled'],
    ] as const) {
      await batches.update(record.id, (latest) => ({ ...latest, status }))
      await batches.syncHold(record.id)
      expect({ status, holds: await holdsOf(record) }).toEqual({ status, holds: [hold, hold] })
    }
    const later =
      (await batches.addAccounts(record.id, 2, [{ id: randomUUID(), provider: 'okta' }], Date.now())) ?? record
    expect(await holdsOf(later)).toEqual(['canceled', 'canceled', 'canceled'])
  })

  test('of many changes at the same moment, the hold flag that stays is that of the status that stays', async () => {
    const record = await withAccounts(3)
    for (let round = 0; round < 20; round += 1) {
      await Promise.all(
        (['paused', 'running', 'stopped', 'running', 'canceling'] as const).map(async (status) => {
          await batches.update(record.id, (latest) => ({ ...latest, status }))
          await batches.syncHold(record.id)
        }),
      )
      const { status } = (await batches.read(record.id)) ?? record
      const hold = status === 'running' ? null : status === 'canceling' ? 'canceled' : 'paused'
      expect({ status, holds: await holdsOf(record) }).toEqual({ status, holds: [hold, hold, hold] })
    }
  })

  test('a paused batch gives the lane nothing; the others continue, oldest first, in order of rows, and none before its time', async () => {
    const first = await withAccounts(1)
    const account = accountOf(first)
    const second = await opened({ tenantId: first.tenantId })
    await batches.addAccounts(second.id, 0, [{ id: account, provider: 'okta' }], Date.now() + 1)
    const soon = Date.now() + 60_000
    await operations.acceptMany([
      newItem(first, 2, account),
      newItem(first, 1, account),
      newItem(first, 3, account, { notBefore: soon }),
    ])
    await operations.acceptMany([newItem(second, 1, account)])
    expect(await batches.latestStartAt(account, first.id)).toBe(soon)
    expect(await batches.latestStartAt(account, second.id)).toBeNull()
    const read = async (now: number, limit = 10) =>
      (await batches.readBacklog(account, now, limit)).map(({ entry }) => entry)
    const entry = (record: BatchRecord, row: number): string => `+${itemIdOf(record.id, row)}`
    expect(await read(Date.now())).toEqual([entry(first, 1), entry(first, 2), entry(second, 1)])
    expect(await read(Date.now(), 2)).toEqual([entry(first, 1), entry(first, 2)])
    expect(await read(soon)).toEqual([entry(first, 1), entry(first, 2), entry(first, 3), entry(second, 1)])
    await batches.update(first.id, (latest) => ({ ...latest, status: 'paused' }))
    await batches.syncHold(first.id)
    expect(await read(soon)).toEqual([entry(second, 1)])
    expect(await batches.countBehind(account, first.id)).toBe(1)
    await batches.clearBacklog(account, [{ batchId: second.id, entry: entry(second, 1) }])
    expect(await batches.nextBacklogAt(account)).toBeNull()
  })
})

describe('the end', () => {
  test('starts the retention of every key; a retry takes it back, even while another process closes the batch', async () => {
    const record = await withAccounts(2)
    await operations.acceptMany([newItem(record, 1, accountOf(record)), newItem(record, 2, accountOf(record, 1))])
    await batches.commitChunk(record.id, 0, rowsFrom(1, 2, { reference: 'ref' }), { rows: 2, rejected: 0, digest: 'd' })
    for (const [index, row] of [1, 2].entries()) {
      const item = await operations.read(accountOf(record, index), itemIdOf(record.id, row))
      if (item) await operations.save(item, cancel(item.state, Date.now()))
    }
    const ttls = async (): Promise<number[]> => Promise.all((await keysOfBatch(record)).map((key) => redis.pttl(key)))
    const completed =
      (await batches.update(record.id, (latest) => ({ ...latest, status: 'completed', finishedAt: Date.now() }))) ??
      record
    await batches.close(completed)
    expect((await ttls()).length).toBeGreaterThanOrEqual(5)
    for (const ttl of await ttls()) {
      expect(ttl).toBeGreaterThan(RETENTION_MS + DAY_MS - 10_000)
      expect(ttl).toBeLessThanOrEqual(RETENTION_MS + DAY_MS)
    }
    expect({
      openOfTenant: await redis.smembers(keys.tenantOpenBatches(record.tenantId)),
      isOpen: (await batches.listOpenIds()).includes(record.id),
      scoreAtAccount: await redis.zscore(keys.accountBatches(accountOf(record)), record.id),
    }).toEqual({ openOfTenant: [], isOpen: false, scoreAtAccount: null })

    const retry = { type: 'retry', failureBaseline: { failed: 0, ended: 2 }, expiresAt: Date.now() } as const
    const running = await batches.apply(record.id, () => retry, Date.now())
    expect((await ttls()).every((ttl) => ttl === -1)).toBe(true)
    // Of a process that read it as completed.
    await batches.close(completed)
    expect((await ttls()).every((ttl) => ttl === -1)).toBe(true)
    expect({
      openOfTenant: await redis.smembers(keys.tenantOpenBatches(record.tenantId)),
      scoreAtAccount: await redis.zscore(keys.accountBatches(accountOf(record)), record.id),
    }).toEqual({ openOfTenant: [record.id], scoreAtAccount: expect.any(String) })
    expect(running?.status).toBe('running')
  })

  test('rows of one chunk that are erased side by side are all gone, with their references, and the chunk leaves when it would have left', async () => {
    const record = await withAccounts(1)
    await operations.acceptMany(
      Array.from({ length: 20 }, (_, index) =>
        newItem(record, index + 1, accountOf(record), { reference: index < 10 ? 'same' : `own-${index}` }),
      ),
    )
    await batches.commitChunk(
      record.id,
      0,
      rowsFrom(1, 20).map((row, index) => ({ ...row, reference: index < 10 ? 'same' : `own-${index}` })),
      { rows: 20, rejected: 0, digest: 'd' },
    )
    await redis.pexpire(keys.batchChunk(record.id, 0), 50_000)
    const doomed = [1, 2, 3, 4, 5, 11, 12, 13]
    await Promise.all(doomed.map((row) => batches.eraseRow(record.id, row)))
    const rows = await batches.readChunk(record.id, 0)
    expect(rows.map(({ row }) => row)).toEqual(rowsFrom(1, 20).map(({ row }) => row))
    expect(
      rows.filter(({ columns, reference }) => columns === undefined && reference === undefined).map(({ row }) => row),
    ).toEqual(doomed)
    expect(await redis.pttl(keys.batchChunk(record.id, 0))).toBeGreaterThan(0)
    const find = (reference: string) =>
      operations.listIds({ tenantId: record.tenantId, reference }, { before: null, from: null, to: null, count: 50 })
    expect(await find('same')).toEqual([10, 9, 8, 7, 6].map((row) => itemIdOf(record.id, row)))
    expect(await find('own-10')).toEqual([])
    expect(await find('own-15')).toEqual([itemIdOf(record.id, 16)])
  })
})
