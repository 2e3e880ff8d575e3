import type { JsonObject } from '@muster/contracts/json'
import { describe, expect, test } from 'vitest'
import {
  answer,
  clientCredentials,
  closeAll,
  create,
  failureOf,
  memoryTokens,
  open,
  read,
  reset,
  silence,
  startServer,
  type Answer,
} from '../../test/live-server.ts'
import { tinyProvider } from '../../test/tiny-directory.ts'
import { isSuccess } from './connection.ts'

describe('a create', () => {
  test('is sent with its headers, query and body, and its answer is handed back', async () => {
    const { url, received } = await startServer(answer(201, { id: 'u1' }))
    const response = await open(url).write('create', create)
    expect(response).toMatchObject({ status: 201, body: { id: 'u1' }, isJson: true })
    expect(received).toMatchObject([
      {
        method: 'POST',
        url: '/users?probe=canary-query',
        body: JSON.stringify(create.body),
        headers: {
          authorization: 'Token canary-token',
          'content-type': 'application/json',
          accept: 'application/json',
        },
      },
    ])
  })

  test.each<[string, Answer, object]>([
    ['a 500', answer(500), { status: 500 }],
    ['a 503 that asks to come back', answer(503, {}, { 'retry-after': '1' }), { status: 503 }],
    ['a 429', answer(429), { status: 429 }],
  ])('is sent once, and %s handed back', async (_, answered, expected) => {
    const { url, received } = await startServer(answered)
    expect(await open(url).write('create', create)).toMatchObject(expected)
    expect(received).toHaveLength(1)
  })

  test('is written down once its permit is there; a permit that comes to nothing is given back', async () => {
    const { url, received } = await startServer(answer(201, { id: 'u1' }))
    const order: string[] = []
    const permit = {
      sent: () => undefined,
      ended: () => void order.push('ended'),
      unused: () => void order.push('back'),
    }
    const waitForPermit = async () => (order.push('permit'), permit)
    const sending = { begin: async () => void order.push('intent'), takeBack: async () => undefined }
    await open(url, { waitForPermit }).write('create', create, sending)
    expect(order).toEqual(['permit', 'intent', 'ended'])
    order.length = 0
    const refused = { ...sending, begin: () => Promise.reject(new Error('not saved')) }
    await expect(open(url, { waitForPermit }).write('create', create, refused)).rejects.toThrow('not saved')
    expect(order).toEqual(['permit', 'back'])
    expect(received).toHaveLength(1)
  })

  test('that cannot be encoded takes no permit and is not written down', async () => {
    const order: string[] = []
    const deep = Array.from({ length: 100_000 }).reduce<JsonObject>((inner) => ({ inner }), {})
    const sending = { begin: async () => void order.push('intent'), takeBack: async () => undefined }
    const connection = open('http://127.0.0.1:9', { waitForPermit: async () => void order.push('permit') })
    await expect(connection.write('create', { ...create, body: deep }, sending)).rejects.toThrow(RangeError)
    expect(order).toEqual([])
  })

  test('that was refused for its token is not written down as sent while it waits to be sent again', async () => {
    let isFirst = true
    const { url } = await startServer((response, { url: path }) => {
      const status = path.startsWith('/token') ? 200 : isFirst ? 401 : 201
      if (!path.startsWith('/token')) isFirst = false
      response.writeHead(status).end(JSON.stringify({ access_token: `t${Math.random()}`, id: 'u1' }))
    })
    const order: string[] = []
    const connection = open(url, {
      credentials: clientCredentials,
      waitForPermit: async () => void order.push('permit'),
    })
    const sending = {
      begin: async () => void order.push('intent'),
      takeBack: async () => void order.push('taken back'),
    }
    expect(await connection.write('create', create, sending)).toMatchObject({ status: 201 })
    expect(order).toEqual(['permit', 'permit', 'intent', 'taken back', 'permit', 'permit', 'intent'])
  })

  test.each<[string, Answer, object]>([
    ['a reset', reset, { outcome: 'unknown', code: 'provider_unavailable' }],
    ['a silence', silence, { outcome: 'unknown', code: 'timeout' }],
  ])('is sent once, and %s is an unknown outcome', async (_, answered, expected) => {
    const { url, received } = await startServer(answered)
    expect(
      await failureOf(open(url, { provider: { ...tinyProvider, timeoutMs: 200 } }).write('create', create)),
    ).toMatchObject(expected)
    expect(received).toHaveLength(1)
  })

  test('to a closed port was not sent', async () => {
    const { url } = await startServer(answer(200))
    await closeAll()
    expect(await failureOf(open(url).write('create', create))).toMatchObject({
      outcome: 'retrying',
      code: 'provider_unavailable',
    })
  })

  test('to a private address that is not on the list is refused for good', async () => {
    const { url, received } = await startServer(answer(200))
    const connection = open('http://127.0.0.1:1', { config: { base_url: url } })
    expect(await failureOf(connection.write('create', create))).toMatchObject({ outcome: 'failed' })
    expect(received).toHaveLength(0)
  })

  test("with a token that no header can carry is the account's trouble, not an unknown outcome", async () => {
    const { url, received } = await startServer(answer(200))
    expect(
      await failureOf(open(url, { credentials: { type: 'api_token', api_token: 'a\nb' } }).write('create', create)),
    ).toMatchObject({ outcome: 'held', code: 'credentials_rejected' })
    expect(received).toHaveLength(0)
  })

  test('that its worker cuts off is an unknown outcome; one that waits for its permit is none', async () => {
    const worker = new AbortController()
    const { url } = await startServer(() => worker.abort())
    expect(await failureOf(open(url, { signal: worker.signal }).write('create', create))).toMatchObject({
      outcome: 'unknown',
    })
    const stopped = new Error('stopping')
    await expect(open(url, { waitForPermit: () => Promise.reject(stopped) }).write('create', create)).rejects.toBe(
      stopped,
    )
  })
})

describe('a read', () => {
  test('is tried three times over 5xx, and the last answer handed back', async () => {
    const { url, received } = await startServer(answer(500), answer(502), answer(503, 'away'))
    const connection = open(url)
    expect(await connection.read('find', read)).toMatchObject({ status: 503, body: 'away', isJson: false })
    expect(received).toHaveLength(3)
    expect(connection.permits()).toBe(3)
  })

  test('gets over a reset', async () => {
    const { url, received } = await startServer(reset, answer(200, { id: 'u1' }))
    expect(await open(url).read('find', read)).toMatchObject({ status: 200 })
    expect(received).toHaveLength(2)
  })

  test.each([400, 401, 404, 429])('takes a %s for an answer', async (status) => {
    const { url, received } = await startServer(answer(status))
    expect(await open(url).read('find', read)).toMatchObject({ status })
    expect(received).toHaveLength(1)
  })
})

describe('an answer', () => {
  test.each<[string, string, unknown, boolean]>([
    ['HTML', '<html>', '<html>', false],
    ['nothing', '', '', false],
    ['JSON after a byte order mark', '\uFEFF{"id":"u1"}', { id: 'u1' }, true],
    ['JSON cut short', '{"id":', '{"id":', false],
  ])('of 200 with %s', async (_, body, expected, isOk) => {
    const { url } = await startServer(answer(200, body))
    const response = await open(url).write('create', create)
    expect(response.body).toEqual(expected)
    expect(isSuccess(response)).toBe(isOk)
  })

  test("reports how far the provider's clock is from ours", async () => {
    const startedAt = Date.now()
    const { url } = await startServer(answer(200, {}, { date: new Date(startedAt + 3_600_000).toUTCString() }))
    const connection = open(url)
    expect(connection.clockOffsetMs()).toBe(0)
    await connection.write('create', create)
    // Of the date's one second, and of the time since it was written.
    const toleranceMs = 1_000 + (Date.now() - startedAt)
    expect(Math.abs(connection.clockOffsetMs() - 3_600_000)).toBeLessThanOrEqual(toleranceMs)
  })
})

describe('what is kept of a call', () => {
  test('is its purpose, status, time and request id, and no secret', async () => {
    const tokens = memoryTokens(clientCredentials)
    const { url } = await startServer(
      answer(200, { access_token: 'canary-access' }),
      answer(201, { id: 'u1' }, { 'x-request-id': 'r-1' }),
    )
    const connection = open(url, { credentials: clientCredentials, tokens })
    await connection.write('create', create)
    expect(connection.calls).toMatchObject([
      { purpose: 'token', method: 'POST', url: `${url}/token`, status: 200, error: null },
      {
        purpose: 'create',
        method: 'POST',
        url: `${url}/users`,
        status: 201,
        provider_request_id: 'r-1',
        error: null,
      },
    ])
    expect(JSON.stringify(connection.calls)).not.toContain('canary')
  })

  test.each([
    ['longer than any', () => 'r'.repeat(500)],
    ['of several words', () => 'see the log'],
    ['the credential', (header: string) => header],
    ['the credential after a word', (header: string) => `id-${header.slice('Bearer '.length)}`],
    ['the credential in base64', (header: string) => Buffer.from(`x:${header}`).toString('base64')],
    ['the credential in hexadecimal', (header: string) => Buffer.from(header).toString('hex').toUpperCase()],
    [
      'the credential in percent escapes',
      (header: string) => header.replaceAll(/[^ ]/g, (sign) => `%${Buffer.from(sign).toString('hex')}`),
    ],
  ])('drops a request id that is %s', async (_, spell) => {
    const echo: Answer = (response, received) =>
      answer(201, { id: 'u1' }, { 'x-request-id': spell(String(received.headers.authorization)) })(response, received)
    const { url } = await startServer(answer(200, { access_token: 'canary-access' }), echo)
    const connection = open(url, { credentials: clientCredentials, tokens: memoryTokens(clientCredentials) })
    await connection.write('create', create)
    expect(connection.calls.map(({ status, provider_request_id: id }) => [status, id])).toEqual([
      [200, null],
      [201, null],
    ])
  })

  test('is the transport error where no answer came', async () => {
    const { url } = await startServer(silence)
    const connection = open(url, { provider: { ...tinyProvider, timeoutMs: 100 } })
    await failureOf(connection.write('create', create))
    expect(connection.calls).toMatchObject([{ status: null, error: 'TIMEOUT', provider_request_id: null }])
    expect(connection.calls[0]?.duration_ms).toBeGreaterThanOrEqual(90)
  })

  test("takes the provider's own request id where it has one", async () => {
    const { url } = await startServer(answer(200, {}, { 'x-tiny-id': 't-1', 'x-request-id': 'gateway' }))
    const connection = open(url, {
      provider: { ...tinyProvider, toProviderRequestId: ({ headers }) => headers['x-tiny-id'] },
    })
    await connection.write('create', create)
    expect(connection.calls[0]?.provider_request_id).toBe('t-1')
  })
})
