import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { useRedis } from '../../test/redis.ts'
import { createTenants } from './tenants.ts'

const connect = useRedis()
const page = { after: null, limit: 100 }
const open = () => createTenants({ redis: connect() })

describe('tenants', () => {
  test('a name is one tenant, however many ask for it at once', async () => {
    const name = `acme-${randomUUID()}`
    const ids = await Promise.all(Array.from({ length: 20 }, () => open().ensure(name)))
    expect(new Set(ids).size).toBe(1)
    expect(await open().listIds()).toContain(ids[0])
    expect(await open().ensure(`${name}-2`)).not.toBe(ids[0])
  })
})

describe('API keys', () => {
  test('are shown once, found by their text, and stored as a hash', async () => {
    const redis = connect()
    const tenants = createTenants({ redis })
    const { record, apiKey } = await tenants.createApiKey('t1', 'CI', ['read', 'provision'], 'test')
    expect(apiKey).toMatch(/^mk_test_[0-9A-Za-z]{32}$/)
    expect(record).toMatchObject({
      tenantId: 't1',
      name: 'CI',
      scopes: ['read', 'provision'],
      prefix: apiKey.slice(0, 12),
    })
    expect(await tenants.findApiKey(apiKey)).toEqual(record)
    const everything = (
      await Promise.all(
        (await redis.keys('*')).map(
          async (key) =>
            `${key} ${(await redis.type(key)) === 'string' ? await redis.get(key) : JSON.stringify(await redis.hgetall(key))}`,
        ),
      )
    ).join('\n')
    expect(everything).not.toContain(apiKey.slice(12))
  })

  test('differ, and no other text opens', async () => {
    const tenants = open()
    const made = await Promise.all(Array.from({ length: 50 }, () => tenants.createApiKey('t2', 'k', ['read'], 'live')))
    expect(new Set(made.map(({ apiKey }) => apiKey)).size).toBe(50)
    const [first] = made
    for (const text of ['', 'mk_live_', `${first?.apiKey}x`, first?.apiKey.toUpperCase() ?? '', first?.record.id ?? ''])
      expect(await tenants.findApiKey(text)).toBeUndefined()
  })

  test('are listed in the order they were made, for their own tenant', async () => {
    const tenants = open()
    for (const name of ['a', 'b', 'c']) await tenants.createApiKey('t3', name, ['admin'], 'live')
    expect((await tenants.listApiKeys('t3', page)).records.map(({ name }) => name).sort()).toEqual(['a', 'b', 'c'])
    expect((await tenants.listApiKeys('unknown', page)).records).toEqual([])
  })

  test('end at once when revoked, by their own tenant only', async () => {
    const tenants = open()
    const { record, apiKey } = await tenants.createApiKey('t4', 'k', ['read'], 'live')
    expect(await tenants.revokeApiKey('t5', record.id)).toBe(false)
    expect(await tenants.findApiKey(apiKey)).toBeDefined()
    expect(await tenants.revokeApiKey('t4', record.id)).toBe(true)
    expect(await tenants.findApiKey(apiKey)).toBeUndefined()
    expect((await tenants.listApiKeys('t4', page)).records).toEqual([])
    expect(await tenants.revokeApiKey('t4', record.id)).toBe(false)
  })
})
