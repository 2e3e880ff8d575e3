import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { useRedis } from '../../test/redis.ts'
import { loadHasher } from './hash-key.ts'
import { Keyring } from './keyring.ts'
import { keys } from '../redis/keys.ts'

const connect = useRedis()
const [old, next] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')]
beforeEach(async () => void (await connect().flushdb()))

describe('the hasher of an installation', () => {
  test('is the same for all who load it at once', async () => {
    const hashers = await Promise.all(
      Array.from({ length: 20 }, () => loadHasher(connect(), Keyring.parse(`k1:${old}`))),
    )
    expect(new Set(hashers.map((hash) => hash('ada@example.com'))).size).toBe(1)
  })

  test('stays the same over a rotation of the encryption keys, and outlives the old key', async () => {
    const redis = connect()
    const before = await loadHasher(redis, Keyring.parse(`k1:${old}`))
    const during = await loadHasher(redis, Keyring.parse(`k2:${next},k1:${old}`))
    const after = await loadHasher(redis, Keyring.parse(`k2:${next}`))
    expect({ during: during('a'), after: after('a') }).toEqual({ during: before('a'), after: before('a') })
  })

  test('does not make a new key when the old one cannot be opened', async () => {
    const redis = connect()
    await loadHasher(redis, Keyring.parse(`k1:${old}`))
    const sealed = await redis.getBuffer(keys.hashKey)
    await expect(loadHasher(redis, Keyring.parse(`k2:${next}`))).rejects.toThrow('k1')
    expect(await redis.getBuffer(keys.hashKey)).toEqual(sealed)
  })

  test('differs by its parts, is short, and is not a bare hash', async () => {
    const redis = connect()
    const hash = await loadHasher(redis, Keyring.parse(`k1:${old}`))
    expect(new Set([hash('a', 'b'), hash('ab'), hash('a,b'), hash('b', 'a'), hash('a', 'b', '')]).size).toBe(5)
    expect(hash('x'.repeat(10_000))).toMatch(/^[\w-]{27}$/)
    await redis.flushdb()
    expect((await loadHasher(redis, Keyring.parse(`k1:${old}`)))('a')).not.toBe(hash('a'))
  })
})
