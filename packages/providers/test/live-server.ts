import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { CallPermit } from '@muster/contracts/http-client'
import type { Credentials } from '@muster/contracts/integrated-account'
import { KnownSecrets } from '@muster/contracts/known-secrets'
import type { RemoteCall } from '@muster/contracts/operation'
import { credentialSecrets } from '@muster/contracts/secrets'
import { afterEach, expect } from 'vitest'
// The real client, by path: packages do not depend on each other, and what is to be tested is the two together.
import { createEgress } from '../../egress/src/egress.ts'
import { connect, type Connection } from '../src/engine/connection.ts'
import type { TokenStore } from '../src/engine/login.ts'
import type { AccessToken, Provider, RemoteFailureError, RemoteRequest } from '../src/provider.ts'
import { tinyProvider } from './tiny-directory.ts'

const closing: (() => Promise<unknown> | void)[] = []
/** Closes what was opened so far; done after each test anyway. */
export async function closeAll(): Promise<void> {
  await Promise.all(closing.splice(0).map((close) => close()))
}
afterEach(closeAll)

interface Received {
  method: string
  url: string
  headers: IncomingHttpHeaders
  body: string
}
export type Answer = (response: ServerResponse, received: Received) => void

/** A real HTTP server: gives these answers one after the other, and repeats the last. */
export async function startServer(...answers: Answer[]) {
  const received: Received[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const one = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body }
      received.push(one)
      answers[Math.min(received.length, answers.length) - 1]?.(response, one)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received }
}

export const answer =
  (status: number, body: unknown = {}, headers: Record<string, string> = {}): Answer =>
  (response) =>
    void response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
export const reset: Answer = (response) => void response.socket?.resetAndDestroy()
export const silence: Answer = () => undefined

/** Tokens of one process's memory, with the lock that the store's have. */
export function memoryTokens(
  credentials: Credentials,
  token?: AccessToken,
): TokenStore & { token: AccessToken | undefined } {
  let turn: Promise<unknown> = Promise.resolve()
  const store = {
    token,
    read: async () => store.token,
    renew: (
      run: (present: AccessToken | undefined, credentials: Credentials) => Promise<AccessToken>,
    ): Promise<AccessToken> => {
      const mine = turn.catch(() => undefined).then(async () => (store.token = await run(store.token, credentials)))
      turn = mine
      return mine
    },
  }
  return store
}

const staticCredentials: Credentials = { type: 'api_token', api_token: 'canary-token' }
export const clientCredentials: Credentials = {
  type: 'client_credentials',
  client_id: 'id',
  client_secret: 'canary-secret',
}
export const create: RemoteRequest = {
  method: 'POST',
  path: '/users',
  query: { probe: 'canary-query' },
  body: { login: 'ada', password: 'canary-password' },
}
export const read: RemoteRequest = { method: 'GET', path: '/users/ada' }

interface Options {
  provider?: Provider
  credentials?: Credentials
  tokens?: TokenStore
  hosts?: string[]
  signal?: AbortSignal
  waitForPermit?: (signal?: AbortSignal) => Promise<CallPermit | void>
  config?: Record<string, string>
}
export function open(url: string, options: Options = {}): Connection & { calls: RemoteCall[]; permits: () => number } {
  const allowedHosts = new Set([url, ...(options.hosts ?? [])].map((one) => new URL(one).host))
  const { httpFor, close } = createEgress({ allowedHosts, maxSockets: 100, nameServers: [], ports: new Set() })
  closing.push(close)
  const credentials = options.credentials ?? staticCredentials
  const calls: RemoteCall[] = []
  let permits = 0
  const connection = connect({
    provider: options.provider ?? tinyProvider,
    account: { config: { base_url: url, ...options.config }, credentialType: credentials.type },
    credentials,
    secrets: new KnownSecrets(credentialSecrets(credentials)),
    http: httpFor({ tenantId: 'tenant', laneId: 'lane' }),
    tokens: options.tokens ?? memoryTokens(credentials),
    allowedHosts,
    waitForPermit: async (signal) => {
      permits += 1
      return (await options.waitForPermit?.(signal)) ?? undefined
    },
    onCall: (call) => calls.push(call),
    ...(options.signal ? { signal: options.signal } : {}),
  })
  return { ...connection, calls, permits: () => permits }
}

export async function failureOf(call: Promise<unknown>): Promise<RemoteFailureError['failure']> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toMatchObject({ name: 'RemoteFailureError' })
  return (error as RemoteFailureError).failure
}
