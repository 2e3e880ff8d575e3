import type { Credentials } from '@muster/contracts/integrated-account'
import { describe, expect, test } from 'vitest'
import { newAccount, newKeyring, useRedis } from '../../test/redis.ts'
import { createAccessTokens } from './access-tokens.ts'
import type { AccountRecord } from '@muster/domain/account/record'
import { createAccounts } from './accounts.ts'
import { keys } from '../redis/keys.ts'
import { createTokenStore } from './token-store.ts'

const connect = useRedis()
const keyring = newKeyring()

/** One process's view of the store. */
function openProcess() {
  const redis = connect()
  return { redis, accounts: createAccounts({ redis, keyring }), accessTokens: createAccessTokens({ redis, keyring }) }
}
const rotating = (refresh_token: string): Credentials => ({
  type: 'refresh_token',
  client_id: 'c',
  client_secret: 's',
  refresh_token,
})
const inAnHour = (): number => Date.now() + 3_600_000

async function newAccountIn(
  { accounts }: Pick<ReturnType<typeof openProcess>, 'accounts'>,
  refreshToken = 'refresh-0',
): Promise<AccountRecord> {
  const account = newAccount({ credentialType: 'refresh_token' })
  await accounts.create(account, rotating(refreshToken))
  return account
}

/** An authorization server that rotates: a refresh token works once. */
function rotatingServer() {
  let latest = 0
  let inside = 0
  return {
    grants: () => latest,
    async grant(credentials: Credentials): Promise<{ value: string; expiresAt: number; rotatedRefreshToken: string }> {
      inside += 1
      expect(inside, 'renewals at the same time').toBe(1)
      await new Promise((resolve) => setImmediate(resolve))
      inside -= 1
      expect(credentials).toEqual(rotating(`refresh-${latest}`))
      latest += 1
      return { value: `access-${latest}`, expiresAt: inAnHour(), rotatedRefreshToken: `refresh-${latest}` }
    },
  }
}

describe('access tokens', () => {
  test('are sealed, shared by all processes, and end with their time', async () => {
    const [one, other] = [openProcess(), openProcess()]
    const account = await newAccountIn(one)
    await one.accessTokens.renew(account.id, async () => ({
      token: { value: 'canary-token', expiresAt: inAnHour(), baseUrl: 'https://shard.example' },
      credentialsVersion: 1,
    }))
    expect(await other.accessTokens.read(account.id, 1)).toMatchObject({
      value: 'canary-token',
      baseUrl: 'https://shard.example',
    })
    expect((await one.redis.getBuffer(keys.accessToken(account.id)))?.includes('canary')).toBe(false)
    const lifetime = await one.redis.pttl(keys.accessToken(account.id))
    expect(lifetime).toBeGreaterThan(3_590_000)
    expect(lifetime).toBeLessThanOrEqual(3_600_000)
  })

  test('one that does not open is as good as none', async () => {
    const process = openProcess()
    const account = await newAccountIn(process)
    await createAccessTokens({ redis: process.redis, keyring: newKeyring('lost') }).renew(account.id, async () => ({
      token: { value: 't', expiresAt: inAnHour() },
      credentialsVersion: 1,
    }))
    expect(await process.accessTokens.read(account.id, 1)).toBeUndefined()
  })

  test.each([
    ['does not say when it ends: two hours', null, 7_200_000],
    ['has ended already: a second', 0, 1_000],
    ['never ends: a day', Number.MAX_VALUE, 86_400_000],
  ])('one that %s', async (_, expiresAt, expected) => {
    const process = openProcess()
    const account = await newAccountIn(process)
    await process.accessTokens.renew(account.id, async () => ({
      token: { value: 't', expiresAt },
      credentialsVersion: 1,
    }))
    const lifetime = await process.redis.pttl(keys.accessToken(account.id))
    expect(lifetime).toBeLessThanOrEqual(expected)
    expect(lifetime).toBeGreaterThan(expected - 10_000)
  })

  test('are renewed one at a time over two connections, each with the latest refresh token', async () => {
    const processes = [openProcess(), openProcess()]
    const account = await newAccountIn(processes[0] ?? openProcess())
    const server = rotatingServer()
    const tokens = await Promise.all(
      processes.flatMap((process) =>
        Array.from({ length: 4 }, () =>
          createTokenStore(process, account).renew(async (_, credentials) => server.grant(credentials)),
        ),
      ),
    )
    expect(new Set(tokens.map(({ value }) => value)).size).toBe(8)
    expect(await openProcess().accounts.readCredentials(account.id)).toEqual(rotating('refresh-8'))
  })

  test('a caller that waited gets the token renewed meanwhile', async () => {
    const processes = [openProcess(), openProcess()]
    const account = await newAccountIn(processes[0] ?? openProcess())
    const server = rotatingServer()
    await Promise.all(
      processes.flatMap((process) =>
        Array.from({ length: 4 }, () =>
          createTokenStore(process, account).renew(
            async (present, credentials) => present ?? (await server.grant(credentials)),
          ),
        ),
      ),
    )
    expect(server.grants()).toBe(1)
  })

  test('a renewal that fails lets the next one in, and leaves no token', async () => {
    const process = openProcess()
    const account = await newAccountIn(process)
    const store = createTokenStore(process, account)
    await expect(store.renew(async () => Promise.reject(new Error('refused')))).rejects.toThrow('refused')
    expect(await process.redis.exists(keys.accessTokenLock(account.id))).toBe(0)
    expect(await store.read()).toBeUndefined()
  })

  test('a process that died with the lock delays no one longer than 20 seconds', async () => {
    const process = openProcess()
    const account = await newAccountIn(process)
    await process.accessTokens.renew(account.id, async () => {
      const left = await process.redis.pttl(keys.accessTokenLock(account.id))
      expect(left).toBeGreaterThan(15_000)
      expect(left).toBeLessThanOrEqual(20_000)
      return { token: { value: 't', expiresAt: null }, credentialsVersion: 1 }
    })
    await process.redis.set(keys.accessTokenLock(account.id), 'a dead process', 'PX', 100)
    expect(
      await process.accessTokens.renew(account.id, async () => ({
        token: { value: 'next', expiresAt: null },
        credentialsVersion: 1,
      })),
    ).toMatchObject({ value: 'next' })
  })

  test('a lock that ran out and was taken by another is not taken away from it', async () => {
    const process = openProcess()
    const account = await newAccountIn(process)
    await process.accessTokens.renew(account.id, async () => {
      await process.redis.set(keys.accessTokenLock(account.id), 'another process', 'PX', 10_000)
      return { token: { value: 't', expiresAt: null }, credentialsVersion: 1 }
    })
    expect(await process.redis.get(keys.accessTokenLock(account.id))).toBe('another process')
  })
})

describe('access tokens and credentials that are replaced meanwhile', () => {
  test('a refresh token rotated with the new credentials is saved, though the attempt began with the old ones', async () => {
    const process = openProcess()
    const account = await newAccountIn(process, 'old')
    const begunBefore = createTokenStore(process, account)
    await process.accounts.replaceCredentials(account.id, rotating('refresh-0'), (record) => record, 1)
    await begunBefore.renew(async (_, credentials) => rotatingServer().grant(credentials))
    expect(await process.accounts.readCredentials(account.id)).toEqual(rotating('refresh-1'))
  })

  test('a token of replaced credentials is not used once the new ones are known', async () => {
    const process = openProcess()
    const account = await newAccountIn(process, 'old')
    const replaced = await createTokenStore(process, account).renew(async () => {
      await process.accounts.replaceCredentials(account.id, rotating('new'), (record) => record, 1)
      return { value: 'of the old', expiresAt: inAnHour() }
    })
    expect(replaced.value).toBe('of the old')
    const latest = await process.accounts.read(account.id)
    if (!latest) throw new Error('the account is gone')
    expect(await createTokenStore(process, latest).read()).toBeUndefined()
    await createTokenStore(process, latest).renew(async (present, credentials) => {
      expect({ present, credentials }).toEqual({ present: undefined, credentials: rotating('new') })
      return { value: 'of the new', expiresAt: inAnHour() }
    })
    expect(await createTokenStore(process, latest).read()).toMatchObject({ value: 'of the new' })
  })

  test('an account that is gone renews nothing', async () => {
    const process = openProcess()
    await expect(
      createTokenStore(process, newAccount()).renew(async () => ({ value: 't', expiresAt: null })),
    ).rejects.toThrow('gone')
  })
})
