import { describe, expect, test } from 'vitest'
import {
  answer,
  clientCredentials,
  create,
  failureOf,
  memoryTokens,
  open,
  read,
  reset,
  startServer,
  type Answer,
} from '../../test/live-server.ts'

describe('an access token', () => {
  /** Gives tokens token-1, token-2…, and lets through those that are good enough. */
  async function tokenServer(isGood: (number: number) => boolean, tokenAnswer?: Answer) {
    let given = 0
    const server = await startServer((response, request) => {
      if (request.url === '/token')
        return (tokenAnswer ?? answer(200, { access_token: `token-${(given += 1)}` }))(response, request)
      const number = Number(/^Bearer token-(\d+)$/.exec(request.headers.authorization ?? '')?.[1] ?? 0)
      answer(isGood(number) ? 201 : 401, { number })(response, request)
    })
    return { ...server, paths: () => server.received.map((request) => request.url.split('?')[0]) }
  }

  test('is asked for once, and used by all calls', async () => {
    const { url, paths, received } = await tokenServer(() => true)
    const tokens = memoryTokens(clientCredentials)
    const connections = [
      open(url, { credentials: clientCredentials, tokens }),
      open(url, { credentials: clientCredentials, tokens }),
    ]
    await Promise.all(connections.map((connection) => connection.write('create', create)))
    expect(paths().sort()).toEqual(['/token', '/users', '/users'])
    expect(received[0]).toMatchObject({
      body: 'grant_type=client_credentials&client_id=id&client_secret=canary-secret',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
  })

  test('that is refused is renewed once, and the create sent again', async () => {
    const { url, paths } = await tokenServer((number) => number >= 2)
    expect(await open(url, { credentials: clientCredentials }).write('create', create)).toMatchObject({
      status: 201,
      body: { number: 2 },
    })
    expect(paths()).toEqual(['/token', '/users', '/token', '/users'])
  })

  test('that is refused again is the end of it', async () => {
    const { url, paths } = await tokenServer(() => false)
    expect(await open(url, { credentials: clientCredentials }).write('create', create)).toMatchObject({ status: 401 })
    expect(paths()).toEqual(['/token', '/users', '/token', '/users'])
  })

  test('that another process has renewed meanwhile is taken as it is', async () => {
    const { url, paths } = await tokenServer((number) => number === 7)
    const tokens = memoryTokens(clientCredentials, { value: 'token-6', expiresAt: null })
    const renew = tokens.renew
    tokens.renew = (run) => {
      tokens.token = { value: 'token-7', expiresAt: null }
      return renew(run)
    }
    expect(await open(url, { credentials: clientCredentials, tokens }).write('create', create)).toMatchObject({
      status: 201,
    })
    expect(paths()).toEqual(['/users', '/users'])
  })

  test('that ends within the next minute and a half is renewed before it is used', async () => {
    const { url, paths } = await tokenServer(() => true)
    await open(url, {
      credentials: clientCredentials,
      tokens: memoryTokens(clientCredentials, { value: 'token-9', expiresAt: Date.now() + 80_000 }),
    }).write('create', create)
    await open(url, {
      credentials: clientCredentials,
      tokens: memoryTokens(clientCredentials, { value: 'token-9', expiresAt: Date.now() + 100_000 }),
    }).write('create', create)
    expect(paths()).toEqual(['/token', '/users', '/users'])
  })

  test('of static credentials there is none to renew', async () => {
    const { url, received } = await startServer(answer(401))
    expect(await open(url).write('create', create)).toMatchObject({ status: 401 })
    expect(received).toHaveLength(1)
  })

  test.each<[string, Answer, object]>([
    ['refuses', answer(400, { error: 'invalid_grant' }), { outcome: 'held', code: 'credentials_rejected' }],
    ['throttles', answer(429), { outcome: 'rate_limited' }],
    ['fails', answer(500), { outcome: 'retrying' }],
    ['resets', reset, { outcome: 'retrying' }],
  ])('whose endpoint %s leaves nothing unknown about the create', async (_, tokenAnswer, expected) => {
    const { url, paths } = await tokenServer(() => true, tokenAnswer)
    expect(await failureOf(open(url, { credentials: clientCredentials }).write('create', create))).toMatchObject(
      expected,
    )
    expect(paths()).not.toContain('/users')
  })

  test('is asked for at allowed addresses only, and names none but such', async () => {
    const stranger = await startServer(answer(200, { access_token: 'token-1' }))
    const { url } = await tokenServer(() => true, answer(200, { access_token: 'token-1', base_url: stranger.url }))
    expect(
      await failureOf(
        open(url, { credentials: clientCredentials, config: { token_url: stranger.url } }).write('create', create),
      ),
    ).toMatchObject({ outcome: 'held', code: 'credentials_rejected' })
    expect(await failureOf(open(url, { credentials: clientCredentials }).write('create', create))).toMatchObject({
      outcome: 'held',
      code: 'credentials_rejected',
    })
    expect(stranger.received).toHaveLength(0)
  })

  test('waits for its permit before it takes the lock that others wait for', async () => {
    const { url } = await tokenServer(() => true)
    const order: string[] = []
    const tokens = memoryTokens(clientCredentials)
    const renew = tokens.renew
    tokens.renew = (run) => (order.push('lock'), renew(run))
    const connection = open(url, {
      credentials: clientCredentials,
      tokens,
      waitForPermit: async () => void order.push('permit'),
    })
    await connection.write('create', create)
    expect(order).toEqual(['permit', 'lock', 'permit'])
  })

  test('that cannot be asked for gives its permit back', async () => {
    const { url } = await tokenServer(() => true)
    const order: string[] = []
    const permit = {
      sent: () => undefined,
      ended: () => void order.push('ended'),
      unused: () => void order.push('back'),
    }
    const waitForPermit = async () => (order.push('permit'), permit)
    const tokens = memoryTokens(clientCredentials)
    tokens.renew = () => Promise.reject(new Error('the lock is taken'))
    const connection = open(url, { credentials: clientCredentials, tokens, waitForPermit })
    await expect(connection.write('create', create)).rejects.toThrow('the lock is taken')
    expect(order).toEqual(['permit', 'back'])
  })
})

describe('a redirect', () => {
  const to = (url: string): Answer => answer(307, {}, { location: `${url}/somewhere/else` })

  test('keeps method, path, body and login, and later calls go there at once', async () => {
    const shard = await startServer(answer(201, { id: 'u1' }))
    const front = await startServer(to(shard.url))
    const connection = open(front.url, { hosts: [shard.url] })
    expect(await connection.write('create', create)).toMatchObject({ status: 201 })
    await connection.read('find', read)
    expect(front.received).toHaveLength(1)
    expect(shard.received).toMatchObject([
      {
        method: 'POST',
        url: '/users?probe=canary-query',
        body: JSON.stringify(create.body),
        headers: { authorization: 'Token canary-token' },
      },
      { method: 'GET', url: '/users/ada' },
    ])
    expect(connection.permits()).toBe(3)
  })

  test("to a host that is not the vendor's is not followed", async () => {
    const stranger = await startServer(answer(201))
    const front = await startServer(to(stranger.url))
    expect(await open(front.url).write('create', create)).toMatchObject({ status: 307 })
    expect(stranger.received).toHaveLength(0)
  })

  test('is followed three times, and to itself once', async () => {
    const hosts: string[] = []
    const [a, b] = [
      await startServer((response, request) => to(hosts[1] ?? '')(response, request)),
      await startServer((response, request) => to(hosts[0] ?? '')(response, request)),
    ]
    hosts.push(a.url, b.url)
    expect(await open(a.url, { hosts }).write('create', create)).toMatchObject({ status: 307 })
    expect(a.received.length + b.received.length).toBe(4)

    const own: string[] = []
    const self = await startServer((response, request) => to(own[0] ?? '')(response, request))
    own.push(self.url)
    expect(await open(self.url).write('create', create)).toMatchObject({ status: 307 })
    expect(self.received).toHaveLength(2)
  })
})
