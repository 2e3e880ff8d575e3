import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientOf, pointersOf, type ProblemBody } from '../support/contract.ts'
import { newUser, startMuster, type Muster } from '../support/harness.ts'

const UNKNOWN = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b'
const allowed = 'http://127.0.0.1:9/hook'

let muster: Muster
let client: ReturnType<typeof clientOf>
let account: string
beforeAll(async () => {
  muster = await startMuster({
    workers: 0,
    allowedHosts: ['127.0.0.1:9'],
    environment: { MUSTER_MAX_WEBHOOK_ENDPOINTS: '2' },
  })
  client = clientOf(muster)
  account = await muster.connect('okta')
  await client.request('POST', '/callback-secret')
})
afterAll(() => muster.close())

const problemsOf = (answer: { body: unknown }): { pointer: string; code: string }[] =>
  ((answer.body as ProblemBody).errors ?? []).map(({ pointer, code }) => ({ pointer, code }))

describe('an address where nothing is to be sent is refused', () => {
  test.each([
    ['loopback', 'https://127.0.0.1/hook', 'address_refused'],
    ['loopback by its name', 'https://localhost/hook', 'address_refused'],
    ['loopback of IPv6', 'https://[::1]/hook', 'address_refused'],
    ['this host', 'https://0.0.0.0/hook', 'address_refused'],
    ['10/8', 'https://10.1.2.3/hook', 'address_refused'],
    ['172.16/12', 'https://172.16.0.1/hook', 'address_refused'],
    ['192.168/16', 'https://192.168.1.1/hook', 'address_refused'],
    ['unique local IPv6', 'https://[fd00::1]/hook', 'address_refused'],
    ['link-local', 'https://169.254.10.10/hook', 'address_refused'],
    ['link-local of IPv6', 'https://[fe80::1]/hook', 'address_refused'],
    ['carrier-grade NAT', 'https://100.64.0.1/hook', 'address_refused'],
    ['metadata', 'https://169.254.169.254/latest/meta-data/', 'address_refused'],
    ['metadata of IPv6', 'https://[fd00:ec2::254]/latest/', 'address_refused'],
    ['metadata of Azure', 'https://168.63.129.16/metadata', 'address_refused'],
    ['a port of another service', 'https://8.8.8.8:22/hook', 'address_refused'],
    ['mapped', 'https://[::ffff:10.0.0.1]/hook', 'address_refused'],
    ['mapped, in hexadecimal', 'https://[::ffff:7f00:1]/hook', 'address_refused'],
    ['NAT64', 'https://[64:ff9b::a00:1]/hook', 'address_refused'],
    ['6to4', 'https://[2002:a00:1::]/hook', 'address_refused'],
    ['multicast', 'https://224.0.0.1/hook', 'address_refused'],
    ['decimal', 'https://2130706433/hook', 'address_refused'],
    ['hexadecimal', 'https://0x7f000001/hook', 'address_refused'],
    ['octal', 'https://0177.0.0.1/hook', 'address_refused'],
    ['shortened', 'https://127.1/hook', 'address_refused'],
    ['a name that does not resolve', 'https://missing.invalid/hook', 'address_refused'],
    ['http', 'http://hooks.example.com/hook', 'https_required'],
    ['an allowed host at another port', 'http://127.0.0.1:10/hook', 'https_required'],
    ['another scheme', 'ftp://hooks.example.com/hook', 'https_required'],
    ['a user name', 'https://ada:secret@hooks.example.com/hook', 'user_info'],
    ['a fragment', 'https://hooks.example.com/hook#here', 'fragment'],
    ['no URL', 'hooks.example.com', 'invalid_url'],
    ['a blank', 'https://hooks.example.com/ hook', 'invalid_url'],
  ])('%s, at registration, when it is changed, and with a request', async (_, url, code) => {
    const registered = await client.request('POST', '/webhook-endpoints', { body: { url } })
    expect({ status: registered.status, problems: problemsOf(registered) }).toEqual({
      status: 422,
      problems: [{ pointer: '/url', code }],
    })
    const called = await client.create(account, newUser('okta'), { query: `callback_url=${encodeURIComponent(url)}` })
    expect({ status: called.status, problems: problemsOf(called) }).toEqual({
      status: 422,
      problems: [{ pointer: '?callback_url', code }],
    })
    // Names behind a private network's resolver stay private.
    expect(JSON.stringify(registered.body)).not.toMatch(/resolves to/)
  })

  test('nothing was written for any of them', async () => {
    expect((await client.request('GET', '/webhook-endpoints')).body.result).toEqual([])
    expect(await client.countOperations(account)).toBe(0)
  })

  test('a public address over https is taken', async () => {
    const { status, body } = await client.request<{ id: string; url: string }>('POST', '/webhook-endpoints', {
      body: { url: 'https://1.1.1.1/hook?token=x' },
    })
    expect({ status, url: body.url }).toEqual({ status: 201, url: 'https://1.1.1.1/hook?token=x' })
    const path = `/webhook-endpoints/${body.id}`
    const changed = await client.request('PATCH', path, { body: { url: 'https://127.0.0.1/', description: 'changed' } })
    expect({ status: changed.status, problems: problemsOf(changed) }).toEqual({
      status: 422,
      problems: [{ pointer: '/url', code: 'address_refused' }],
    })
    expect((await client.request('GET', path)).body).toMatchObject({
      url: 'https://1.1.1.1/hook?token=x',
      description: null,
    })
    await client.request('DELETE', path)
  })
})

describe('what a webhook route is given', () => {
  let path: string
  beforeAll(async () => {
    path = `/webhook-endpoints/${(await client.request<{ id: string }>('POST', '/webhook-endpoints', { body: { url: allowed } })).body.id}`
  })

  test('registration reports every problem at once', async () => {
    const body = {
      url: 7,
      events: ['operation.exploded'],
      providers: [],
      payload: 'fat',
      rate: { requests: 0, per_seconds: 61 },
      concurrency: 51,
      description: '',
      asymmetric: 'yes',
      colour: 'red',
      integrated_account_ids: ['x'],
    }
    const answer = await client.request('POST', '/webhook-endpoints', { body })
    expect({ status: answer.status, pointers: pointersOf(answer).sort() }).toEqual({
      status: 422,
      pointers: [
        '/asymmetric',
        '/colour',
        '/concurrency',
        '/description',
        '/events/0',
        '/integrated_account_ids/0',
        '/payload',
        '/providers',
        '/rate/per_seconds',
        '/rate/requests',
        '/url',
      ],
    })
    expect(pointersOf(await client.request('POST', '/webhook-endpoints', { body: {} }))).toEqual(['/url'])
  })

  test("an account that is not the tenant's is not found, here and in a change", async () => {
    const stranger = await muster.bootstrap()
    const foreign = await muster.connect('okta', { key: stranger.adminKey })
    for (const id of [UNKNOWN, foreign]) {
      expect(
        problemsOf(
          await client.request('POST', '/webhook-endpoints', {
            body: { url: allowed, integrated_account_ids: [account, id] },
          }),
        ),
      ).toEqual([{ pointer: '/integrated_account_ids/1', code: 'not_found' }])
      expect(
        problemsOf(await client.request('PATCH', path, { body: { integrated_account_ids: [account, id] } })),
      ).toEqual([{ pointer: '/integrated_account_ids/1', code: 'not_found' }])
    }
  })

  test('a change: null takes a setting back, what is not given stays, and a refused one changes nothing', async () => {
    await client.request('PATCH', path, {
      body: {
        description: 'mine',
        events: ['operation.failed'],
        rate: { requests: 5, per_seconds: 1 },
        concurrency: 3,
        payload: 'full',
      },
    })
    const { body } = await client.request('PATCH', path, { body: { events: null, rate: null } })
    expect(body).toMatchObject({ description: 'mine', events: null, rate: null, concurrency: 3, payload: 'full' })
    const refused = await client.request('PATCH', path, {
      body: { status: 'asleep', payload: null, asymmetric: true, secret: 'whsec_x', concurrency: 1 },
    })
    expect({ status: refused.status, pointers: pointersOf(refused).sort() }).toEqual({
      status: 422,
      pointers: ['/asymmetric', '/payload', '/secret', '/status'],
    })
    expect((await client.request('GET', path)).body).toEqual(body)
  })

  test.each([
    ['an overlap below nothing', 'rotate-secret', { overlap_hours: -1 }, ['/overlap_hours']],
    ['an overlap of more than a week', 'rotate-secret', { overlap_hours: 169 }, ['/overlap_hours']],
    ['a secret of his own', 'rotate-secret', { secret: 'whsec_x' }, ['/secret']],
    ['a replay without a time', 'replay', {}, ['/since']],
    ['a replay since no time', 'replay', { since: 'yesterday' }, ['/since']],
    [
      'a replay that ends before it begins',
      'replay',
      { since: '2026-01-02T00:00:00Z', until: '2026-01-01T00:00:00Z' },
      ['/until'],
    ],
    ['a replay with more', 'replay', { since: '2026-01-02T00:00:00Z', status: 'delivered' }, ['/status']],
  ])('%s is refused', async (_, action, body, pointers) => {
    const answer = await client.request('POST', `${path}/${action}`, { body })
    expect({ status: answer.status, pointers: pointersOf(answer) }).toEqual({ status: 422, pointers })
  })

  test('a callback secret with an overlap that is none is refused', async () => {
    expect(pointersOf(await client.request('POST', '/callback-secret', { body: { overlap_hours: 'long' } }))).toEqual([
      '/overlap_hours',
    ])
  })

  test.each([
    ['status=lost', '?status'],
    ['event_type=operation.exploded', '?event_type'],
    ['operation_id=x', '?operation_id'],
    ['limit=0', '?limit'],
    ['limit=1000', '?limit'],
    ['cursor=x', '?cursor'],
    ['colour=red', '?colour'],
  ])('a log asked for with %s is refused', async (query, pointer) => {
    const answer = await client.request('GET', `${path}/deliveries?${query}`)
    expect({ status: answer.status, pointers: pointersOf(answer) }).toEqual({ status: 422, pointers: [pointer] })
  })

  test('malformed and unknown ids are not found', async () => {
    for (const id of ['x', UNKNOWN]) {
      for (const [method, target] of [
        ['GET', `/webhook-endpoints/${id}`],
        ['DELETE', `/webhook-endpoints/${id}`],
        ['POST', `/webhook-endpoints/${id}/test`],
        ['POST', `/webhook-endpoints/${id}/rotate-secret`],
        ['GET', `/webhook-endpoints/${id}/deliveries`],
        ['GET', `/deliveries/${id}`],
        ['POST', `/deliveries/${id}/replay`],
      ] as const) {
        const { status } = await client.request(method, target)
        expect({ method, target, status }).toEqual({
          method,
          target,
          status: id === 'x' ? expect.toBeOneOf([404, 422]) : 404,
        })
      }
    }
  })

  test('no more endpoints than the tenant may have; one removed makes room, and those of callbacks do not count', async () => {
    const second = await client.request<{ id: string }>('POST', '/webhook-endpoints', { body: { url: allowed } })
    expect(second.status).toBe(201)
    const third = await client.request<ProblemBody>('POST', '/webhook-endpoints', { body: { url: allowed } })
    expect(third).toMatchObject({ status: 429, body: { code: 'too_many_requests' } })
    await client.request('DELETE', `/webhook-endpoints/${second.body.id}`)
    expect((await client.request('POST', '/webhook-endpoints', { body: { url: allowed } })).status).toBe(201)
  })
})

describe('an account that is removed', () => {
  test('loses no event that was still to be sent, also where no worker has handed it over yet', async () => {
    const [endpoint] = (await client.request<{ result: { id: string }[] }>('GET', '/webhook-endpoints')).body.result
    const removed = await muster.connect('okta')
    const { body: operation } = await client.create<{ id: string }>(removed, newUser('okta'))
    await client.request('POST', `/operations/${operation.id}/cancel`)
    expect((await client.request('DELETE', `/integrated-accounts/${removed}`)).status).toBe(204)
    const { body } = await client.request(
      'GET',
      `/webhook-endpoints/${endpoint?.id ?? ''}/deliveries?operation_id=${operation.id}`,
    )
    expect(body.result).toMatchObject([{ event_type: 'operation.canceled', status: 'pending' }])
  })
})
