import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { eventually } from './harness.ts'

// The published libraries decide whether a signature is right, not our own code.
const libraries = [Webhook, SvixWebhook]

export interface Received {
  path: string
  id: string
  /** Unix milliseconds of its arrival. */
  at: number
  headers: Record<string, string>
  body: string
  event: {
    id: string
    type: string
    timestamp: string
    sequence: number
    version: number
    data: Record<string, unknown>
  }
  /** What was answered; null when the connection was left or cut. */
  status: number | null
}

/** Answers one delivery; returning nothing leaves the connection to it. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse, received: Received) => void

export type Receiver = Awaited<ReturnType<typeof startReceiver>>

export const answer =
  (status: number, headers: Record<string, string> = {}, body = ''): Behaviour =>
  (_, response) =>
    void response.writeHead(status, headers).end(body)

/** A webhook receiver on loopback that keeps a ledger of all it was sent. */
export async function startReceiver() {
  const ledger: Received[] = []
  const sockets = new Set<Socket>()
  let behave: Behaviour = answer(204)
  const behaveAt = new Map<string, Behaviour>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
      const received: Received = {
        path: request.url ?? '',
        id: headers['webhook-id'] ?? '',
        at: Date.now(),
        headers,
        body,
        event: JSON.parse(body || '{}') as Received['event'],
        status: null,
      }
      ledger.push(received)
      response.once('finish', () => (received.status = response.statusCode))
      ;(behaveAt.get(received.path) ?? behave)(request, response, received)
    })
    request.on('error', () => undefined)
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('error', () => undefined))
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    host: `127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}/hook`,
    ledger,
    /** From now on; with a path, only there. */
    behave: (next: Behaviour, path?: string): void => {
      if (path === undefined) behave = next
      else behaveAt.set(path, next)
    },
    at: (path: string): Received[] => ledger.filter((received) => received.path === path),
    /** Whether both libraries verify it with this secret; throws what the one that does not says. */
    verify: (received: Received, secret: string): void =>
      libraries.forEach((Library) => void new Library(secret).verify(received.body, received.headers)),
    /** Whether neither of them does. */
    isRefused: (received: Received, secret: string): boolean =>
      libraries.every((Library) => {
        try {
          new Library(secret).verify(received.body, received.headers)
          return false
        } catch {
          return true
        }
      }),
    /** Resolves with what fits, once there are so many of it. */
    until: (test: (received: Received) => boolean, count = 1, timeoutMs = 20_000): Promise<Received[]> =>
      eventually(
        async () => ledger.filter(test),
        (fitting) => fitting.length >= count,
        timeoutMs,
      ),
    close: async (): Promise<void> => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
