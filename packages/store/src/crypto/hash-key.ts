import { createHmac, randomBytes } from 'node:crypto'
import { bindings } from './bindings.ts'
import type { Keyring } from './keyring.ts'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'

/**
 * Hashes what must be compared and never read back: idempotency keys, fingerprints of requests, logins.
 * Keyed, since a request's fingerprint covers its password, and a bare hash of a weak password can be guessed offline.
 */
export type Hasher = (...parts: string[]) => string

/**
 * Where the provider itself refuses two users to be alike: of two operations with one hash, one waits for the other.
 */
export const hashNaturalKey = (
  hash: Hasher,
  accountId: string,
  { field, value }: { field: string; value: string },
): string => hash('natural-key', accountId, field, value)

const BOUND = bindings.hashKey()

/**
 * The installation's hash key: made once, kept sealed in Redis, so that it outlives a rotation of the encryption keys.
 * @throws UnreadableError when the keys are not those that the Redis was used with
 */
export async function openHashKey(redis: Redis, keyring: Keyring): Promise<Buffer> {
  let sealed = await redis.getBuffer(keys.hashKey)
  if (!sealed) {
    await redis.setnx(keys.hashKey, keyring.seal(randomBytes(32).toString('base64'), BOUND))
    sealed = await redis.getBuffer(keys.hashKey)
  }
  if (!sealed) throw new Error('the hash key vanished from Redis while it was read')
  const key = Buffer.from(String(keyring.open(sealed, BOUND)), 'base64')
  if (keyring.isOutdated(sealed, BOUND)) await redis.set(keys.hashKey, keyring.seal(key.toString('base64'), BOUND))
  return key
}

export async function loadHasher(redis: Redis, keyring: Keyring): Promise<Hasher> {
  const key = await openHashKey(redis, keyring)
  // 20 bytes are beyond any collision and keep the keys short.
  return (...parts) => createHmac('sha256', key).update(JSON.stringify(parts)).digest('base64url').slice(0, 27)
}
