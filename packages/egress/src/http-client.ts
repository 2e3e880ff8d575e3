import { hostAndPort, type AllowedHosts } from '@muster/contracts/allowed-hosts'
import { TransportError, type HttpClient } from '@muster/contracts/http-client'
import { Agent, buildConnector, request as undiciRequest } from 'undici'
import { guardedLookup, refusePrivateLiteral } from './address-guard.ts'

/** Enough for the longest list that is read (all admins of a Meraki organization); more is broken or hostile. */
const MAX_RESPONSE_BYTES = 10 * 1024 * 1024
const CONNECT_TIMEOUT_MS = 5_000

/** Errors that can only come up before the first byte of a request is written. Everything else counts as sent. */
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EAI_NODATA', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'UND_ERR_CONNECT_TIMEOUT', 'ADDRESS_REFUSED'])

function isNotSent(code: string): boolean {
  // OpenSSL's and Node's certificate errors end the handshake, so no request went out.
  return NOT_SENT.has(code) || code.startsWith('CERT_') || code.startsWith('ERR_TLS_') || code.startsWith('ERR_SSL_') || code.startsWith('UNABLE_TO_') || code.includes('SELF_SIGNED')
}

function transportError(cause: unknown): TransportError {
  const error = cause as { name?: string; code?: unknown; errors?: { code?: unknown }[] }
  if (error?.name === 'TimeoutError' || error?.name === 'AbortError') return new TransportError(error.name === 'TimeoutError' ? 'TIMEOUT' : 'ABORTED', true, { cause })
  // Happy eyeballs wraps one error per address.
  const code = String(error?.code ?? error?.errors?.[0]?.code ?? 'UNKNOWN')
  return new TransportError(code, !isNotSent(code), { cause })
}

export interface HttpClientOptions {
  allowedHosts: AllowedHosts
}

/**
 * The only way out to addresses that tenants choose. Every connection is checked twice: the literal, and each resolved address.
 * Redirects are not followed and answers are cut off at 10 MiB; nothing is retried here.
 */
export function createHttpClient({ allowedHosts }: HttpClientOptions): { http: HttpClient; close(): Promise<void> } {
  const open = buildConnector({ timeout: CONNECT_TIMEOUT_MS })
  const guarded = buildConnector({ timeout: CONNECT_TIMEOUT_MS, lookup: guardedLookup })
  const agent = new Agent({
    maxResponseSize: MAX_RESPONSE_BYTES,
    connections: 64,
    keepAliveTimeout: 4_000,
    connect(options, callback) {
      const port = options.port || (options.protocol === 'https:' ? '443' : '80')
      if (allowedHosts.has(`${options.hostname.toLowerCase()}:${port}`)) return open(options, callback)
      try {
        refusePrivateLiteral(options.hostname)
      } catch (error) {
        return callback(error as Error, null)
      }
      guarded(options, callback)
    },
  })

  const http: HttpClient = async ({ method, url, headers, body, timeoutMs, signal }) => {
    const target = new URL(url)
    if (target.protocol !== 'https:' && !allowedHosts.has(hostAndPort(target))) throw new TransportError('ADDRESS_REFUSED', false)
    const deadline = AbortSignal.timeout(timeoutMs)
    try {
      const response = await undiciRequest(target, {
        dispatcher: agent,
        method,
        headers,
        body: body ?? null,
        signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      })
      const text = await response.body.text()
      const flat: Record<string, string> = {}
      for (const [name, value] of Object.entries(response.headers)) {
        if (value !== undefined) flat[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value
      }
      return { status: response.statusCode, headers: flat, body: text }
    } catch (cause) {
      throw deadline.aborted && !signal?.aborted ? new TransportError('TIMEOUT', true, { cause }) : transportError(cause)
    }
  }
  return { http, close: () => agent.close() }
}
