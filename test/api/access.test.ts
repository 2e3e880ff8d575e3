import { describe, expect, test } from 'vitest'
import type { Scope } from '../../packages/contracts/src/api-key.ts'
import type { Route } from '../../packages/contracts/src/route.ts'
import { routes } from '../../packages/contracts/src/routes.ts'
import { batchClientOf, itemsOf, toNdjson } from '../support/batch-client.ts'
import { startContract, type ProblemBody } from '../support/contract.ts'
import { newUser } from '../support/harness.ts'
import { runCommand } from '../support/program.ts'

const UNKNOWN = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b'
const bodies: Partial<Record<keyof typeof routes, unknown>> = {
  createUser: newUser('okta'),
  createIntegratedAccount: {
    provider: 'okta',
    name: 'x',
    credentials: { type: 'api_token', api_token: 'x' },
    config: { base_url: 'https://acme.okta.com' },
  },
  updateIntegratedAccount: { name: 'stolen' },
  createApiKey: { name: 'x', scopes: ['read'] },
  createWebhookEndpoint: { url: 'https://127.0.0.1/' },
  updateWebhookEndpoint: { description: 'stolen' },
  saveColumnMapping: { name: 'stolen', columns: { Mail: 'email' } },
  replayWebhookEndpoint: { since: '2026-01-01T00:00:00Z' },
}
const table = Object.entries(routes) as [keyof typeof routes, Route][]

interface Key {
  id: string
  name: string
  api_key: string
  prefix: string
}

const { muster, client } = await startContract({ workers: 0, allowedHosts: ['127.0.0.1:1'] })

describe('who may do what', () => {
  test('npm run bootstrap names its key by what the key may do', async () => {
    const environment = { REDIS_URL: muster.redis.url, MUSTER_ENCRYPTION_KEYS: muster.encryptionKeys }
    const bootstrap = async (...args: string[]): Promise<string[]> =>
      Object.keys(
        JSON.parse(
          await runCommand('apps/api/dist/commands/bootstrap.js', ['--tenant', 'names', ...args], environment),
        ) as object,
      )
    expect(await bootstrap()).toEqual(['tenant_id', 'admin_api_key'])
    expect(await bootstrap('--scopes', 'provision,read')).toEqual(['tenant_id', 'api_key'])
  })

  const createKey = async (scopes: Scope[], more: object = {}) =>
    (await client.request<Key>('POST', '/api-keys', { body: { name: scopes.join(' '), scopes, ...more } })).body
  const toRequest = (
    [id, route]: (typeof table)[number],
    accountId: string,
    otherId: string,
  ): [string, string, { body?: unknown; rawBody?: string }] => {
    const path = route.path.replace(/\{\w+\}/, otherId)
    const queries: Partial<Record<keyof typeof routes, string>> = {
      createUser: `?integrated_account_id=${accountId}`,
      createUsers: `?integrated_account_id=${accountId}`,
      // Its address is no simulator's.
      createIntegratedAccount: '?test=false',
    }
    const query = queries[id] ?? ''
    return [
      route.method.toUpperCase(),
      path + query,
      id in bodies ? { body: bodies[id] } : id === 'createUsers' ? { rawBody: toNdjson(itemsOf('okta', 1)) } : {},
    ]
  }

  test('a key is shown once, listed without itself, and opens nothing once it is revoked', async () => {
    const key = await createKey(['read'], { mode: 'test' })
    expect(key.api_key).toMatch(/^mk_test_[0-9A-Za-z]{32}$/)
    expect((await createKey(['read'])).api_key).toMatch(/^mk_live_/)
    const list = await client.request<{ result: Key[] }>('GET', '/api-keys')
    expect(list.body.result.find(({ id }) => id === key.id)).toEqual({
      id: key.id,
      name: 'read',
      scopes: ['read'],
      prefix: key.api_key.slice(0, 12),
      created_at: expect.any(String) as string,
    })
    expect(JSON.stringify(list.body)).not.toContain(key.api_key)
    expect((await client.request('GET', '/operations', { key: key.api_key })).status).toBe(200)
    expect((await client.request('DELETE', `/api-keys/${key.id}`)).status).toBe(204)
    expect((await client.request('GET', '/operations', { key: key.api_key })).status).toBe(401)
    expect((await client.request('DELETE', `/api-keys/${key.id}`)).status).toBe(404)
  })

  test.each([
    ['no header', undefined],
    ['no scheme', 'mk_live_00000000000000000000000000000000'],
    ['another scheme', 'Basic bWs6bWs='],
    ['a key that never was', 'Bearer mk_live_00000000000000000000000000000000'],
    ['a key that is none', 'Bearer hunter2'],
    ['a very long one', `Bearer mk_live_${'a'.repeat(5_000)}`],
  ])('%s is answered 401 with a challenge', async (_, authorization) => {
    for (const entry of table) {
      const [method, path, options] = toRequest(entry, UNKNOWN, UNKNOWN)
      const { status, headers, body } = await client.request<ProblemBody>(method, path, {
        ...options,
        key: null,
        headers: authorization ? { authorization } : {},
      })
      expect({ status, code: body.code, wwwAuthenticate: headers.get('www-authenticate') }, path).toEqual({
        status: 401,
        code: 'unauthorized',
        wwwAuthenticate: 'Bearer realm="muster"',
      })
    }
  })

  test('each route asks for the scope that it names, before anything else is looked at', async () => {
    const keys = {
      provision: await createKey(['provision']),
      read: await createKey(['read']),
      admin: await createKey(['admin']),
    }
    for (const entry of table) {
      const [, route] = entry
      for (const [scope, key] of Object.entries(keys)) {
        const [method, path] = toRequest(entry, UNKNOWN, UNKNOWN)
        const { status, body } = await client.request(method, path, {
          key: key.api_key,
          ...(route.body ? { rawBody: '{' } : {}),
        })
        if (scope === route.scope) expect(status, route.id).not.toBe(403)
        else
          expect({ status, requiredScope: body.required_scope }, `${route.id} ${scope}`).toEqual({
            status: 403,
            requiredScope: route.scope,
          })
      }
    }
  })

  test("another tenant's id is answered byte for byte like one that does not exist, on every route, and nothing happens to it", async () => {
    const account = await muster.connect('okta')
    const operation = (await client.create<{ id: string }>(account, newUser('okta'))).body.id
    const key = await createKey(['provision', 'read', 'admin'])
    const endpoint = (
      await client.request<{ id: string }>('POST', '/webhook-endpoints', { body: { url: 'http://127.0.0.1:1/' } })
    ).body.id
    const delivery = (await client.request<{ id: string }>('POST', `/webhook-endpoints/${endpoint}/test`)).body.id
    const batch = (
      await batchClientOf(muster).bulk(toNdjson(itemsOf('okta', 2)), { query: `integrated_account_id=${account}` })
    ).body.id
    await client.request('POST', '/column-mappings', { body: { name: 'hr', columns: { Mail: 'email' } } })
    const stranger = await muster.bootstrap()
    const own: Record<string, string> = {
      Operations: operation,
      'Integrated accounts': account,
      'API keys': key.id,
      'Webhook endpoints': endpoint,
      Deliveries: delivery,
      Batches: batch,
      'Column mappings': 'hr',
    }
    const read = () =>
      Promise.all(
        [
          `/operations/${operation}`,
          `/integrated-accounts/${account}`,
          '/api-keys',
          `/webhook-endpoints/${endpoint}`,
          `/webhook-endpoints/${endpoint}/deliveries`,
          `/deliveries/${delivery}`,
          `/batches/${batch}`,
          '/column-mappings',
        ].map(async (path) => {
          // The rate of a batch is over the time that has passed.
          const { rate_per_second: _rate, ...body } = (await client.request('GET', path)).body
          return body
        }),
      )
    const before = await read()
    const ask = async (entry: (typeof table)[number], accountId: string, otherId: string) => {
      const [method, path, options] = toRequest(entry, accountId, otherId)
      const { status, headers, body } = await client.request(method, path, {
        ...options,
        key: stranger.adminKey,
        headers: { 'x-request-id': 'same' },
      })
      return { status, headers: [...headers].filter(([name]) => name !== 'date'), body }
    }
    for (const entry of table) {
      const [id, route] = entry
      if (!route.params && id !== 'createUser' && id !== 'createUsers') continue
      const foreign = await ask(entry, account, own[route.tag] ?? '')
      expect(foreign, id).toEqual(await ask(entry, UNKNOWN, UNKNOWN))
      expect(foreign.status, id).toBe(404)
      // A malformed id is answered like an unknown one.
      if (route.params) expect((await ask(entry, account, 'no-id')).body, id).toEqual(foreign.body)
    }
    const theirs = async (path: string) => {
      const { status, body } = await client.request(
        path.startsWith('POST ') ? 'POST' : 'GET',
        path.replace('POST ', ''),
        {
          key: stranger.adminKey,
          headers: { 'x-request-id': 'same' },
          ...(path.startsWith('POST ') ? { body: { first_name: 7 } } : {}),
        },
      )
      return { status, body }
    }
    for (const path of [
      '/operations?integrated_account_id=',
      '/unified/user-directory/users/meta/create?integrated_account_id=',
      '/operations?cursor=',
      'POST /unified/user-directory/users?integrated_account_id=',
    ]) {
      expect(await theirs(path + account)).toEqual(await theirs(path + UNKNOWN))
    }
    for (const path of [
      '/operations',
      '/operations?reference=x',
      '/integrated-accounts',
      '/webhook-endpoints',
      '/batches',
      '/column-mappings',
    ])
      expect((await theirs(path)).body.result).toEqual([])
    expect((await theirs('/api-keys')).body.result).toHaveLength(1)
    expect(await read()).toEqual(before)
  })
})
