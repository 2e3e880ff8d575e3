import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { TransportError } from '@muster/contracts/http-client'
import { buildConnector } from 'undici'
import { afterEach, describe, expect, test } from 'vitest'
import type { Lookup } from './address-guard.ts'
import { createHttpClients } from './http-client.ts'
import { createResolver } from './resolver.ts'
import { Sockets } from './sockets.ts'

const closing: (() => unknown)[] = []
afterEach(async () => void (await Promise.all(closing.splice(0).map((close) => close()))))

/** Answers `/`, and holds every call to `/hang` until it is released. */
async function startServer() {
  const held: ServerResponse[] = []
  const open = new Set<Socket>()
  let most = 0
  let arrived = (): void => undefined
  const server = createServer((request, response) => {
    if (request.url !== '/hang') return void response.end('{}')
    held.push(response)
    arrived()
  })
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    most = Math.max(most, open.size)
    socket.on('error', () => undefined)
    socket.once('close', () => open.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    open,
    mostOpen: () => most,
    release: () => held.shift()?.end('{}'),
    /** Resolves when so many calls hang here. */
    hanging: async (count: number): Promise<void> => {
      while (held.length < count) await new Promise<void>((resolve) => (arrived = resolve))
    },
  }
}

function clientsOf(url: string, maxSockets: number, lookup?: Lookup) {
  const clients = createHttpClients({
    allowedHosts: new Set([new URL(url).host]),
    maxSockets,
    ports: new Set(),
    ...createResolver(),
    ...(lookup ? { lookupFor: () => lookup } : {}),
  })
  closing.push(clients.close)
  const call = (
    laneId: string,
    path: string,
    more: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<string> =>
    clients
      .httpFor({ tenantId: laneId, laneId })({
        method: 'POST',
        url: new URL(path, url).href,
        headers: {},
        body: '{}',
        timeoutMs: 20_000,
        ...more,
      })
      .then(
        ({ status }) => String(status),
        (error: unknown) =>
          error instanceof TransportError ? `${error.code} ${error.isSent ? 'sent' : 'not sent'}` : String(error),
      )
  return { call, openSockets: clients.openSockets }
}

describe('calls of several lanes to one origin', () => {
  test('do not wait for those of a lane whose calls hang', async () => {
    const server = await startServer()
    const { call } = clientsOf(server.url, 1_000)
    const giveUp = new AbortController()
    const slow = Array.from({ length: 80 }, () => call('slow', '/hang', { signal: giveUp.signal }))
    await server.hanging(80)
    expect(await call('other', '/', { timeoutMs: 2_000 })).toBe('200')
    giveUp.abort()
    expect(new Set(await Promise.all(slow))).toEqual(new Set(['ABORTED sent']))
  })

  test('find room where one lane has taken all it can', async () => {
    const server = await startServer()
    const { call, openSockets } = clientsOf(server.url, 8)
    const giveUp = new AbortController()
    const slow = Array.from({ length: 30 }, () => call('slow', '/hang', { signal: giveUp.signal }))
    await server.hanging(5)
    for (const lane of ['a', 'b', 'c', 'd', 'e']) expect(await call(lane, '/')).toBe('200')
    expect(openSockets()).toBeLessThanOrEqual(8)
    giveUp.abort()
    const ends = await Promise.all(slow)
    expect(ends.filter((end) => end === 'ABORTED sent')).toHaveLength(5)
    expect(ends.filter((end) => end === 'ABORTED not sent')).toHaveLength(25)
  })

  test('are held on as many connections as are allowed, however many lanes there are', async () => {
    const server = await startServer()
    const { call, openSockets } = clientsOf(server.url, 4)
    await Promise.all(
      Array.from({ length: 200 }, async (_, lane) => expect(await call(`lane-${lane}`, '/')).toBe('200')),
    )
    expect(openSockets()).toBeLessThanOrEqual(4)
  })
})

describe('the time of a call', () => {
  test('does not run while it waits for a connection', async () => {
    const server = await startServer()
    const { call } = clientsOf(server.url, 2)
    const holding = [call('lane', '/hang'), call('lane', '/hang')]
    await server.hanging(2)
    const waiting = call('lane', '/', { timeoutMs: 300 })
    await new Promise((resolve) => setTimeout(resolve, 600))
    server.release()
    expect(await waiting).toBe('200')
    server.release()
    expect(await Promise.all(holding)).toEqual(['200', '200'])
  })

  test('runs out before it was sent where no connection opens: that is not sent', async () => {
    const { call } = clientsOf('http://127.0.0.1:1', 2, () => undefined)
    expect(await call('lane', 'https://silent.example/', { timeoutMs: 50 })).toBe('CONNECT_TIMEOUT not sent')
  })

  test('is given up by its caller while the name is looked up: not sent, and at once', async () => {
    const caller = new AbortController()
    // The look-up never ends, so that only the abort can end the call.
    const { call } = clientsOf('http://127.0.0.1:1', 2, () => caller.abort())
    expect(await call('lane', 'https://silent.example/', { signal: caller.signal })).toBe('ABORTED not sent')
  })
})

describe('a connection', () => {
  const socketsFor = (idleMs: number): Sockets => {
    const sockets = new Sockets({
      perLane: 2,
      total: 3,
      idleMs,
      maxResponseBytes: 1_000,
      connectorFor: () => buildConnector({ timeout: 1_000 }),
    })
    closing.push(() => sockets.close())
    return sockets
  }
  const use = async (sockets: Sockets, laneId: string, origin: string): Promise<void> => {
    const { client, giveBack } = await sockets.take({ tenantId: 't', laneId }, origin, AbortSignal.timeout(5_000))
    await (await client.request({ method: 'GET', path: '/' })).body.text()
    giveBack(true)
  }

  test('serves the next call of its lane, and no other lane', async () => {
    const server = await startServer()
    const sockets = socketsFor(5_000)
    await use(sockets, 'a', server.url)
    await use(sockets, 'a', server.url)
    expect(server.mostOpen()).toBe(1)
    await use(sockets, 'b', server.url)
    expect(server.mostOpen()).toBe(2)
  })

  test('is closed and forgotten when it is idle', async () => {
    const server = await startServer()
    const sockets = socketsFor(50)
    await use(sockets, 'a', server.url)
    const [socket] = server.open
    if (socket && !socket.destroyed) await once(socket, 'close')
    expect(sockets.size).toBe(0)
  })

  test('makes room for one of another origin of the same lane, and of another lane', async () => {
    const [one, two, three] = await Promise.all([startServer(), startServer(), startServer()])
    const sockets = socketsFor(5_000)
    for (const { url } of [one, two, three, one]) await use(sockets, 'a', url)
    expect(sockets.size).toBe(2)
    for (const lane of ['b', 'c', 'd']) await use(sockets, lane, one.url)
    expect(sockets.size).toBe(3)
  })
})
