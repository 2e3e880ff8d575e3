import { randomUUID } from 'node:crypto'
import type { Credentials } from '@muster/contracts/integrated-account'
import { describe, expect, test } from 'vitest'
import { newAccount, newKeyring, useRedis } from '../test/redis.ts'
import { createAccounts } from './accounts.ts'
import { keys } from './keys.ts'

const connect = useRedis(11)
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
    expect((await accounts.list(tenantId)).map(({ id }) => id).sort()).toEqual(own.map(({ id }) => id).sort())
    for (const account of own) await accounts.remove(account)
    expect(await accounts.list(tenantId)).toEqual([])
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
