import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Route } from '../../packages/contracts/src/route.ts'
import { routes } from '../../packages/contracts/src/routes.ts'
import { BULK, itemsOf, toNdjson } from '../support/batch-client.ts'
import { pointersOf, type ProblemBody } from '../support/contract.ts'
import { newUser } from '../support/harness.ts'
import { startWebhookStage, type WebhookStage } from '../support/webhook-stage.ts'

const UNKNOWN = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b'
const USERS = '/unified/user-directory/users'
const bodies: Partial<Record<keyof typeof routes, unknown>> = {
  updateIntegratedAccount: { name: 'renamed' },
  updateWebhookEndpoint: { description: 'renamed' },
  replayWebhookEndpoint: { since: '2026-01-01T00:00:00Z' },
}

interface Page {
  result: { id: string }[]
}

describe('a test key', () => {
  let stage: WebhookStage
  let testKey = ''
  let live: Record<string, string>
  let own: Record<string, string>

  const ask = <T = Record<string, unknown>>(method: string, path: string, body?: unknown, key = testKey) =>
    stage.client.request<T>(method, path, {
      key,
      headers: { 'x-request-id': 'same' },
      ...(body === undefined ? {} : { body }),
    })
  const upload = (account: string, key: string, rawBody: string, idempotencyKey?: string) =>
    stage.client.request<{ id: string }>('POST', `${BULK}?integrated_account_id=${account}`, {
      key,
      rawBody,
      headers: {
        'content-type': 'application/x-ndjson',
        ...(idempotencyKey ? { 'idempotency-key': idempotencyKey } : {}),
      },
    })

  /** One of each kind of thing, made with the key. */
  async function makeAll(account: string, key: string, path: string): Promise<Record<string, string>> {
    const endpoint = await stage.register(path, {}, key)
    const test = await ask<{ id: string }>('POST', `/webhook-endpoints/${endpoint.id}/test`, undefined, key)
    const { body } = await stage.client.create<{ id: string }>(account, newUser('okta'), { key })
    return {
      'Integrated accounts': account,
      Operations: body.id,
      Batches: (await upload(account, key, toNdjson(itemsOf('okta', 2)))).body.id,
      'Webhook endpoints': endpoint.id,
      Deliveries: test.body.id,
    }
  }

  beforeAll(async () => {
    stage = await startWebhookStage()
    const { muster, client } = stage
    const scopes = ['provision', 'read', 'admin']
    const made = await client.request<{ api_key: string; id: string }>('POST', '/api-keys', {
      body: { name: 'test', scopes, mode: 'test' },
    })
    testKey = made.body.api_key
    await client.request('POST', '/callback-secret')
    live = await makeAll(await muster.connect('okta'), muster.owner.adminKey, '/live')
    own = await makeAll(await muster.connect('okta', { mode: 'test', key: testKey }), testKey, '/test')
    own['API keys'] = made.body.id
    live['API keys'] = (await ask<Page>('GET', '/api-keys', undefined, muster.owner.adminKey)).body.result[0]?.id ?? ''
  })
  afterAll(() => stage.close())

  test('is answered of everything live as of what does not exist, on every route', async () => {
    for (const [id, route] of Object.entries<Route>(routes)) {
      const mine = live[route.tag]
      if (!route.params || mine === undefined) continue
      const answerTo = async (named: string) => {
        const path = route.path.replace(/\{\w+\}/, named)
        const { status, body } = await ask(route.method.toUpperCase(), path, bodies[id as keyof typeof routes])
        return { id, status, body }
      }
      expect(await answerTo(mine)).toEqual(await answerTo(UNKNOWN))
      expect((await answerTo(mine)).status).toBe(404)
    }
  })

  test('creates nothing in a live account: not singly, in bulk, as a dry run or by its description', async () => {
    const account = live['Integrated accounts'] ?? ''
    for (const path of [
      `${USERS}?integrated_account_id=`,
      `${USERS}?dry_run=true&integrated_account_id=`,
      `${BULK}?integrated_account_id=`,
    ]) {
      const answer = await ask('POST', path + account, newUser('okta'))
      expect({ status: answer.status, body: answer.body }, path).toEqual({
        status: 404,
        body: (await ask('POST', path + UNKNOWN, {})).body,
      })
    }
    for (const path of [`${USERS}/meta/create?integrated_account_id=`, '/operations?integrated_account_id='])
      expect((await ask('GET', path + account)).status).toBe(404)
    const rows = itemsOf('okta', 1).map((item) => ({ ...item, integrated_account_id: account }))
    const batch = await upload(own['Integrated accounts'] ?? '', testKey, toNdjson(rows))
    const [row] = (await stage.client.text(`/batches/${batch.body.id}/results`)).split('\n')
    expect(JSON.parse(row ?? '')).toMatchObject({
      status: 'rejected',
      errors: [{ pointer: '/integrated_account_id', code: 'not_found' }],
    })
  })

  test('lists what is of mode test alone, and a live key lists both', async () => {
    for (const [path, tag] of [
      ['/integrated-accounts', 'Integrated accounts'],
      ['/operations?limit=100', 'Operations'],
      ['/batches', 'Batches'],
      ['/webhook-endpoints', 'Webhook endpoints'],
      ['/api-keys', 'API keys'],
    ] as const) {
      const idsWith = async (key: string) =>
        (await ask<Page>('GET', path, undefined, key)).body.result.map(({ id }) => id)
      const seen = await idsWith(testKey)
      expect(seen, path).toContain(own[tag])
      expect(seen, path).not.toContain(live[tag])
      expect(await idsWith(stage.muster.owner.adminKey), path).toEqual(expect.arrayContaining([own[tag], live[tag]]))
    }
  })

  test('makes nothing live, neither an account nor a key, and no account changes its mode', async () => {
    const url = stage.muster.simulators.okta.url
    const account = { provider: 'okta', name: 'x', credentials: { type: 'api_token', api_token: 'x' } }
    for (const mode of [undefined, 'live']) {
      const body = { ...account, mode, config: { base_url: url } }
      const refused = await ask<ProblemBody>('POST', '/integrated-accounts', body)
      expect({ status: refused.status, pointers: pointersOf(refused) }).toEqual({ status: 422, pointers: ['/mode'] })
      const key = await ask<ProblemBody>('POST', '/api-keys', { name: 'x', scopes: ['read'], mode })
      expect({ status: key.status, pointers: pointersOf(key) }).toEqual({ status: 422, pointers: ['/mode'] })
    }
    const both = await ask<ProblemBody>('POST', '/integrated-accounts', { ...account, name: '' })
    expect(pointersOf(both)).toEqual(expect.arrayContaining(['/mode', '/name', '/config/base_url']))
    const path = `/integrated-accounts/${own['Integrated accounts']}`
    expect(pointersOf(await ask<ProblemBody>('PATCH', path, { mode: 'live' }))).toEqual(['/mode'])
    expect((await ask('GET', path)).body).toMatchObject({ mode: 'test' })
  })

  test('with the Idempotency-Key of a live upload starts a batch of its own', async () => {
    const rows = toNdjson(itemsOf('okta', 1))
    const account = own['Integrated accounts'] ?? ''
    const first = await upload(account, stage.muster.owner.adminKey, rows, 'the-same')
    const second = await upload(account, testKey, toNdjson(itemsOf('okta', 1)), 'the-same')
    expect({ firstStatus: first.status, secondStatus: second.status }).toEqual({ firstStatus: 202, secondStatus: 202 })
    expect(second.body.id).not.toBe(first.body.id)
  })

  test('changes, removes and sees no live column mapping, and a live upload takes none of its own', async () => {
    const mapping = (columns: Record<string, string>) => ({ name: 'payroll', columns })
    const ownerKey = stage.muster.owner.adminKey
    await ask('POST', '/column-mappings', mapping({ Login: 'username' }), ownerKey)
    await ask('POST', '/column-mappings', { name: 'only-live', columns: { Login: 'username' } }, ownerKey)
    const all = async (key: string) =>
      (await ask<{ result: { columns: object }[] }>('GET', '/column-mappings', undefined, key)).body.result
    const before = await all(ownerKey)
    expect(await all(testKey)).toEqual([])
    expect((await ask('DELETE', '/column-mappings/payroll')).status).toBe(404)
    expect((await ask('POST', '/column-mappings', mapping({ Login: 'password' }))).status).toBe(200)
    expect(await all(testKey)).toEqual([mapping({ Login: 'password' })])
    expect(await all(ownerKey)).toEqual(before)
    const named = (name: string) =>
      stage.client.request<ProblemBody>(
        'POST',
        `${BULK}?dry_run=true&mapping=${name}&integrated_account_id=${own['Integrated accounts']}`,
        { key: testKey, rawBody: 'Login\nada@example.com\n', headers: { 'content-type': 'text/csv' } },
      )
    expect((await named('payroll')).status).toBe(200)
    expect(pointersOf(await named('only-live'))).toEqual(['?mapping'])
    expect((await ask('DELETE', '/column-mappings/payroll')).status).toBe(204)
    expect(await all(ownerKey)).toEqual(before)
  })

  test('creates endpoints that receive events of test accounts only, and sees only the callbacks of these', async () => {
    const create = async (account: string | undefined, key: string) => {
      const query = `callback_url=${encodeURIComponent(stage.urlOf('/callback'))}`
      const { body } = await stage.client.create<{ id: string }>(account ?? '', newUser('okta'), { query, key })
      return body.id
    }
    const liveId = await create(live['Integrated accounts'], stage.muster.owner.adminKey)
    const testId = await create(own['Integrated accounts'], testKey)
    const isAbout = (path: string, id: string) =>
      stage.receiver.until((received) => received.path === path && JSON.stringify(received.event).includes(id))
    await Promise.all(['/live', '/callback'].flatMap((path) => [isAbout(path, liveId), isAbout(path, testId)]))
    const arrived = await isAbout('/test', testId)
    expect(arrived.length).toBeGreaterThan(0)
    const heard = stage.receiver.at('/test')
    expect(JSON.stringify(heard.map(({ event }) => event))).not.toContain(live['Integrated accounts'])
    const { result } = (await ask<{ result: { id: string; kind: string }[] }>('GET', '/webhook-endpoints')).body
    const callback = result.find(({ kind }) => kind === 'callback')
    const deliveries = await ask<{ result: { operation_id: string }[] }>(
      'GET',
      `/webhook-endpoints/${callback?.id}/deliveries?limit=100`,
    )
    expect(deliveries.body.result.map(({ operation_id }) => operation_id)).toEqual([testId])
  })

  test('makes a callback secret that signs for test accounts alone, and learns or ends no live one', async () => {
    const rotate = async (key: string) =>
      (await ask<{ secret: string; previous_expires_at: null }>('POST', '/callback-secret', { overlap_hours: 0 }, key))
        .body
    const { secret: liveSecret } = await rotate(stage.muster.owner.adminKey)
    const { secret: testSecret } = await rotate(testKey)
    for (const [account, key, secret, other] of [
      [live, stage.muster.owner.adminKey, liveSecret, testSecret],
      [own, testKey, testSecret, liveSecret],
    ] as const) {
      const query = `callback_url=${encodeURIComponent(stage.urlOf('/signed'))}`
      const { body } = await stage.client.create<{ id: string }>(
        account['Integrated accounts'] ?? '',
        newUser('okta'),
        { query, key },
      )
      const isItsOwn = (request: { path: string; event: unknown }): boolean =>
        request.path === '/signed' && JSON.stringify(request.event).includes(body.id)
      await stage.receiver.until(isItsOwn)
      const message = stage.receiver.at('/signed').find(isItsOwn)
      if (!message) throw new Error('the message has just arrived')
      expect(() => stage.receiver.verify(message, secret)).not.toThrow()
      expect(() => stage.receiver.verify(message, other)).toThrow()
    }
  })
})
