import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HttpRequest, TransportError } from '@muster/contracts/http-client'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Lookup } from './address-guard.ts'
import { createHttpClients } from './http-client.ts'
import { createResolver } from './resolver.ts'

const closing: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  await Promise.all(closing.splice(0).map((close) => close()))
})

async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => undefined)))
  server.listen(0, host)
  await once(server, 'listening')
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A server that handles each connection's bytes as the test says, and one client that may reach it. */
async function rawServer(onData: (socket: Socket, count: number) => void): Promise<Client & { requests(): number }> {
  let count = 0
  const port = await listen(createServer((socket) => socket.on('data', () => onData(socket, (count += 1)))))
  return { ...clientFor(port), requests: () => count }
}
const httpServer = async (listener: RequestListener): Promise<Client> =>
  clientFor(await listen(createHttpServer(listener)))

type Client = ReturnType<typeof clientFor>
function clientFor(port: number, scheme = 'http', host = '127.0.0.1', lookup?: Lookup) {
  const { httpFor, close } = createHttpClients({
    allowedHosts: new Set([`${host}:${port}`]),
    maxSockets: 100,
    ports: new Set(),
    ...createResolver(),
    ...(lookup ? { lookupFor: () => lookup } : {}),
  })
  closing.push(close)
  const http = httpFor({ tenantId: 'tenant', laneId: 'lane' })
  return {
    call: (more: Partial<HttpRequest> = {}) =>
      http({
        method: 'POST',
        url: `${scheme}://${host}:${port}/users`,
        headers: { accept: 'application/json' },
        body: '{}',
        timeoutMs: 5_000,
        ...more,
      }),
    port,
  }
}

/** How a call failed: its code and whether anything may have arrived. */
async function failureOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
  } catch (error) {
    expect(error).toMatchObject({ name: 'TransportError' })
    const { code, isSent } = error as TransportError
    return `${code} ${isSent ? 'sent' : 'not sent'}`
  }
  throw new Error('it was answered')
}

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\n{}'

describe('an exchange', () => {
  test('brings the method, headers and body there, and the whole answer back', async () => {
    const client = await httpServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () =>
        response
          .writeHead(201, { 'X-Request-Id': 'r-1', 'set-cookie': ['a=1', 'b=2'] })
          .end(`${request.method} ${request.url} ${request.headers.accept} ${body} ü`),
      )
    })
    expect(await client.call()).toMatchObject({
      status: 201,
      headers: { 'x-request-id': 'r-1', 'set-cookie': 'a=1, b=2' },
      body: 'POST /users application/json {} ü',
    })
  })

  test('reports when it has left: once, before it is answered, and never without a connection', async () => {
    const order: string[] = []
    const { call } = await httpServer((_, response) => {
      order.push('arrived')
      response.end('{}')
    })
    await call({ onSent: () => order.push('sent') }).then(() => order.push('answered'))
    await call({ onSent: () => order.push('sent') }).then(() => order.push('answered'))
    expect(order).toEqual(['sent', 'arrived', 'answered', 'sent', 'arrived', 'answered'])
    const onSent = vi.fn()
    const gone = createServer()
    const port = await listen(gone)
    gone.close()
    await once(gone, 'close')
    expect(await failureOf(clientFor(port).call({ onSent }))).toBe('ECONNREFUSED not sent')
    expect(onSent).not.toHaveBeenCalled()
  })

  test('does not follow a redirect', async () => {
    let requests = 0
    const client = await httpServer((_, response) => {
      requests += 1
      response.writeHead(307, { location: '/elsewhere' }).end()
    })
    expect(await client.call()).toMatchObject({ status: 307, headers: { location: '/elsewhere' } })
    expect(requests).toBe(1)
  })

  test('reaches an allowed host by IPv6', async () => {
    const server = createHttpServer((_, response) => response.end('six'))
    const port = await listen(server, '::1').catch(() => undefined)
    if (port === undefined) return
    expect(await clientFor(port, 'http', '[::1]').call()).toMatchObject({ status: 200, body: 'six' })
  })
})

describe('addresses that are not public', () => {
  const refused = [
    '127.0.0.1',
    '[::1]',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '127.1',
    '[::ffff:127.0.0.1]',
    '0.0.0.0',
    '169.254.169.254',
    '100.64.0.1',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '[fc00::1]',
    '[fe80::1]',
    '[::127.0.0.1]',
    '１２７.０.０.１',
    'localhost',
  ]

  test.each(refused)('https://%s is refused, unsent', async (host) => {
    const server = await httpServer((_, response) => response.end())
    expect(await failureOf(server.call({ url: `https://${host}/` }))).toBe('ADDRESS_REFUSED not sent')
  })

  test('the allow-list is for the exact host and port, and no redirect widens it', async () => {
    const client = await httpServer((_, response) => response.end('reached'))
    for (const url of [
      `http://localhost:${client.port}/`,
      `http://127.0.0.2:${client.port}/`,
      `http://127.0.0.1:${client.port + 1}/`,
      `https://127.0.0.1:${client.port + 1}/`,
    ]) {
      expect(await failureOf(client.call({ url })), url).toBe('ADDRESS_REFUSED not sent')
    }
    expect((await client.call()).body).toBe('reached')
  })

  test('plain http is refused wherever it leads', async () => {
    const client = await httpServer((_, response) => response.end())
    expect(await failureOf(client.call({ url: 'http://example.com/' }))).toBe('ADDRESS_REFUSED not sent')
    expect(await failureOf(client.call({ url: 'ftp://example.com/' }))).toBe('ADDRESS_REFUSED not sent')
  })

  test('a name that resolves to a private address is refused when it is connected to', async () => {
    const client = clientFor(1, 'http', '127.0.0.1', (_name, _options, callback) =>
      callback(null, [{ address: '10.1.2.3', family: 4 }]),
    )
    expect(await failureOf(client.call({ url: 'https://rebinding.example/' }))).toBe('ADDRESS_REFUSED not sent')
  })
})

describe('failures before a byte is sent', () => {
  test('nothing listens', async () => {
    const server = createServer()
    const port = await listen(server)
    server.close()
    await once(server, 'close')
    expect(await failureOf(clientFor(port).call())).toBe('ECONNREFUSED not sent')
  })

  test.each(['ENOTFOUND', 'EAI_AGAIN'])('the name leads nowhere: %s', async (code) => {
    const client = clientFor(1, 'http', '127.0.0.1', (_name, _options, callback) =>
      callback(Object.assign(new Error(code), { code }), []),
    )
    expect(await failureOf(client.call({ url: 'https://nowhere.example/' }))).toBe(`${code} not sent`)
  })

  test('a header that cannot be written, and a URL that is none', async () => {
    const client = await httpServer((_, response) => response.end())
    expect(await failureOf(client.call({ headers: { authorization: 'Bearer a\r\nb' } }))).toBe(
      'UND_ERR_INVALID_ARG not sent',
    )
    expect(await failureOf(client.call({ headers: { authorization: 'Bearer “a”' } }))).toBe(
      'UND_ERR_INVALID_ARG not sent',
    )
    expect(await failureOf(client.call({ url: 'https://' }))).toBe('ERR_INVALID_URL not sent')
  })

  test('the caller had given up already', async () => {
    const client = await httpServer((_, response) => response.end())
    expect(await failureOf(client.call({ signal: AbortSignal.abort() }))).toBe('ABORTED not sent')
  })

  test('no TLS where TLS was asked for', async () => {
    const { port } = await rawServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    expect(await failureOf(clientFor(port, 'https').call())).toMatch(/^(EPROTO|ERR_SSL_\w+) not sent$/)
  })

  test('a handshake that is cut off', async () => {
    const { port } = await rawServer((socket) => socket.resetAndDestroy())
    expect(await failureOf(clientFor(port, 'https').call())).toBe('ECONNRESET not sent')
  })

  test.skipIf(spawnSync('openssl', ['version']).status !== 0)('a certificate that no authority signed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'muster-tls-'))
    closing.push(() => rmSync(folder, { recursive: true, force: true }))
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
    const made = spawnSync('openssl', [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=127.0.0.1',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      key,
      '-out',
      certificate,
    ])
    expect(made.status).toBe(0)
    let requests = 0
    const port = await listen(
      createHttpsServer({ key: readFileSync(key), cert: readFileSync(certificate) }, () => (requests += 1)),
    )
    expect(await failureOf(clientFor(port, 'https').call())).toBe('DEPTH_ZERO_SELF_SIGNED_CERT not sent')
    expect(requests).toBe(0)
  })
})

describe('failures after which the outcome is unknown', () => {
  test('the server resets before it answers', async () => {
    const client = await rawServer((socket) => socket.resetAndDestroy())
    expect(await failureOf(client.call())).toMatch(/^(ECONNRESET|UND_ERR_SOCKET) sent$/)
    expect(client.requests()).toBe(1)
  })

  test('the server closes without an answer', async () => {
    const client = await rawServer((socket) => socket.end())
    expect(await failureOf(client.call())).toBe('UND_ERR_SOCKET sent')
    expect(client.requests()).toBe(1)
  })

  test('an answer that is not HTTP', async () => {
    expect(await failureOf((await rawServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n\r\n'))).call())).toMatch(
      /^(HPE_\w+|UNKNOWN) sent$/,
    )
  })

  test('an answer that breaks off', async () => {
    expect(
      await failureOf(
        (await rawServer((socket) => socket.end('HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{"id":'))).call(),
      ),
    ).toMatch(/ sent$/)
  })

  test('an answer that never comes', async () => {
    expect(await failureOf((await rawServer(() => undefined)).call({ timeoutMs: 100 }))).toBe('TIMEOUT sent')
  })

  test('an answer that drips a byte at a time: the time-out is for the whole', async () => {
    const timers = new Set<NodeJS.Timeout>()
    closing.push(() => timers.forEach(clearInterval))
    let written = 0
    const client = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n')
      timers.add(setInterval(() => socket.write('x', () => (written += 1)), 10))
    })
    expect(await failureOf(client.call({ timeoutMs: 200 }))).toBe('TIMEOUT sent')
    expect(written).toBeLessThan(100)
  })

  test('an answer larger than any list that is read', async () => {
    const client = await httpServer((_, response) => {
      const chunk = Buffer.alloc(1024 * 1024, 'x')
      const more = (): void => {
        while (!response.destroyed && response.write(chunk)) continue
        if (!response.destroyed) response.once('drain', more)
      }
      more()
    })
    expect(await failureOf(client.call())).toBe('UND_ERR_RES_EXCEEDED_MAX_SIZE sent')
  })

  test('the caller gives up while it waits', async () => {
    const caller = new AbortController()
    const client = await rawServer(() => caller.abort())
    expect(await failureOf(client.call({ signal: caller.signal }))).toBe('ABORTED sent')
  })
})

describe('an answer of which the beginning is enough', () => {
  /** Its server, and an event for each connection that the client has given up. */
  async function endless(start: string, more?: string): Promise<Client & { givenUp: Promise<void> }> {
    const timers = new Set<NodeJS.Timeout>()
    closing.push(() => timers.forEach(clearInterval))
    let resolve = (): void => undefined
    const givenUp = new Promise<void>((done) => (resolve = done))
    const client = await rawServer((socket) => {
      socket.write(start)
      if (more !== undefined) timers.add(setInterval(() => socket.write(more), 5))
      socket.once('close', () => resolve())
    })
    return { ...client, givenUp }
  }
  const HEAD = 'HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\nx-a: b\r\n\r\n'

  test('comes whole, and unmarked, where it is no longer', async () => {
    const client = await httpServer((_, response) => response.end('ab'))
    const response = await client.call({ readAtMostBytes: 2 })
    expect(response).toMatchObject({ status: 200, body: 'ab' })
    expect(response).not.toHaveProperty('isTruncated')
  })

  test('is cut off, and the connection given up', async () => {
    const client = await endless(HEAD, 'x'.repeat(1_000))
    expect(await client.call({ readAtMostBytes: 1_500 })).toEqual({
      status: 200,
      headers: { 'content-length': '1000000', 'x-a': 'b' },
      body: 'x'.repeat(1_500),
      isTruncated: true,
    })
    await client.givenUp
  })

  test('of a server that answered and drips is what had come when time was up', async () => {
    const client = await endless(HEAD, 'x')
    const response = await client.call({ readAtMostBytes: 1_000, timeoutMs: 200 })
    expect(response).toMatchObject({ status: 200, isTruncated: true })
    expect(response.body).toMatch(/^x+$/)
    await client.givenUp
  })

  test('may be no more than its status', async () => {
    const client = await endless(HEAD)
    expect(await client.call({ readAtMostBytes: 1_000, timeoutMs: 100 })).toMatchObject({
      status: 200,
      body: '',
      isTruncated: true,
    })
    await client.givenUp
  })

  test('never comes: that is a time-out, as it is while headers drip', async () => {
    expect(await failureOf((await rawServer(() => undefined)).call({ readAtMostBytes: 9, timeoutMs: 100 }))).toBe(
      'TIMEOUT sent',
    )
    expect(
      await failureOf((await endless('HTTP/1.1 200 OK\r\nx: ', 'y')).call({ readAtMostBytes: 9, timeoutMs: 100 })),
    ).toBe('TIMEOUT sent')
  })

  test('that breaks off is still none', async () => {
    expect(
      await failureOf(
        (await rawServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"id":'))).call({
          readAtMostBytes: 50,
        }),
      ),
    ).toMatch(/ sent$/)
  })

  test('is not waited for by a caller who gives up', async () => {
    const caller = new AbortController()
    const client = await rawServer((socket) => socket.write(HEAD, () => setImmediate(() => caller.abort())))
    expect(await failureOf(client.call({ readAtMostBytes: 9, signal: caller.signal }))).toBe('ABORTED sent')
  })

  test('leaves the next request a connection of its own', async () => {
    const client = await httpServer((_, response) => response.end('x'.repeat(100_000)))
    for (const _ of [1, 2, 3])
      expect(await client.call({ readAtMostBytes: 10 })).toMatchObject({ body: 'x'.repeat(10), isTruncated: true })
    expect((await client.call()).body).toHaveLength(100_000)
  })
})

describe('a kept connection', () => {
  test('that the server closes as the next request arrives: sent, and sent once', async () => {
    const client = await rawServer((socket, count) => (count === 1 ? socket.write(ANSWER) : socket.resetAndDestroy()))
    expect((await client.call()).status).toBe(200)
    expect(await failureOf(client.call())).toMatch(/^(ECONNRESET|UND_ERR_SOCKET) sent$/)
    expect(client.requests()).toBe(2)
  })

  test('that was closed while idle is not used again', async () => {
    const sockets = new Set<Socket>()
    const client = await rawServer((socket) => {
      sockets.add(socket)
      socket.write(ANSWER)
    })
    await client.call()
    const [idle] = [...sockets]
    if (!idle) throw new Error('no connection was kept')
    idle.end()
    await once(idle, 'close')
    expect((await client.call()).status).toBe(200)
    expect(sockets.size).toBe(2)
  })
})
