import { TransportError, type HttpResponse } from '@muster/contracts/http-client'
import { parseRetryAfter } from '@muster/contracts/retry-after'

/** What came of one attempt, as the http client gives it: an answer, or what was thrown. */
export type Exchange = { response: HttpResponse } | { error: unknown }

export interface Reply {
  /** `gone`: the receiver wants nothing more, and its endpoint is to be disabled. */
  outcome: 'delivered' | 'gone' | 'failed'
  /** Stable and short: `status_500`, `redirect`, `timeout` …; absent when delivered. */
  reason?: string
  /** Absent where no answer came. */
  statusCode?: number
  /** How long the receiver asks to be left alone. */
  retryAfterMs?: number
}

/** Total: whatever a receiver does is one of three outcomes. `now` is for dates in `Retry-After`. */
export function classifyReply(exchange: Exchange, now: number): Reply {
  if (!('response' in exchange)) return { outcome: 'failed', reason: reasonOf(exchange.error) }
  const { status, headers } = exchange.response
  if (status >= 200 && status <= 299) return { outcome: 'delivered', statusCode: status }
  if (status === 410) return { outcome: 'gone', reason: 'gone', statusCode: status }
  const retryAfterMs = parseRetryAfter(headers, now)
  // Following a redirect would send a signature to an address that no one registered.
  const reason = status >= 300 && status <= 399 ? 'redirect' : `status_${status}`
  return { outcome: 'failed', reason, statusCode: status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}

const TIMEOUTS = new Set(['TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])

/** Node's and OpenSSL's names for a handshake or a certificate that is refused. */
const TLS =
  /^(EPROTO|ERR_SSL_.*|ERR_TLS_.*|CERT_.*|CRL_.*|UNABLE_TO_.*|.*SELF_SIGNED_CERT.*|ERROR_IN_(CERT|CRL)_.*|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE)|PATH_LENGTH_EXCEEDED)$/

/**
 * The codes are undici's, the system's and OpenSSL's, and more of them come with each version: what is not known counts
 * by whether it was sent.
 */
function reasonOf(error: unknown): string {
  // Not the receiver's fault, and not known here.
  if (!(error instanceof TransportError)) return 'internal'
  const { code, isSent } = error
  if (TIMEOUTS.has(code)) return 'timeout'
  if (code === 'ADDRESS_REFUSED') return 'address_refused'
  // By us, as when a worker goes down.
  if (code === 'ABORTED') return 'aborted'
  if (code === 'ERR_INVALID_URL' || code === 'UND_ERR_INVALID_ARG') return 'invalid_request'
  if (code === 'ENOTFOUND' || code.startsWith('EAI_')) return 'name_not_resolved'
  if (TLS.test(code)) return 'tls'
  if (code.startsWith('HPE_') || code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE' || code === 'UND_ERR_HEADERS_OVERFLOW')
    return 'invalid_reply'
  return isSent ? 'connection_lost' : 'connection_failed'
}
