import { accountLane } from '@muster/domain/lane-id'
import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { newAccount, newHead, newKeyring, newRequest, newState, useRedis } from '../../test/redis.ts'
import { createAccounts } from '../accounts/accounts.ts'
import { FINISHED_CHANNEL, keys } from '../redis/keys.ts'
import type { OperationHead, OperationRecord } from '@muster/domain/operation/record'
import { cancel, expire, finishAttempt, recordIntent, requeue, startAttempt } from '@muster/domain/operation/state'
import type { Outcome } from '@muster/domain/outcome'
import { createOperations, NotReplicatedError, StaleVersionError, type Operations } from './operations.ts'
import type { Redis } from '../redis/connect.ts'

const connect = useRedis()
const keyring = newKeyring()
const RETENTION_MS = 604_800_000
const policy = { maxAttempts: 3, baseDelayMs: 1, maxDelayMs: 1 }
const success: Outcome = { outcome: 'succeeded', how: 'created', remoteId: 'r1', warnings: [] }
const result = { user: { id: 'r1' }, remoteData: { id: 'r1', echo: 'canary-result' } }

let redis: Redis
let operations: Operations
beforeAll(() => {
  redis = connect()
  operations = createOperations({ redis, keyring, retentionMs: RETENTION_MS, waitReplicas: 0 })
})
const openOther = (waitReplicas = 0): Operations =>
  createOperations({ redis: connect(), keyring, retentionMs: RETENTION_MS, waitReplicas })

async function newOwner(): Promise<{ accountId: string; tenantId: string }> {
  const account = newAccount()
  await createAccounts({ redis, keyring }).create(account, { type: 'api_token', api_token: 't' })
  return { accountId: account.id, tenantId: account.tenantId }
}

async function accepted(more: Partial<OperationHead> = {}): Promise<OperationRecord> {
  const head = newHead({ ...(await newOwner()), ...more })
  expect(await operations.accept({ head, state: newState(), request: newRequest(), fingerprint: 'f' })).toEqual({
    kind: 'accepted',
    open: 1,
  })
  return present(head)
}
async function present(head: OperationHead): Promise<OperationRecord> {
  const record = await operations.read(head.accountId, head.id)
  if (!record) throw new Error('the operation is gone')
  return record
}
const everythingOf = async (accountId: string): Promise<string[]> => (await redis.keys(`*${accountId}*`)).sort()

describe('acceptance', () => {
  test('writes the operation, its places and its outbox entry', async () => {
    const owner = await newOwner()
    const head = newHead({ ...owner, idempotencyHash: 'i', reference: 'ref-1' })
    expect(await operations.accept({ head, state: newState(), request: newRequest(), fingerprint: 'f' })).toEqual({
      kind: 'accepted',
      open: 1,
    })
    expect(await operations.read(owner.accountId, head.id)).toMatchObject({
      head,
      state: { status: 'queued' },
      version: 1,
    })
    expect(await operations.accountIdOf(head.id)).toBe(owner.accountId)
    expect(await operations.readOutbox(accountLane(owner.accountId), 10)).toEqual([`+${head.id}`])
    expect(await operations.countOpen(owner.accountId)).toBe(1)
    for (const index of [
      { tenantId: owner.tenantId },
      { ...owner },
      { tenantId: owner.tenantId, reference: 'ref-1' },
    ]) {
      expect(await operations.listIds(index, { before: null, from: null, to: null, count: 10 })).toEqual([head.id])
    }
  })

  test('stores no secret in clear, and gives the request back whole', async () => {
    const { head } = await accepted()
    const stored = Buffer.concat(Object.values(await redis.hgetallBuffer(keys.operation(head.accountId, head.id))))
    for (const secret of ['Correct-Horse-9', 'canary-token', 'canary-key', 'London'])
      expect(stored.includes(secret)).toBe(false)
    expect(await operations.readRequest(head.accountId, head.id)).toMatchObject({
      request: newRequest(),
      areSecretsErased: false,
    })
  })

  test('the same idempotency key and request is the same operation again; another request is refused', async () => {
    const owner = await newOwner()
    const head = newHead({ ...owner, idempotencyHash: 'i' })
    await operations.accept({ head, state: newState(), request: newRequest(), fingerprint: 'f' })
    const before = await everythingOf(owner.accountId)
    expect(
      await operations.accept({
        head: newHead({ ...owner, idempotencyHash: 'i', naturalKeyHash: head.naturalKeyHash, reference: 'r' }),
        state: newState(),
        request: newRequest(),
        fingerprint: 'f',
      }),
    ).toEqual({ kind: 'replayed', operationId: head.id })
    expect(
      await operations.accept({
        head: newHead({ ...owner, idempotencyHash: 'i' }),
        state: newState(),
        request: newRequest(),
        fingerprint: 'other',
      }),
    ).toEqual({ kind: 'reused', operationId: head.id })
    expect(await everythingOf(owner.accountId)).toEqual(before)
  })

  test('an unfinished operation for the same login stands in the way', async () => {
    const owner = await newOwner()
    const head = newHead(owner)
    await operations.accept({ head, state: newState(), request: newRequest(), fingerprint: 'f' })
    expect(
      await operations.accept({
        head: newHead({ ...owner, naturalKeyHash: head.naturalKeyHash, idempotencyHash: 'other' }),
        state: newState(),
        request: newRequest(),
        fingerprint: 'f',
      }),
    ).toEqual({ kind: 'in_progress', operationId: head.id })
    expect(
      await operations.accept({
        head: newHead({ ...(await newOwner()), naturalKeyHash: head.naturalKeyHash }),
        state: newState(),
        request: newRequest(),
        fingerprint: 'f',
      }),
    ).toEqual({ kind: 'accepted', open: 1 })
  })

  test('an account that is gone takes nothing', async () => {
    const owner = { accountId: randomUUID(), tenantId: randomUUID() }
    expect(
      await operations.accept({
        head: newHead({ ...owner, reference: 'r' }),
        state: newState(),
        request: newRequest(),
        fingerprint: 'f',
      }),
    ).toEqual({ kind: 'account_gone' })
    expect(await everythingOf(owner.accountId)).toEqual([])
  })

  test.each(['reused', 'in_progress', 'replayed', 'account_gone'] as const)(
    '%s leaves no trace of the one that was not taken',
    async (kind) => {
      const owner = await newOwner()
      const first = newHead({ ...owner, idempotencyHash: 'i' })
      await operations.accept({ head: first, state: newState(), request: newRequest(), fingerprint: 'f' })
      const second = newHead({
        ...owner,
        reference: 'r',
        idempotencyHash: kind === 'in_progress' ? null : 'i',
        naturalKeyHash: first.naturalKeyHash,
        ...(kind === 'account_gone' ? { accountId: randomUUID() } : {}),
      })
      expect(
        (
          await operations.accept({
            head: second,
            state: newState(),
            request: newRequest(),
            fingerprint: kind === 'reused' ? 'other' : 'f',
          })
        ).kind,
      ).toBe(kind)
      expect(await operations.accountIdOf(second.id)).toBeNull()
      expect(await operations.listIds(owner, { before: null, from: null, to: null, count: 10 })).toEqual([first.id])
      expect(
        await operations.listIds({ tenantId: owner.tenantId }, { before: null, from: null, to: null, count: 10 }),
      ).toEqual([first.id])
      expect(
        await operations.listIds(
          { tenantId: owner.tenantId, reference: 'r' },
          { before: null, from: null, to: null, count: 10 },
        ),
      ).toEqual([])
    },
  )

  test('fifty at once with one idempotency key are one operation', async () => {
    const owner = await newOwner()
    const others = [operations, openOther(), openOther()]
    const naturalKeyHash = randomUUID()
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        (others[index % 3] ?? operations).accept({
          head: newHead({ ...owner, idempotencyHash: 'i', naturalKeyHash }),
          state: newState(),
          request: newRequest(),
          fingerprint: 'f',
        }),
      ),
    )
    expect(answers.filter(({ kind }) => kind === 'accepted')).toHaveLength(1)
    const replayed = answers.filter((answer) => answer.kind === 'replayed')
    expect(replayed).toHaveLength(49)
    expect(new Set(replayed.map((answer) => answer.operationId)).size).toBe(1)
    expect(await operations.countOpen(owner.accountId)).toBe(1)
    expect(await operations.readOutbox(accountLane(owner.accountId), 100)).toHaveLength(1)
  })

  test('fifty at once for one login are one operation', async () => {
    const owner = await newOwner()
    const naturalKeyHash = randomUUID()
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        operations.accept({
          head: newHead({ ...owner, naturalKeyHash }),
          state: newState(),
          request: newRequest(),
          fingerprint: 'f',
        }),
      ),
    )
    expect(answers.map(({ kind }) => kind).sort()).toEqual([
      'accepted',
      ...Array.from({ length: 49 }, () => 'in_progress'),
    ])
  })

  test('is not acknowledged without the replicas asked for; the next try of the client finds it', async () => {
    const owner = await newOwner()
    const head = newHead({ ...owner, idempotencyHash: 'i' })
    const cautious = createOperations({
      redis: Object.assign(connect(), { wait: async () => 0 }),
      keyring,
      retentionMs: RETENTION_MS,
      waitReplicas: 1,
    })
    await expect(
      cautious.accept({ head, state: newState(), request: newRequest(), fingerprint: 'f' }),
    ).rejects.toBeInstanceOf(NotReplicatedError)
    expect(
      await operations.accept({
        head: newHead({ ...owner, idempotencyHash: 'i' }),
        state: newState(),
        request: newRequest(),
        fingerprint: 'f',
      }),
    ).toEqual({ kind: 'replayed', operationId: head.id })
  })

  test('the outbox gives single requests before bulk, and older before newer', async () => {
    const owner = await newOwner()
    const bulk = newHead({ ...owner, priority: 10, createdAt: 1_000 })
    const [older, newer] = [newHead({ ...owner, createdAt: 2_000 }), newHead({ ...owner, createdAt: 3_000 })]
    for (const head of [bulk, newer, older])
      await operations.accept({ head, state: newState(), request: newRequest(), fingerprint: 'f' })
    expect(await operations.readOutbox(accountLane(owner.accountId), 10)).toEqual([
      `+${older.id}`,
      `+${newer.id}`,
      `+${bulk.id}`,
    ])
    await operations.clearOutbox(accountLane(owner.accountId), [`+${older.id}`])
    expect(await operations.readOutbox(accountLane(owner.accountId), 1)).toEqual([`+${newer.id}`])
  })
})

describe('saving', () => {
  test('a save over a newer version is refused, and writes nothing', async () => {
    const record = await accepted()
    const running = await operations.save(record, startAttempt(record.state, 1))
    await expect(operations.save(record, cancel(record.state, 2))).rejects.toBeInstanceOf(StaleVersionError)
    expect(await present(record.head)).toEqual(running)
    expect(await operations.readRequest(record.head.accountId, record.head.id)).toMatchObject({
      areSecretsErased: false,
    })
  })

  test('of many who write over the same version, one does', async () => {
    const record = await accepted()
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => openOther().save(record, { ...record.state, updatedAt: index })),
    )
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect((await present(record.head)).version).toBe(2)
  })

  test('an end erases the secrets, starts the retention, frees the login, notifies the channel, and keeps a sealed result', async () => {
    const subscriber = connect('subscriber')
    await subscriber.subscribe(FINISHED_CHANNEL)
    const record = await accepted({ idempotencyHash: 'i' })
    const { accountId, id, naturalKeyHash } = record.head
    // One channel for all databases: other tests' operations end there too.
    const channelOfEnd = new Promise<string>((resolve) =>
      subscriber.on('message', (channel, message) => (message === id ? resolve(channel) : undefined)),
    )
    const running = await operations.save(record, recordIntent(startAttempt(record.state, 1), [], 2))
    await operations.save(running, finishAttempt(running.state, success, [], policy, 3), result)

    expect(await channelOfEnd).toBe(FINISHED_CHANNEL)
    for (const field of ['request', 'secrets'])
      expect(await redis.hexists(keys.operation(accountId, id), field)).toBe(0)
    expect(await operations.readResult(accountId, id)).toEqual(result)
    expect((await redis.hgetBuffer(keys.operation(accountId, id), 'result'))?.includes('canary')).toBe(false)
    expect(await redis.hexists(keys.liveLogins(accountId), naturalKeyHash)).toBe(0)
    expect(await operations.countOpen(accountId)).toBe(0)
    for (const key of [keys.operation(accountId, id), keys.idempotency(accountId, 'i')])
      expect(await redis.pttl(key)).toBeGreaterThan(RETENTION_MS - 60_000)
  })

  test('a dead letter keeps its request for another run, without what was secret in it', async () => {
    const record = await accepted()
    const { accountId, id } = record.head
    await operations.save(record, expire(record.state, 1))
    const request = await operations.readRequest(accountId, id)
    expect(request).toMatchObject({
      areSecretsErased: true,
      secrets: {},
      request: { user: { username: 'ada', remote_data: { profile: { city: 'London' } } } },
    })
    expect(JSON.stringify(request)).not.toMatch(/Correct-Horse-9|canary/)
  })

  test('what is not finished has no end of its own', async () => {
    const record = await accepted({ idempotencyHash: 'i' })
    await operations.save(record, startAttempt(record.state, 1))
    expect(await redis.pttl(keys.operation(record.head.accountId, record.head.id))).toBe(-1)
    expect(await redis.pttl(keys.idempotency(record.head.accountId, 'i'))).toBe(-1)
  })

  test.each([
    ['canceled', cancel],
    ['expired', expire],
  ] as const)('what was %s while it waited is taken out of the lane', async (_, end) => {
    const [untaken, taken] = [await accepted(), await accepted({ naturalKeyHash: 'another' })]
    const { accountId } = taken.head
    await operations.clearOutbox(accountLane(accountId), [`+${taken.head.id}`])
    await operations.save(taken, end(taken.state, 1))
    expect(await operations.readOutbox(accountLane(accountId), 10)).toContain(`-${taken.head.id}`)
    // The lane has not heard of this one, and never will.
    await operations.save(untaken, end(untaken.state, 1))
    expect((await operations.readOutbox(accountLane(accountId), 10)).join()).not.toContain(untaken.head.id)
  })

  test('a login that another operation holds by now is not freed', async () => {
    const record = await accepted()
    const { accountId, naturalKeyHash } = record.head
    await redis.hset(keys.liveLogins(accountId), naturalKeyHash, 'another')
    await operations.save(record, cancel(record.state, 1))
    expect(await redis.hget(keys.liveLogins(accountId), naturalKeyHash)).toBe('another')
  })

  test('what has left Redis is not brought back by a late writer', async () => {
    const record = await accepted()
    await redis.del(keys.operation(record.head.accountId, record.head.id))
    await expect(operations.save(record, cancel(record.state, 1))).rejects.toBeInstanceOf(StaleVersionError)
    expect(await operations.read(record.head.accountId, record.head.id)).toBeUndefined()
  })
})

describe('a second run by hand', () => {
  const failed = async (record: OperationRecord): Promise<OperationRecord> => {
    const running = await operations.save(record, startAttempt(record.state, 1))
    return operations.save(
      running,
      finishAttempt(
        running.state,
        { outcome: 'failed', code: 'password_rejected', message: 'm', origin: 'provider', warnings: [] },
        [],
        policy,
        2,
      ),
    )
  }
  const requeued = (record: OperationRecord) => requeue(record.state, Date.now() + 60_000, Date.now())

  test('goes back into the lane under a job of its own, with its secrets, and stays', async () => {
    const record = await failed(await accepted({ idempotencyHash: 'i' }))
    const { accountId, id } = record.head
    await operations.clearOutbox(accountLane(accountId), [`+${id}`])
    expect(await operations.requeue(record, requeued(record), newRequest(), record.head.naturalKeyHash)).toEqual({
      kind: 'accepted',
    })
    expect(await operations.readOutbox(accountLane(accountId), 10)).toEqual([`+${id}-1`])
    expect(await operations.readRequest(accountId, id)).toMatchObject({
      request: newRequest(),
      areSecretsErased: false,
    })
    expect(await present(record.head)).toMatchObject({
      state: { status: 'queued', run: 1 },
      version: record.version + 1,
    })
    for (const key of [keys.operation(accountId, id), keys.idempotency(accountId, 'i')])
      expect(await redis.pttl(key)).toBe(-1)
    expect(await operations.countOpen(accountId)).toBe(1)
    expect(
      await operations.accept({
        head: newHead({ accountId, tenantId: record.head.tenantId, naturalKeyHash: record.head.naturalKeyHash }),
        state: newState(),
        request: newRequest(),
        fingerprint: 'f',
      }),
    ).toEqual({ kind: 'in_progress', operationId: id })
  })

  test('gives way to another operation that is creating the login by now', async () => {
    const record = await failed(await accepted())
    const other = newHead({
      accountId: record.head.accountId,
      tenantId: record.head.tenantId,
      naturalKeyHash: record.head.naturalKeyHash,
    })
    await operations.accept({ head: other, state: newState(), request: newRequest(), fingerprint: 'f' })
    expect(await operations.requeue(record, requeued(record), newRequest(), record.head.naturalKeyHash)).toEqual({
      kind: 'in_progress',
      operationId: other.id,
    })
    expect((await present(record.head)).state.status).toBe('failed')
  })

  test('creates under no other login than the first: that takes a new operation', async () => {
    const record = await failed(await accepted())
    expect(await operations.requeue(record, requeued(record), newRequest(), 'another')).toEqual({ kind: 'other_login' })
    expect(await present(record.head)).toEqual(record)
    expect(await operations.findLiveLogins(record.head.accountId, [record.head.naturalKeyHash, 'another'])).toEqual([
      null,
      null,
    ])
  })

  test('asked for twice at once happens once', async () => {
    const record = await failed(await accepted())
    const answers = await Promise.all(
      [1, 2, 3].map(() => openOther().requeue(record, requeued(record), newRequest(), record.head.naturalKeyHash)),
    )
    expect(answers.map(({ kind }) => kind).sort()).toEqual(['accepted', 'stale', 'stale'])
  })

  test('of what has left Redis does not happen', async () => {
    const record = await failed(await accepted())
    await redis.del(keys.operation(record.head.accountId, record.head.id))
    expect(await operations.requeue(record, requeued(record), newRequest(), record.head.naturalKeyHash)).toEqual({
      kind: 'stale',
    })
    expect(await redis.exists(keys.operation(record.head.accountId, record.head.id))).toBe(0)
  })
})
