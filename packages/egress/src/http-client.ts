import { hostAndPort, type AllowedHosts } from '@muster/contracts/allowed-hosts'
import { TransportError, type HttpClient, type HttpResponse } from '@muster/contracts/http-client'
import { Agent, buildConnector, request as undiciRequest, type Dispatcher } from 'undici'
import { AddressRefusedError, guardLookup, refusePrivateLiteral, systemLookup, type Lookup } from './address-guard.ts'
import { readUpTo } from './partial-body.ts'

/** Enough for the longest list that is read (all admins of a Meraki organization); more is broken or hostile. */
const MAX_RESPONSE_BYTES = 10 * 1024 * 1024
const CONNECT_TIMEOUT_MS = 5_000

export interface HttpClientOptions {
  allowedHosts: AllowedHosts
  /** Whom names are asked of; tests bring their own. What it answers is checked like any answer. */
  lookup?: Lookup
}

/** What undici and the URL parser refuse before anything is opened: a header value with a line break, say. */
const REFUSED_AT_HOME = new Set(['UND_ERR_INVALID_ARG', 'ERR_INVALID_URL', 'ADDRESS_REFUSED'])

/**
 * The only way out to addresses that tenants choose. Every connection is checked twice: the literal, and each resolved
 * address. Redirects are not followed and answers are cut off at 10 MiB; nothing is retried here.
 */
export function createHttpClient({ allowedHosts, lookup = systemLookup }: HttpClientOptions): {
  http: HttpClient
  close(): Promise<void>
} {
  const open = buildConnector({ timeout: CONNECT_TIMEOUT_MS })
  const guarded = buildConnector({ timeout: CONNECT_TIMEOUT_MS, lookup: guardLookup(lookup) })
  /**
   * Errors of opening a connection, handshake included: the only ones that prove that nothing was sent. A list of
   *   codes cannot tell:
   * EHOSTUNREACH, ETIMEDOUT and TLS alerts come up on open connections too.
   */
  const connectErrors = new WeakSet<Error>()
  const agent = new Agent({
    maxResponseSize: MAX_RESPONSE_BYTES,
    connections: 64,
    keepAliveTimeout: 4_000,
    connect(options, callback) {
      const report: buildConnector.Callback = (...args) => {
        if (args[0]) connectErrors.add(args[0])
        callback(...args)
      }
      const port = options.port || (options.protocol === 'https:' ? '443' : '80')
      // undici takes the brackets off.
      const host = options.hostname.includes(':') ? `[${options.hostname}]` : options.hostname.toLowerCase()
      if (allowedHosts.has(`${host}:${port}`)) return open(options, report)
      try {
        refusePrivateLiteral(options.hostname)
      } catch (error) {
        return report(error as Error, null)
      }
      guarded(options, report)
    },
  })

  function toTransportError(cause: unknown): TransportError {
    const error = cause as { name?: string; code?: unknown; errors?: { code?: unknown }[] }
    // Happy eyeballs wraps one error per address.
    // undici's parser has a code for some answers that are no HTTP, and none for others.
    const code = String(
      error?.code ?? error?.errors?.[0]?.code ?? (error?.name === 'HTTPParserError' ? 'HPE_INVALID' : 'UNKNOWN'),
    )
    const isSent = !(cause instanceof Error && connectErrors.has(cause)) && !REFUSED_AT_HOME.has(code)
    return new TransportError(code, isSent, { cause })
  }

  const http: HttpClient = async ({ method, url, headers, body, timeoutMs, readAtMostBytes, signal, onSent }) => {
    if (signal?.aborted) throw new TransportError('ABORTED', false)
    const deadline = AbortSignal.timeout(timeoutMs)
    const isTimeout = (cause: unknown): boolean =>
      deadline.aborted || (cause as { code?: unknown } | null)?.code === 'UND_ERR_BODY_TIMEOUT'
    try {
      const target = new URL(url)
      if (target.protocol !== 'https:' && !allowedHosts.has(hostAndPort(target)))
        throw new AddressRefusedError(`${target.protocol}//${target.host} is not over https`)
      const response = await undiciRequest(target, {
        dispatcher: onSent ? agent.compose(tellWhenSent(onSent)) : agent,
        method,
        headers,
        body: body ?? null,
        signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      })
      const content: Pick<HttpResponse, 'body' | 'isTruncated'> =
        readAtMostBytes === undefined
          ? { body: await response.body.text() }
          : await readUpTo(response.body, readAtMostBytes, (cause) => !signal?.aborted && isTimeout(cause))
      const flat: Record<string, string> = {}
      for (const [name, value] of Object.entries(response.headers)) {
        if (value !== undefined) flat[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value
      }
      return { status: response.statusCode, headers: flat, ...content }
    } catch (cause) {
      if (signal?.aborted) throw new TransportError('ABORTED', true, { cause })
      throw deadline.aborted ? new TransportError('TIMEOUT', true, { cause }) : toTransportError(cause)
    }
  }
  return { http, close: () => agent.close() }
}

/** undici starts a request when it has a connection for it. */
function tellWhenSent(onSent: () => void): Dispatcher.DispatcherComposeInterceptor {
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
