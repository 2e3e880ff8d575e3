import { randomBytes, randomUUID } from 'node:crypto'
import { BoundReachedError, defaultLimits, type Limits } from '@muster/contracts/bounds'
import { accountLane } from '@muster/domain/lane-id'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { newBatch, newItem } from '../../test/batches.ts'
import { newAccount, newHead, newKeyring, newRequest, newState, useRedis } from '../../test/redis.ts'
import { keys } from '../redis/keys.ts'
import type { OperationRecord } from '@muster/domain/operation/record'
import { startAttempt, cancel, requeue } from '@muster/domain/operation/state'
import type { NewOperation } from './operations.ts'
import { openStore, type Store } from '../store.ts'

const MOST = 20

const connect = useRedis()
const keyring = newKeyring()
const open = (limits: Partial<Limits> = {}): Store =>
  openStore({
    redis: connect(),
    keyring,
    retentionMs: 604_800_000,
    waitReplicas: 0,
    limits: { ...defaultLimits, openOperations: MOST, ...limits },
  })

async function newTenant(store: Store, accounts: number): Promise<{ tenantId: string; accountIds: string[] }> {
  const tenantId = randomUUID()
  const accountIds: string[] = []
  for (let count = 0; count < accounts; count += 1) {
    const account = newAccount({ tenantId })
    await store.accounts.create(account, { type: 'api_token', api_token: 't' })
    accountIds.push(account.id)
  }
  return { tenantId, accountIds }
}

const newOperation = (tenantId: string, accountId: string, key?: string): NewOperation => ({
  head: newHead({ tenantId, accountId, idempotencyHash: key ?? null }),
  state: newState(),
  request: newRequest(),
  fingerprint: key ?? '',
})
/** It is packed before it is stored, and what counts is what is stored: noise stays as large as it is. */
const newLargeOperation = (tenantId: string, accountId: string): NewOperation => ({
  ...newOperation(tenantId, accountId),
  request: { user: { remote_data: { note: randomBytes(300_000).toString('base64') } }, remoteQuery: {} },
})
const recordOf = ({ head, state }: NewOperation): OperationRecord => ({ head, state, version: 1 })

async function acceptAll(store: Store, operations: readonly NewOperation[]): Promise<NewOperation[]> {
  const outcomes = await Promise.allSettled(operations.map((operation) => store.operations.accept(operation)))
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(BoundReachedError)
  return operations.filter((_, index) => outcomes[index]?.status === 'fulfilled')
}

describe('unfinished operations of a tenant', () => {
  test('of many creates at the same moment, over accounts and processes, no more are accepted than there is room for', async () => {
    const [store, other] = [open(), open()]
    const { tenantId, accountIds } = await newTenant(store, 3)
    const operations = Array.from({ length: 60 }, (_, number) => newOperation(tenantId, accountIds[number % 3] ?? ''))
    const accepted = await Promise.all([
      acceptAll(store, operations.slice(30)),
      acceptAll(other, operations.slice(0, 30)),
    ])
    expect(accepted.flat()).toHaveLength(MOST)
    const present = await Promise.all(accountIds.map((id) => store.operations.countOpen(id)))
    expect(present.reduce((sum, count) => sum + count, 0)).toBe(MOST)
  })

  test('one more is refused and leaves nothing behind; one that was canceled makes room for one', async () => {
    const store = open()
    const {
      tenantId,
      accountIds: [accountId = ''],
    } = await newTenant(store, 1)
    const accepted = await acceptAll(
      store,
      Array.from({ length: MOST }, () => newOperation(tenantId, accountId)),
    )
    const before = await connect().dbsize()
    const refused = newOperation(tenantId, accountId)
    await expect(store.operations.accept(refused)).rejects.toMatchObject({ bound: 'openOperations', limit: MOST })
    expect(await connect().dbsize()).toBe(before)
    expect(await connect().zscore(keys.tenantOperations(tenantId), refused.head.id)).toBeNull()

    const [first] = accepted.map(recordOf)
    if (first) await store.operations.save(first, cancel(first.state, Date.now()))
    await store.openWork.reportAccount(tenantId, accountId)
    expect(await acceptAll(store, [refused, newOperation(tenantId, accountId)])).toHaveLength(1)
  })

  test('unreported ends are found when there is no more room', async () => {
    const store = open()
    const { tenantId, accountIds } = await newTenant(store, 2)
    const accepted = await acceptAll(
      store,
      Array.from({ length: MOST }, (_, number) => newOperation(tenantId, accountIds[number % 2] ?? '')),
    )
    // As a worker does it, that reports nothing.
    for (const record of accepted.map(recordOf)) await store.operations.save(record, cancel(record.state, Date.now()))
    expect(await acceptAll(store, [newOperation(tenantId, accountIds[0] ?? '')])).toHaveLength(1)
  })

  test('a repeat under its key gets its operation, even when there is no more room', async () => {
    const store = open()
    const {
      tenantId,
      accountIds: [accountId = ''],
    } = await newTenant(store, 1)
    const first = newOperation(tenantId, accountId, 'first')
    await acceptAll(store, [first, ...Array.from({ length: MOST - 1 }, () => newOperation(tenantId, accountId))])
    const again = newOperation(tenantId, accountId, 'first')
    expect(await store.operations.accept(again)).toEqual({ kind: 'replayed', operationId: first.head.id })
  })

  test('their bytes are bounded too, and those of an end are free again', async () => {
    const store = open({ openMegabytes: 1 })
    const {
      tenantId,
      accountIds: [accountId = ''],
    } = await newTenant(store, 1)
    const large = (): NewOperation => newLargeOperation(tenantId, accountId)
    const accepted = await acceptAll(store, Array.from({ length: 8 }, large))
    expect(accepted.length).toBeGreaterThan(0)
    expect(accepted.length).toBeLessThan(8)
    await expect(store.operations.accept(large())).rejects.toMatchObject({ bound: 'openMegabytes', limit: 1 })
    for (const record of accepted.map(recordOf)) await store.operations.save(record, cancel(record.state, Date.now()))
    await store.openWork.reportAccount(tenantId, accountId)
    expect(await acceptAll(store, [large()])).toHaveLength(1)
  })

  test('rows of an upload count as single creates do, and a chunk without room is not accepted at all', async () => {
    const store = open()
    const {
      tenantId,
      accountIds: [accountId = ''],
    } = await newTenant(store, 1)
    const batch = newBatch({ tenantId })
    const rows = (from: number, to: number): NewOperation[] =>
      Array.from({ length: to - from + 1 }, (_, index) => newItem(batch, from + index, accountId))
    await store.operations.acceptMany(rows(1, 15))
    await expect(store.operations.acceptMany(rows(16, 21))).rejects.toThrow(BoundReachedError)
    expect(await store.operations.countOpen(accountId)).toBe(15)
    expect(
      await acceptAll(
        store,
        Array.from({ length: 6 }, () => newOperation(tenantId, accountId)),
      ),
    ).toHaveLength(5)
  })

  test('one that is retried counts again', async () => {
    const store = open()
    const {
      tenantId,
      accountIds: [accountId = ''],
    } = await newTenant(store, 1)
    const accepted = await acceptAll(
      store,
      Array.from({ length: MOST }, () => newOperation(tenantId, accountId)),
    )
    const ended = await Promise.all(
      accepted.slice(0, 2).map((one) => store.operations.save(recordOf(one), cancel(one.state, Date.now()))),
    )
    await store.openWork.reportAccount(tenantId, accountId)
    await acceptAll(store, [newOperation(tenantId, accountId)])
    const retry = (record: OperationRecord) =>
      store.operations.requeue(
        record,
        requeue(record.state, Date.now() + 60_000, Date.now()),
        newRequest(),
        record.head.naturalKeyHash,
      )
    const [one, two] = ended
    if (!one || !two) throw new Error('two had ended')
    expect(await retry(one)).toEqual({ kind: 'accepted' })
    await expect(retry(two)).rejects.toThrow(BoundReachedError)
  })

  test('one that an earlier version accepted, whose bytes are not known, comes to its end', async () => {
    const store = open()
    const {
      tenantId,
      accountIds: [accountId = ''],
    } = await newTenant(store, 1)
    const [one] = await acceptAll(store, [newOperation(tenantId, accountId)])
    if (!one) throw new Error('there is room for it')
    await connect().hdel(keys.operation(accountId, one.head.id), 'bytes')
    await connect().del(keys.openWork(accountId))
    expect((await store.operations.save(recordOf(one), cancel(one.state, Date.now()))).version).toBe(2)
    expect(await connect().zrange(keys.outbox(accountLane(accountId)), '0', '-1')).toEqual([])
    expect(await connect().hgetall(keys.openWork(accountId))).toEqual({ bytes: '0', changes: '1' })
  })

  test('an account without any leaves the total when it has been removed', async () => {
    const store = open()
    const { tenantId, accountIds } = await newTenant(store, 2)
    await Promise.all(accountIds.map((accountId) => store.openWork.reportAccount(tenantId, accountId)))
    const removed = await store.accounts.read(accountIds[0] ?? '')
    if (!removed) throw new Error('it was made')
    await store.accounts.remove(removed, 1)
    await store.openWork.recount(tenantId)
    const fields = await connect().hkeys(keys.tenantOpenWork(tenantId))
    expect(fields.filter((field) => field.startsWith('account:'))).toEqual([`account:${accountIds[1]}`])
  })

  test('what an account has written within the retention is bounded, whatever became of it; repeats do not count', async () => {
    const store = open({ keptMegabytes: 1 })
    const {
      tenantId,
      accountIds: [accountId = ''],
    } = await newTenant(store, 1)
    const first = newOperation(tenantId, accountId, 'k')
    await store.operations.accept(first)
    const kept = async (): Promise<number> => Number(await connect().hget(keys.tenantOpenWork(tenantId), 'kept'))
    const before = await kept()
    for (let count = 0; count < 5; count += 1)
      expect((await store.operations.accept(newOperation(tenantId, accountId, 'k'))).kind).toBe('replayed')
    await store.openWork.reportAccount(tenantId, accountId)
    expect(await kept()).toBe(before)
    let refused: unknown
    for (let count = 0; count < 10 && refused === undefined; count += 1) {
      const operation = newLargeOperation(tenantId, accountId)
      const acceptance = await store.operations.accept(operation).catch((error: unknown) => error)
      if (acceptance instanceof BoundReachedError) refused = acceptance
      else {
        const record = recordOf(operation)
        await store.operations.save(record, cancel(record.state, Date.now()))
      }
    }
    expect(refused).toMatchObject({ bound: 'keptMegabytes', limit: 1 })
  })

  test('after any order of changes and crashes, a recount equals the open work', async () => {
    const store = open({ openOperations: 1_000 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(fc.constantFrom('accept', 'cancel', 'run', 'retry', 'erase', 'forget'), fc.nat(5), fc.nat(1)),
          {
            maxLength: 30,
          },
        ),
        async (steps) => {
          const redis = connect()
          const { tenantId, accountIds } = await newTenant(store, 2)
          const records: OperationRecord[] = []
          for (const [what, which, where] of steps) {
            const index = records.length === 0 ? -1 : which % records.length
            const record = records[index]
            if (what === 'accept') {
              const operation = newOperation(tenantId, accountIds[where] ?? '')
              await store.operations.accept(operation)
              records.push(recordOf(operation))
            } else if (what === 'forget') await redis.hdel(keys.tenantOpenWork(tenantId), 'count', 'bytes')
            else if (record) records[index] = (await change(store, what, record)) ?? record
          }
          // As if every report had been lost.
          await redis.del(keys.tenantOpenWork(tenantId))
          await store.openWork.recount(tenantId)
          let count = 0
          let bytes = 0
          for (const accountId of accountIds)
            for (const id of await redis.zrange(keys.openOperations(accountId), '0', '-1')) {
              count += 1
              bytes += Number(await redis.hget(keys.operation(accountId, id), 'bytes'))
            }
          const [total, totalBytes] = await redis.hmget(keys.tenantOpenWork(tenantId), 'count', 'bytes')
          expect({ count: Number(total), bytes: Number(totalBytes) }).toEqual({ count, bytes })
        },
      ),
      { numRuns: 40 },
    )
  })
})

async function change(store: Store, what: string, record: OperationRecord): Promise<OperationRecord | undefined> {
  const now = Date.now()
  try {
    if (what === 'cancel') return await store.operations.save(record, cancel(record.state, now))
    if (what === 'run') return await store.operations.save(record, startAttempt(record.state, now))
    if (what === 'erase') return await store.eraseOperation(record, now)
    const next = requeue(record.state, now + 60_000, now)
    const outcome = await store.operations.requeue(record, next, newRequest(), record.head.naturalKeyHash)
    return outcome.kind === 'accepted' ? { ...record, state: next, version: record.version + 1 } : undefined
  } catch {
    // Its state does not allow it.
    return undefined
  }
}
