import { setMaxListeners } from 'node:events'
import { hostAndPort, type AllowedHosts } from '@muster/contracts/allowed-hosts'
import { TransportError, type HttpClient, type HttpRequest, type HttpResponse } from '@muster/contracts/http-client'
import { buildConnector, type Client, type Dispatcher } from 'undici'
import { AddressRefusedError, guardLookup, refusePrivateLiteral, type Lookup } from './address-guard.ts'
import { readUpTo } from './partial-body.ts'
import { isAllowedPort, type Ports } from './ports.ts'
import { Sockets, type Caller } from './sockets.ts'

/** Enough for the longest list that is read (all admins of a Meraki organization); more is broken or hostile. */
const MAX_RESPONSE_BYTES = 10 * 1024 * 1024
/** For the name, the connection and the handshake. */
const CONNECT_TIMEOUT_MS = 5_000
/** For one of the lane's connections to become free. */
const SOCKET_WAIT_MS = 10_000
/** As many as an account may have operations side by side, so that a lane waits for none of its own. */
const SOCKETS_PER_LANE = 100
/** As long as the usual pause between two calls of a busy lane; idle connections are a cost at both ends. */
const IDLE_MS = 4_000

export interface HttpClientsOptions {
  allowedHosts: AllowedHosts
  /** Further ports below 1024 that may be called. */
  ports: Ports
  maxSockets: number
  /** Whom names are asked of. What it answers is checked like any answer. */
  lookupFor(tenantId: string): Lookup
  /** The same, for names of `allowedHosts`, which are not checked. */
  lookupOfAllowed(tenantId: string): Lookup
}

export interface HttpClients {
  httpFor(caller: Caller): HttpClient
  /** Connections that are open, in use or idle. */
  openSockets(): number
  close(): Promise<void>
}

/**
 * The only way out to addresses that tenants choose. Every connection is checked twice: the literal, and each resolved
 * address. Redirects are not followed and answers are cut off at 10 MiB; nothing is retried here.
 */
export function createHttpClients(options: HttpClientsOptions): HttpClients {
  const sockets = new Sockets({
    perLane: SOCKETS_PER_LANE,
    total: options.maxSockets,
    idleMs: IDLE_MS,
    maxResponseBytes: MAX_RESPONSE_BYTES,
    connectorFor: ({ tenantId }) => guardedConnector(options.allowedHosts, options, tenantId),
  })
  return {
    httpFor: (caller) => async (request) => {
      const limits = new CallLimits(request.signal)
      let socket
      let isReusable = false
      try {
        const target = checkedOrigin(request.url, options)
        limits.allow(SOCKET_WAIT_MS, 'NO_FREE_CONNECTION')
        socket = await sockets.take(caller, target.origin, limits.signal)
        const response = await send(socket.client, target, request, limits)
        isReusable = !response.isTruncated
        return response
      } catch (cause) {
        throw new TransportError(limits.code ?? codeOf(cause), limits.isSent, { cause })
      } finally {
        limits.end()
        socket?.giveBack(isReusable)
      }
    },
    openSockets: () => sockets.size,
    close: () => sockets.close(),
  }
}

function checkedOrigin(url: string, { allowedHosts, ports }: HttpClientsOptions): URL {
  const target = new URL(url)
  if (allowedHosts.has(hostAndPort(target))) return target
  if (target.protocol !== 'https:')
    throw new AddressRefusedError(`${target.protocol}//${target.host} is not over https`)
  if (!isAllowedPort(target, ports)) throw new AddressRefusedError(`${target.port} is not an allowed port`)
  return target
}

async function send(client: Client, target: URL, request: HttpRequest, limits: CallLimits): Promise<HttpResponse> {
  const { method, headers, body, timeoutMs, readAtMostBytes } = request
  limits.allow(Math.min(CONNECT_TIMEOUT_MS, timeoutMs), 'CONNECT_TIMEOUT')
  // undici heeds the signal only once it has a connection.
  limits.signal.addEventListener('abort', () => void client.destroy().catch(() => undefined), { once: true })
  const onSent = (): void => {
    limits.sent(timeoutMs)
    request.onSent?.()
  }
  const response = await client.compose(whenSent(onSent)).request({
    origin: target.origin,
    path: target.pathname + target.search,
    method: method as Dispatcher.HttpMethod,
    headers,
    body: body ?? null,
    signal: limits.signal,
  })
  const content =
    readAtMostBytes === undefined
      ? { body: await response.body.text() }
      : await readUpTo(response.body, readAtMostBytes, () => limits.code === 'TIMEOUT')
  return { status: response.statusCode, headers: flatten(response.headers), ...content }
}

/**
 * The clocks of one call. Until it has a connection nothing can have been sent, and only from then on its own time
 * runs: a call that waits for others is not slow.
 */
class CallLimits {
  readonly #ending = new AbortController()
  readonly #caller: AbortSignal | undefined
  #timer: NodeJS.Timeout | undefined
  /** Why the call was ended from this side. */
  code: string | undefined
  isSent = false

  constructor(caller: AbortSignal | undefined) {
    this.#caller = caller
    if (!caller) return
    if (caller.aborted) this.#stop('ABORTED')
    // One signal may stop all calls of a lane.
    setMaxListeners(0, caller)
    caller.addEventListener('abort', this.#abort, { once: true })
  }

  get signal(): AbortSignal {
    return this.#ending.signal
  }

  allow(ms: number, code: string): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#stop(code), ms)
  }

  sent(timeoutMs: number): void {
    this.isSent = true
    this.allow(timeoutMs, 'TIMEOUT')
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#caller?.removeEventListener('abort', this.#abort)
  }

  readonly #abort = (): void => this.#stop('ABORTED')

  #stop(code: string): void {
    this.code ??= code
    this.#ending.abort()
  }
}

function guardedConnector(
  allowedHosts: AllowedHosts,
  { lookupFor, lookupOfAllowed }: Pick<HttpClientsOptions, 'lookupFor' | 'lookupOfAllowed'>,
  tenantId: string,
): buildConnector.connector {
  const open = buildConnector({
    timeout: CONNECT_TIMEOUT_MS,
    lookup: guardLookup(lookupOfAllowed(tenantId), () => true),
  })
  const guarded = buildConnector({ timeout: CONNECT_TIMEOUT_MS, lookup: guardLookup(lookupFor(tenantId)) })
  return (options, callback) => {
    const port = options.port || (options.protocol === 'https:' ? '443' : '80')
    // undici takes the brackets off.
    const host = options.hostname.includes(':') ? `[${options.hostname}]` : options.hostname.toLowerCase()
    if (allowedHosts.has(`${host}:${port}`)) return open(options, callback)
    try {
      refusePrivateLiteral(options.hostname)
    } catch (error) {
      return callback(error as Error, null)
    }
    guarded(options, callback)
  }
}

function flatten(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  const flat: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value
  }
  return flat
}

function codeOf(cause: unknown): string {
  const error = cause as { name?: string; code?: unknown; errors?: { code?: unknown }[] }
  // Happy eyeballs wraps one error per address.
  // undici's parser has a code for some answers that are no HTTP, and none for others.
  return String(
    error?.code ?? error?.errors?.[0]?.code ?? (error?.name === 'HTTPParserError' ? 'HPE_INVALID' : 'UNKNOWN'),
  )
}

/** undici starts a request when it has a connection for it: before that, not one byte has left. */
function whenSent(onSent: () => void): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) =>
    dispatch(options, {
      onRequestStart(controller, context) {
        onSent()
        handler.onRequestStart?.(controller, context)
      },
      onRequestUpgrade: (...args) => handler.onRequestUpgrade?.(...args),
      onResponseStart: (...args) => handler.onResponseStart?.(...args),
      onResponseData: (...args) => handler.onResponseData?.(...args),
      onResponseEnd: (...args) => handler.onResponseEnd?.(...args),
      onResponseError: (...args) => handler.onResponseError?.(...args),
    })
}
