import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { vendor as okta } from '../src/okta/simulator.ts'
import { vendors } from '../src/registry.ts'
import { serveSimulators } from '../src/framework/serve.ts'
import { observe, startVendor } from './client.ts'

let simulator: Awaited<ReturnType<typeof startVendor>>
beforeAll(async () => {
  simulator = await startVendor(okta)
})
beforeEach(() => simulator.control.reset())
afterAll(() => simulator.close())

const HEADERS = { authorization: 'SSWS 00SimulatorDemoToken-okta', 'content-type': 'application/json' }

function createUser(login = 'ada@example.com', options: { signal?: AbortSignal } = {}) {
  return observe(`${simulator.url}/api/v1/users`, {
    method: 'POST',
    headers: HEADERS,
    body: JSON.stringify({ profile: { login, email: login, firstName: 'Ada', lastName: 'Lovelace' } }),
    ...options,
  })
}
const getUser = (login = 'ada@example.com', options: { signal?: AbortSignal } = {}) =>
  observe(`${simulator.url}/api/v1/users/${login}`, { headers: HEADERS, ...options })

const createdKeys = async () => (await simulator.control.ledger()).created.map(({ key }) => key)

/** The request has reached the simulator; each turn asks the simulator itself, so nothing sleeps. */
async function seen(count: number): Promise<void> {
  while ((await simulator.control.ledger()).requests.length < count) await setImmediate()
}

describe('faults on the wire', () => {
  it('times out after the commit: the user exists, the socket stays open and no answer comes', async () => {
    await simulator.control.arm({ fault: 'timeout_after_commit' })
    const leave = new AbortController()
    const answer = createUser('ada@example.com', { signal: leave.signal })
    await seen(1)
    expect(await createdKeys()).toEqual(['ada@example.com'])
    expect(await Promise.race([answer, setImmediate('no answer')])).toBe('no answer')
    leave.abort()
    expect((await answer).status).toBeUndefined()
  })

  it('times out before the commit: nothing is created', async () => {
    await simulator.control.arm({ fault: 'timeout_before_commit' })
    const leave = new AbortController()
    const answer = createUser('ada@example.com', { signal: leave.signal })
    await seen(1)
    leave.abort()
    await answer
    expect(await createdKeys()).toEqual([])
  })

  it.each([
    ['reset_before_commit', []],
    ['reset_after_commit', ['ada@example.com']],
  ])('%s is a TCP reset without a byte of an answer', async (fault, created) => {
    await simulator.control.arm({ fault })
    expect(await createUser()).toMatchObject({ error: 'ECONNRESET', status: undefined })
    expect(await createdKeys()).toEqual(created)
  })

  it('resets in the middle of the body, after the commit', async () => {
    await simulator.control.arm({ fault: 'reset_mid_body' })
    const view = await createUser()
    expect(view).toMatchObject({ status: 200, error: 'ECONNRESET' })
    expect(await createdKeys()).toEqual(['ada@example.com'])
    expect((await simulator.control.ledger()).requests[0]).toMatchObject({ status: null, fault: 'reset_mid_body' })
  })

  it('cuts the JSON of an answer in two, after the commit', async () => {
    await simulator.control.arm({ fault: 'malformed_json' })
    const view = await createUser()
    expect(view).toMatchObject({ status: 200, error: undefined })
    expect(view.headers['content-type']).toBe('application/json')
    expect(() => JSON.parse(view.body) as unknown).toThrow(SyntaxError)
    expect(await createdKeys()).toEqual(['ada@example.com'])
  })

  it.each([
    [false, []],
    [true, ['ada@example.com']],
  ])('answers HTML with after_commit %s', async (after_commit, created) => {
    await simulator.control.arm({ fault: 'html', after_commit })
    const view = await createUser()
    expect(view.headers['content-type']).toBe('text/html')
    expect(view.body).toMatch(/^<html>/)
    expect(await createdKeys()).toEqual(created)
  })

  it.each([
    [false, []],
    [true, ['ada@example.com']],
  ])('answers 5xx with after_commit %s', async (after_commit, created) => {
    await simulator.control.arm({ fault: 'server_error', status: 500, after_commit })
    const view = await createUser()
    expect(view.status).toBe(500)
    expect(JSON.parse(view.body)).toMatchObject({ errorCode: 'E0000009', errorSummary: 'Internal Server Error' })
    expect(await createdKeys()).toEqual(created)
  })

  it('answers 5xx with the body that was asked for', async () => {
    await simulator.control.arm({ fault: 'server_error', status: 502, body: { oops: true } })
    expect(await createUser()).toMatchObject({ status: 502, body: '{"oops":true}' })
  })

  it.each([
    [false, []],
    [true, ['ada@example.com']],
  ])('answers whatever was asked for, with after_commit %s', async (after_commit, created) => {
    const page = '<html>blocked</html>'
    await simulator.control.arm({ fault: 'answer', status: 403, content_type: 'text/html', body: page, after_commit })
    expect(await createUser()).toMatchObject({ status: 403, body: page })
    expect(await createdKeys()).toEqual(created)
  })

  it('hides the real answer behind as many bytes as asked, still valid JSON', async () => {
    await simulator.control.arm({ fault: 'huge_body', bytes: 1_000_000 })
    const view = await createUser()
    expect(view.body.length).toBeGreaterThan(1_000_000)
    expect(JSON.parse(view.body)).toMatchObject({ profile: { login: 'ada@example.com' } })
  })

  it('drips the body in small pieces', async () => {
    await simulator.control.arm({ fault: 'drip', bytes: 200, interval_ms: 2 })
    const view = await createUser()
    expect(view.chunks).toBeGreaterThan(2)
    expect(JSON.parse(view.body)).toMatchObject({ status: 'PROVISIONED' })
  })

  it('answers late but whole when slow', async () => {
    await simulator.control.arm({ fault: 'slow', delay_ms: 30 })
    const start = performance.now()
    expect((await createUser()).status).toBe(200)
    expect(performance.now() - start).toBeGreaterThanOrEqual(29)
  })

  it('lets go of a slow answer when the client leaves', async () => {
    await simulator.control.arm({ fault: 'slow', delay_ms: 3_600_000 })
    const leave = new AbortController()
    const answer = createUser('ada@example.com', { signal: leave.signal })
    await seen(1)
    leave.abort()
    await answer
    expect(await createdKeys()).toEqual(['ada@example.com'])
  })

  it('drops look-ups and leaves creates alone', async () => {
    await simulator.control.arm({ fault: 'dropped_lookup' })
    expect((await createUser()).status).toBe(200)
    const leave = new AbortController()
    const answer = getUser('ada@example.com', { signal: leave.signal })
    await seen(2)
    leave.abort()
    expect((await answer).status).toBeUndefined()
    expect((await getUser()).status).toBe(200)
  })

  it.each(['Wed, 21 Oct 2026 07:28:00 GMT', '-5', '99999999999', 'soon'])(
    'sends Retry-After %j verbatim in a rate-limit storm',
    async (retry_after) => {
      await simulator.control.arm({ fault: 'rate_limit_storm', retry_after })
      const view = await createUser()
      expect(view.status).toBe(429)
      expect(view.headers['retry-after']).toBe(retry_after)
      expect(await createdKeys()).toEqual([])
    },
  )
})

describe('aiming faults', () => {
  it('hits creates only, once, when nothing else is said', async () => {
    await simulator.control.arm({ fault: 'server_error' })
    expect((await getUser()).status).toBe(404)
    expect((await createUser()).status).toBe(500)
    expect((await createUser()).status).toBe(200)
  })

  it('hits as often as `times` says, and until deleted with 0', async () => {
    await simulator.control.arm({ fault: 'server_error', times: 2 })
    const twice = [await createUser(), await createUser(), await createUser()]
    expect(twice.map(({ status }) => status)).toEqual([500, 500, 200])

    await simulator.control.arm({ fault: 'server_error', times: 0 })
    for (let round = 0; round < 3; round += 1) expect((await createUser('b@example.com')).status).toBe(500)
    const { faults } = (await (await simulator.control.call('GET', 'faults')).json()) as {
      faults: { id: number; hits: number }[]
    }
    expect(faults).toMatchObject([{ fault: 'server_error', hits: 3 }])
    expect((await simulator.control.call('DELETE', `faults/${faults[0]?.id}`)).status).toBe(204)
    expect((await createUser('b@example.com')).status).toBe(200)
  })

  it('hits what `match` describes', async () => {
    await simulator.control.arm({ fault: 'server_error', times: 0, match: { method: 'get', path_contains: 'grace' } })
    expect((await getUser('grace@example.com')).status).toBe(500)
    expect((await getUser('ada@example.com')).status).toBe(404)
  })

  it('repeats the same dice for the same seed', async () => {
    const play = async () => {
      await simulator.control.reset()
      await simulator.control.set({ seed: 42, rate_limit_by_id: null })
      await simulator.control.arm({ fault: 'server_error', times: 0, probability: 0.5, match: { method: 'GET' } })
      const statuses = []
      for (let round = 0; round < 20; round += 1) statuses.push((await getUser()).status)
      return statuses
    }
    const first = await play()
    expect(new Set(first)).toEqual(new Set([404, 500]))
    expect(await play()).toEqual(first)
  })

  it('does not spend a fault on a request that the rate limit refuses', async () => {
    await simulator.control.set({ rate_limit: { requests: 0, per_seconds: 60 } })
    await simulator.control.arm({ fault: 'timeout_after_commit' })
    expect((await createUser()).status).toBe(429)
    await simulator.control.set({ rate_limit: null })
    await simulator.control.call('DELETE', 'faults')
    expect((await createUser()).status).toBe(200)
  })
})

describe('control', () => {
  it('keeps a ledger of requests and of each user that came to be', async () => {
    await createUser()
    await createUser()
    const { requests, created } = await simulator.control.ledger()
    expect(requests).toMatchObject([
      { number: 1, method: 'POST', path: '/api/v1/users', status: 200 },
      { number: 2, method: 'POST', path: '/api/v1/users', status: 400 },
    ])
    expect(created).toMatchObject([{ key: 'ada@example.com', request_number: 1 }])
  })

  it('resets users, faults, ledger, limits and settings', async () => {
    await simulator.control.set({ rate_limit: { requests: 1, per_seconds: 3600 } })
    await createUser()
    await simulator.control.arm({ fault: 'server_error' })
    await simulator.control.reset()
    expect(await simulator.control.state()).toMatchObject({ users: [] })
    expect(await simulator.control.ledger()).toEqual({ requests: [], created: [] })
    const again = await createUser()
    expect(again).toMatchObject({ status: 200, headers: { 'x-rate-limit-limit': '300' } })
  })

  it('keeps the settings over a reset that asks for it', async () => {
    await simulator.control.set({ rate_limit: { requests: 7, per_seconds: 60 } })
    await simulator.control.call('POST', 'reset', { keep_settings: true })
    expect((await createUser()).headers['x-rate-limit-limit']).toBe('7')
  })

  it.each([
    ['POST', 'faults', { fault: 'plague' }],
    ['POST', 'faults', { fault: 'slow' }],
    ['POST', 'faults', { fault: 'server_error', times: -1 }],
    ['POST', 'faults', { fault: 'server_error', probability: 2 }],
    ['POST', 'faults', { fault: 'rate_limit_storm', retry_after: 'a\r\nb: c' }],
    ['POST', 'faults', { fault: 'quota_exceeded' }],
    ['PATCH', 'settings', { rate_limit: { requests: 'many', per_seconds: 1 } }],
    ['PATCH', 'settings', { no_such_setting: 1 }],
    ['PATCH', 'settings', []],
    ['POST', 'reset', { everything: true }],
  ])('refuses bad input: %s %s %j', async (method, resource, body) => {
    const response = await simulator.control.call(method, resource, body)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: 'invalid_input', detail: expect.stringMatching(/./) })
  })

  it('refuses a body that is not JSON, and unknown resources', async () => {
    const broken = await fetch(`${simulator.url}/__simulator/faults`, { method: 'POST', body: '{' })
    expect([broken.status, await broken.json()]).toEqual([
      400,
      { error: 'invalid_input', detail: 'The body is not JSON.' },
    ])
    expect((await simulator.control.call('GET', 'nothing')).status).toBe(404)
    expect((await simulator.control.call('DELETE', 'faults/99')).status).toBe(404)
  })

  it('moves the clock of the vendor alone', async () => {
    await simulator.control.set({ clock_skew_ms: -86_400_000 })
    const view = await createUser()
    const dates = [view.headers.date ?? '', (JSON.parse(view.body) as { created: string }).created]
    for (const date of dates) expect(Date.now() - Date.parse(date)).toBeGreaterThan(86_000_000)
    expect(Date.now() - Date.parse((await simulator.control.ledger()).created[0]?.at ?? '')).toBeLessThan(60_000)
  })
})

describe('serving', () => {
  it('fails with the taken port in the message, and closes what it had opened', async () => {
    const port = Number(new URL(simulator.url).port)
    // Okta's place among the vendors decides its port.
    await expect(serveSimulators({ vendors: [okta], port: port - vendors.indexOf(okta) })).rejects.toThrow(
      `127.0.0.1:${port}`,
    )
  })

  it('closes while a request hangs', async () => {
    const other = await startVendor(okta)
    await other.control.arm({ fault: 'timeout_before_commit', match: { method: 'GET' } })
    const answer = observe(`${other.url}/api/v1/users/ada`, { headers: HEADERS })
    while ((await other.control.ledger()).requests.length === 0) await setImmediate()
    await other.close()
    expect((await answer).error).toBe('ECONNRESET')
  })
})
