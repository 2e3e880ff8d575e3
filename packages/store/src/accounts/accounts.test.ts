import { randomUUID } from 'node:crypto'
import type { Credentials } from '@muster/contracts/integrated-account'
import { accountLane } from '@muster/domain/lane-id'
import { describe, expect, test } from 'vitest'
import { newAccount, newKeyring, useRedis } from '../../test/redis.ts'
import { recheckAt } from '@muster/domain/account/state'
import { createAccounts } from './accounts.ts'
import { keys } from '../redis/keys.ts'

const connect = useRedis()
const page = { after: null, limit: 100 }
const keyring = newKeyring()
const open = () => createAccounts({ redis: connect(), keyring })
const token = (api_token: string): Credentials => ({ type: 'api_token', api_token })
const rotating = (refresh_token: string): Credentials => ({
  type: 'refresh_token',
  client_id: 'c',
  client_secret: 's',
  refresh_token,
})

describe('integrated accounts', () => {
  test('are read back as written, their credentials sealed and bound to them', async () => {
    const accounts = open()
    const redis = connect()
    const [one, other] = [newAccount(), newAccount()]
    await accounts.create(one, token('canary-secret'))
    await accounts.create(other, token('other'))
    expect(await accounts.read(one.id)).toEqual(one)
    expect(await accounts.readCredentials(one.id)).toEqual(token('canary-secret'))
    const stored = await redis.hgetallBuffer(keys.account(one.id))
    expect(Buffer.concat(Object.values(stored)).includes('canary-secret')).toBe(false)
    await redis.hset(keys.account(other.id), 'credentials', stored.credentials ?? '')
    await expect(accounts.readCredentials(other.id)).rejects.toThrow()
  })

  test('are listed for their own tenant only, and gone when removed', async () => {
    const accounts = open()
    const tenantId = randomUUID()
    const own = [newAccount({ tenantId }), newAccount({ tenantId })]
    const foreign = newAccount()
    for (const account of [...own, foreign]) await accounts.create(account, token('t'))
    expect((await accounts.list(tenantId, page)).records.map(({ id }) => id).sort()).toEqual(
      own.map(({ id }) => id).sort(),
    )
    for (const account of own) await accounts.remove(account, 60_000)
    expect((await accounts.list(tenantId, page)).records).toEqual([])
    expect(await accounts.read(own[0]?.id ?? '')).toBeUndefined()
    expect(await accounts.readCredentials(own[0]?.id ?? '')).toBeUndefined()
    expect(await accounts.listIds()).toContain(foreign.id)
  })

  test('lose no change of many made at once', async () => {
    const account = newAccount({ config: { count: 0 } })
    await open().create(account, token('t'))
    const writers = [open(), open(), open()]
    await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        writers[index % 3]?.update(account.id, (record) => ({
          ...record,
          config: { count: Number(record.config.count) + 1 },
        })),
      ),
    )
    expect((await open().read(account.id))?.config).toEqual({ count: 60 })
  })

  test('that are not there are not made by an update', async () => {
    const accounts = open()
    const id = randomUUID()
    expect(await accounts.update(id, (record) => record)).toBeUndefined()
    await accounts.hold(id, 'needs_reauth', 'r', 1, 1)
    expect(await accounts.read(id)).toBeUndefined()
  })
})

describe('an account on hold', () => {
  test('keeps the first reason, and becomes active by new credentials', async () => {
    const accounts = open()
    const account = newAccount()
    await accounts.create(account, token('old'))
    expect(await accounts.hold(account.id, 'needs_reauth', 'revoked', 1, 10)).toMatchObject({
      status: 'needs_reauth',
      statusReason: 'revoked',
      statusSince: 10,
    })
    expect(await accounts.hold(account.id, 'permission_denied', 'later', 1, 20)).toMatchObject({
      status: 'needs_reauth',
      statusReason: 'revoked',
      statusSince: 10,
    })
    expect(await accounts.replaceCredentials(account.id, token('new'), (record) => record, 30)).toMatchObject({
      status: 'active',
      statusReason: null,
      statusSince: 30,
      credentialsVersion: 2,
    })
    expect(await accounts.readCredentials(account.id)).toEqual(token('new'))
  })

  test('is not put there for credentials that were replaced meanwhile', async () => {
    const accounts = open()
    const account = newAccount()
    await accounts.create(account, token('old'))
    await accounts.replaceCredentials(account.id, token('new'), (record) => record, 10)
    expect(await accounts.hold(account.id, 'needs_reauth', 'revoked', 1, 20)).toMatchObject({ status: 'active' })
    expect(await accounts.hold(account.id, 'needs_reauth', 'revoked', 2, 20)).toMatchObject({ status: 'needs_reauth' })
  })

  test('that was paused by hand stays paused, with new credentials too', async () => {
    const accounts = open()
    const account = newAccount({ status: 'paused', statusReason: 'Paused by hand.' })
    await accounts.create(account, token('old'))
    expect(await accounts.hold(account.id, 'needs_reauth', 'revoked', 1, 20)).toMatchObject({ status: 'paused' })
    expect(await accounts.replaceCredentials(account.id, token('new'), (record) => record, 30)).toMatchObject({
      status: 'paused',
      credentialsVersion: 2,
    })
  })
})

describe('the checks of an account on hold', () => {
  const MINUTE = 60_000

  test('come ever more rarely, at least every six hours, and are kept in the record', async () => {
    const accounts = open()
    const account = newAccount()
    await accounts.create(account, token('t'))
    let held = await accounts.hold(account.id, 'needs_reauth', 'revoked', 1, 1_000)
    let now = 1_000
    const waits: number[] = []
    for (let count = 0; count < 12 && held; count += 1) {
      waits.push((recheckAt(held, MINUTE) - now) / MINUTE)
      now = recheckAt(held, MINUTE)
      await accounts.noteRecheck(account.id, 'still revoked', 1, now)
      held = await open().read(account.id)
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360])
    expect(held).toMatchObject({ status: 'needs_reauth', statusSince: 1_000 })
    expect(held?.statusReason).toBe(`still revoked. Checked again at ${new Date(now).toISOString()}.`)
  })

  test('that got no answer about the credentials leave the reason as it is', async () => {
    const accounts = open()
    const account = newAccount()
    await accounts.create(account, token('t'))
    await accounts.hold(account.id, 'needs_reauth', 'revoked', 1, 1_000)
    expect(await accounts.noteRecheck(account.id, null, 1, 2_000)).toMatchObject({
      statusReason: 'revoked',
      recheck: { count: 1, lastAt: 2_000 },
    })
  })

  test('take it off hold; refused again within a day, it is checked no sooner than before', async () => {
    const accounts = open()
    const account = newAccount()
    await accounts.create(account, token('t'))
    await accounts.hold(account.id, 'needs_reauth', 'revoked', 1, 0)
    expect(await accounts.release(account.id, 1, MINUTE)).toMatchObject({ status: 'active', statusSince: MINUTE })
    const relapsed = await accounts.hold(account.id, 'needs_reauth', 'revoked', 1, 2 * MINUTE)
    expect(relapsed && recheckAt(relapsed, MINUTE)).toBe(4 * MINUTE)
    await accounts.release(account.id, 1, 4 * MINUTE)
    const later = 2 * 86_400_000
    const fresh = await accounts.hold(account.id, 'needs_reauth', 'revoked', 1, later)
    expect(fresh && recheckAt(fresh, MINUTE)).toBe(later + MINUTE)
  })

  test('touch nothing of an account with other credentials, that was paused, or that is active', async () => {
    const accounts = open()
    const account = newAccount()
    await accounts.create(account, token('old'))
    expect(await accounts.release(account.id, 1, 5)).toMatchObject({
      status: 'active',
      statusSince: account.statusSince,
    })
    await accounts.hold(account.id, 'needs_reauth', 'revoked', 1, 10)
    await accounts.replaceCredentials(account.id, token('new'), (record) => record, 20)
    await accounts.hold(account.id, 'needs_reauth', 'revoked', 2, 30)
    expect(await accounts.release(account.id, 1, 40)).toMatchObject({ status: 'needs_reauth' })
    expect(await accounts.noteRecheck(account.id, 'x', 1, 40)).toMatchObject({ statusReason: 'revoked' })
    await accounts.update(account.id, (record) => ({ ...record, status: 'paused' }))
    expect(await accounts.release(account.id, 2, 50)).toMatchObject({ status: 'paused' })
  })

  test('begin for an account that was put on hold before there were any', () => {
    const held = newAccount({ status: 'needs_reauth', statusSince: 5_000 })
    expect(recheckAt(held, MINUTE)).toBe(65_000)
  })
})

describe('credentials that the provider rotates', () => {
  test('are saved, and are no new start', async () => {
    const accounts = open()
    const account = newAccount({ credentialType: 'refresh_token' })
    await accounts.create(account, rotating('one'))
    await accounts.saveRotatedCredentials(account.id, rotating('two'), 1)
    expect(await accounts.readVersionedCredentials(account.id)).toEqual({
      credentials: rotating('two'),
      credentialsVersion: 1,
    })
  })

  test('do not come back over credentials that were replaced meanwhile', async () => {
    const accounts = open()
    const account = newAccount({ credentialType: 'refresh_token' })
    await accounts.create(account, rotating('one'))
    await accounts.replaceCredentials(account.id, rotating('by hand'), (record) => record, 10)
    await accounts.saveRotatedCredentials(account.id, rotating('two'), 1)
    expect(await accounts.readCredentials(account.id)).toEqual(rotating('by hand'))
  })
})

test('an account with work that has not ended is not removed; without, its index leaves with what it names', async () => {
  const [redis, accounts, account] = [connect(), open(), newAccount()]
  await accounts.create(account, { type: 'api_token', api_token: 'x' })
  await redis.zadd(keys.operations(account.id), 0, 'an operation')
  await redis.zadd(keys.openOperations(account.id), 1, 'an operation')
  expect(await accounts.remove(account, 60_000)).toBe(false)
  expect(await accounts.read(account.id)).toEqual(account)

  await redis.del(keys.openOperations(account.id))
  await redis.zadd(keys.outbox(accountLane(account.id)), 0, '-an operation')
  expect(await accounts.remove(account, 60_000)).toBe(true)
  expect(await redis.keys(`*${account.id}*`)).toEqual([keys.operations(account.id)])
  const lifetime = await redis.pttl(keys.operations(account.id))
  expect(lifetime).toBeGreaterThan(50_000)
  expect(lifetime).toBeLessThanOrEqual(60_000)
})
