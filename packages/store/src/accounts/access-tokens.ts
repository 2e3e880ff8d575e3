import { randomUUID } from 'node:crypto'
import type { AccessToken } from '@muster/domain/account/access-token'
import { bindings } from '../crypto/bindings.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'
import { defineScript } from '../redis/script.ts'
import { readOrUnreadable, UnreadableError } from '../crypto/unreadable.ts'

/**
 * Long enough for a slow token endpoint, short enough that a process which died with the lock delays no one for long.
 */
const LOCK_MS = 20_000
const POLL_MS = 50
/** Where the provider does not say when a token ends (Salesforce). */
const DEFAULT_LIFETIME_MS = 2 * 3_600_000
/** Upper bound for what a token endpoint says: Redis refuses some of the numbers it could send. */
const MAX_LIFETIME_MS = 24 * 3_600_000

const unlockScript = defineScript({
  keys: ['lock'],
  args: ['owner'],
  lua: `if redis.call('GET', lock) == owner then return redis.call('DEL', lock) end return 0`,
})

interface StoredToken extends Omit<AccessToken, 'rotatedRefreshToken'> {
  /** Of the credentials it was issued for: once those are replaced, the token is not used. */
  credentialsVersion: number
}

export type AccessTokens = ReturnType<typeof createAccessTokens>

/**
 * The access token of each account, shared by all processes and sealed. Renewals happen one at a time, since a provider
 * may rotate the refresh token.
 */
export function createAccessTokens({ redis, keyring }: { redis: Redis; keyring: Keyring }) {
  return {
    async read(accountId: string, credentialsVersion: number): Promise<AccessToken | undefined> {
      const sealed = await redis.getBuffer(keys.accessToken(accountId))
      if (!sealed) return undefined
      const opened = readOrUnreadable(() => keyring.open(sealed, bindings.accessToken(accountId)) as StoredToken)
      // Only a cache: the provider gives another.
      if (opened instanceof UnreadableError) return undefined
      const { credentialsVersion: ownVersion, ...token } = opened
      return ownVersion === credentialsVersion ? token : undefined
    },

    /** @param run runs alone among all processes; it resolves with the version of the credentials it used. */
    async renew<T extends AccessToken>(
      accountId: string,
      run: () => Promise<{ token: T; credentialsVersion: number }>,
    ): Promise<T> {
      const owner = randomUUID()
      const giveUpAt = Date.now() + 2 * LOCK_MS
      while ((await redis.set(keys.accessTokenLock(accountId), owner, 'PX', LOCK_MS, 'NX')) === null) {
        if (Date.now() > giveUpAt) throw new Error('another process has been renewing the access token for too long')
        await new Promise((resolve) => setTimeout(resolve, POLL_MS))
      }
      try {
        const { token, credentialsVersion } = await run()
        const stored: StoredToken = {
          value: token.value,
          expiresAt: token.expiresAt,
          ...(token.baseUrl ? { baseUrl: token.baseUrl } : {}),
          credentialsVersion,
        }
        const lifetime = Math.min(
          Math.max((token.expiresAt ?? Date.now() + DEFAULT_LIFETIME_MS) - Date.now(), 1_000),
          MAX_LIFETIME_MS,
        )
        await redis.set(
          keys.accessToken(accountId),
          keyring.seal(stored, bindings.accessToken(accountId)),
          'PX',
          Math.floor(lifetime),
        )
        return token
      } finally {
        await unlockScript(redis, { lock: keys.accessTokenLock(accountId), owner })
      }
    },
  }
}
