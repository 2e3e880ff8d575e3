import { defaultLimits } from '@muster/contracts/bounds'
import { createLaneSchedule } from '@muster/lanes/lane-schedule'
import { providerOf } from '@muster/providers/registry'
import type { BatchRecord } from '@muster/domain/batch/record'
import { hashNaturalKey } from '@muster/store/crypto/hash-key'
import { defaultRetryPolicy } from '@muster/domain/operation/retry-policy'
import { finishAttempt, requeue, startAttempt } from '@muster/domain/operation/state'
import type { OperationRecord } from '@muster/domain/operation/record'
import type { Redis } from '@muster/store/redis/connect'
import { followRedisClock, type RedisClock } from '@muster/store/redis/clock'
import { openStore, type Store } from '@muster/store/store'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newBatch, newItem } from '../../../../packages/store/test/batches.ts'
import { newAccount, newKeyring, useRedis } from '../../../../packages/store/test/redis.ts'
import { createBatchSupervisor, type BatchSupervisor } from './batch-supervisor.ts'

const ROWS = 40
const keyring = newKeyring()
const connect = useRedis()
/** Without secrets, which would be erased with the end of the row: it could not be run again. */
const requestOf = (row: number) => ({
  user: { username: `ada.${row}@example.com`, first_name: 'Ada', last_name: 'L', emails: [{ email: 'a@example.com' }] },
  remoteQuery: {},
})
const failure = { code: 'provider_unavailable' as const, message: 'x', origin: 'provider' as const }
let store: Store
let clock: RedisClock
let redis: Redis
beforeAll(async () => {
  redis = connect()
  store = openStore({ redis, keyring, retentionMs: 86_400_000, waitReplicas: 0 })
  clock = await followRedisClock(redis, () => undefined)
})
afterAll(() => clock.stop())

const supervisorOf = (seen: Store): BatchSupervisor =>
  createBatchSupervisor({
    store: seen,
    schedule: createLaneSchedule(redis),
    redis,
    subscriber: redis,
    clock,
    onEvent: () => undefined,
    onError: (error) => expect.unreachable(String(error)),
  })

/** A batch whose rows have all come in, and all of them. */
async function startBatch(more: Partial<BatchRecord>) {
  const account = newAccount()
  await store.accounts.create(account, { type: 'api_token', api_token: 'x' })
  const batch = newBatch({
    tenantId: account.tenantId,
    status: 'running',
    uploadedAt: Date.now(),
    accounts: [{ id: account.id, provider: 'okta' }],
    ...more,
  })
  await store.batches.create(batch, { fingerprint: 'f' })
  const hash = await store.hasher()
  const items = Array.from({ length: ROWS }, (_, index) => {
    const request = requestOf(index + 1)
    const naturalKeyHash = hashNaturalKey(hash, account.id, providerOf('okta').toNaturalKey(request, account))
    return { ...newItem(batch, index + 1, account.id, { naturalKeyHash }), request }
  })
  await store.operations.acceptMany(items)
  await store.batches.commitChunk(
    batch.id,
    0,
    items.map((_, index) => ({ row: index + 1, line: null, account: 0 })),
    { rows: ROWS, rejected: 0, digest: '' },
  )
  const rows = (): Promise<OperationRecord[]> =>
    store.operations.readMany(items.map(({ head }) => ({ accountId: account.id, operationId: head.id })))
  return { id: batch.id, rows, read: async (): Promise<BatchRecord | undefined> => store.batches.read(batch.id) }
}

async function fail(records: readonly OperationRecord[]): Promise<void> {
  for (const record of records) {
    const running = await store.operations.save(record, startAttempt(record.state, clock.now()))
    await store.operations.save(
      running,
      finishAttempt(
        running.state,
        { ...failure, outcome: 'failed' },
        [],
        { ...defaultRetryPolicy, maxAttempts: 1 },
        clock.now(),
      ),
    )
  }
}

/** A store in which this happens once, right after the counts have been read for the first time. */
function withMeanwhile(happens: () => Promise<unknown>): Store {
  let isOver = false
  const readAccountCounts: Store['batches']['readAccountCounts'] = async (record) => {
    const parts = await store.batches.readAccountCounts(record)
    if (!isOver) await happens()
    isOver = true
    return parts
  }
  return { ...store, batches: { ...store.batches, readAccountCounts } }
}

test('rows to be retried wait for room where their tenant has as many open operations as it may have', async () => {
  const retry = { kind: 'retry', nextChunk: 0, expiresAt: Date.now() + 60_000 } as const
  const batch = await startBatch({ work: retry })
  await fail(await batch.rows())
  const tight = openStore({
    redis,
    keyring,
    retentionMs: 86_400_000,
    waitReplicas: 0,
    limits: { ...defaultLimits, openOperations: 10 },
  })
  const queued = async (): Promise<OperationRecord[]> =>
    (await batch.rows()).filter(({ state }) => state.status === 'queued')
  await supervisorOf(tight).supervise(batch.id)
  expect(await batch.read()).toMatchObject({ status: 'running', work: retry, retrySkipped: 0 })
  expect(await queued()).toHaveLength(10)
  await supervisorOf(store).supervise(batch.id)
  expect(await batch.read()).toMatchObject({ work: null, retrySkipped: 0 })
  expect(await queued()).toHaveLength(ROWS)
})

test('a batch whose last rows fail between the check of its failure limit and the check of its end says so, though there is nothing left to stop', async () => {
  const batch = await startBatch({ maxFailures: 25 })
  const rows = await batch.rows()
  await fail(rows.slice(0, 24))
  await supervisorOf(withMeanwhile(() => fail(rows.slice(24)))).supervise(batch.id)
  expect(await batch.read()).toMatchObject({
    status: 'completed',
    statusReason: '40 rows have failed, and max_failures is 25.',
  })
})

test('a batch that is stopped and resumed while another process checks its failure limit is not stopped again for the same failures', async () => {
  const batch = await startBatch({ maxFailures: 25 })
  await fail((await batch.rows()).slice(0, 25))
  const stopAndResume = async (): Promise<void> => {
    await supervisorOf(store).supervise(batch.id)
    expect(await batch.read()).toMatchObject({ status: 'stopped' })
    await store.batches.update(batch.id, (latest) => ({
      ...latest,
      status: 'running',
      statusReason: null,
      failureBaseline: { failed: 25, ended: 25 },
    }))
  }
  await supervisorOf(withMeanwhile(stopAndResume)).supervise(batch.id)
  expect(await batch.read()).toMatchObject({ status: 'running', statusReason: null })
})

test('rows that a process had requeued when it died count for the failure limit like those that the next one requeues', async () => {
  const retry = { kind: 'retry', nextChunk: 0, expiresAt: Date.now() + 60_000 } as const
  const batch = await startBatch({ maxFailures: 25, failureBaseline: { failed: ROWS, ended: ROWS }, work: retry })
  await fail(await batch.rows())
  for (const row of (await batch.rows()).slice(0, 20)) {
    const opened = await store.operations.readRequest(row.head.accountId, row.head.id)
    const next = requeue(row.state, retry.expiresAt, clock.now())
    await store.operations.requeue(row, next, opened?.request ?? requestOf(0), row.head.naturalKeyHash)
  }
  const { supervise } = supervisorOf(store)
  await supervise(batch.id)
  const again = await batch.rows()
  expect(again.map(({ state }) => [state.status, state.run])).toEqual(Array.from({ length: ROWS }, () => ['queued', 1]))
  await fail(again.slice(0, 24))
  await supervise(batch.id)
  expect(await batch.read()).toMatchObject({ status: 'running', statusReason: null })
  await fail(again.slice(24, 25))
  await supervise(batch.id)
  expect(await batch.read()).toMatchObject({
    status: 'stopped',
    statusReason: '25 rows have failed, and max_failures is 25.',
  })
})
