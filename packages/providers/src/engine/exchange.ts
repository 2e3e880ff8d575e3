import type { CallPermit, HttpClient, HttpResponse } from '@muster/contracts/http-client'
import { TransportError } from '@muster/contracts/http-client'
import type { KnownSecrets } from '@muster/contracts/known-secrets'
import type { RemoteCall } from '@muster/contracts/operation'
import { serverTime } from '@muster/contracts/retry-after'
import { blotOut, providerIdOf } from '@muster/contracts/secrets'
import { RemoteFailureError, type Provider, type RemoteFailure, type RemoteResponse } from '../provider.ts'

export interface ExchangeOptions {
  provider: Provider
  /** What must not be found in what is kept of the calls; tokens and assertions are added as they come into use. */
  secrets: KnownSecrets
  http: HttpClient
  onCall?(call: RemoteCall): void
  signal?: AbortSignal
  /** Unix milliseconds by the clock that all workers share. */
  now?(): number
}

interface OutgoingCall {
  purpose: string
  method: string
  url: string
  headers: Record<string, string>
  body: string | undefined
  timeoutMs: number
  permit: CallPermit | undefined
}

export interface Exchange {
  /** One request and its answer; throws `RemoteFailureError` where none came. */
  call(outgoing: OutgoingCall): Promise<RemoteResponse>
  /** The provider's clock less that of `now`, by its latest answer, in milliseconds. */
  clockOffsetMs(): number
}

export function createExchange(options: ExchangeOptions): Exchange {
  const { http, signal, onCall, now = Date.now } = options
  let clockOffset = 0
  return {
    async call({ purpose, permit, ...request }) {
      const startedAt = performance.now()
      const record = recordOf(purpose, request, options.secrets)
      try {
        const response = toRemoteResponse(
          await http({
            ...withoutUndefined(request),
            ...(signal ? { signal } : {}),
            ...(permit ? { onSent: permit.sent } : {}),
          }),
        )
        record.status = response.status
        record.provider_request_id = requestIdOf(options, response)
        const receivedAt = now()
        if (response.headers.date) clockOffset = serverTime(response.headers, receivedAt) - receivedAt
        return response
      } catch (error) {
        record.error = error instanceof TransportError ? error.code : 'UNKNOWN'
        throw new RemoteFailureError(classifyTransport(error))
      } finally {
        permit?.ended()
        record.duration_ms = Math.round(performance.now() - startedAt)
        onCall?.(record)
      }
    },
    clockOffsetMs: () => clockOffset,
  }
}

const withoutUndefined = ({ body, ...request }: Omit<OutgoingCall, 'purpose' | 'permit'>) => ({
  ...request,
  ...(body === undefined ? {} : { body }),
})

function recordOf(
  purpose: string,
  { method, url }: { method: string; url: string },
  secrets: KnownSecrets,
): RemoteCall {
  return {
    purpose,
    method,
    // Its host may be the provider's word: a token's answer or a redirect names it. Queries can hold e-mail addresses,
    // and `remote_query` anything.
    url: blotOut(url.split('?')[0] ?? url, secrets),
    status: null,
    duration_ms: 0,
    provider_request_id: null,
    error: null,
  }
}

function requestIdOf({ provider, secrets }: ExchangeOptions, response: RemoteResponse): string | null {
  const id = provider.toProviderRequestId?.(response) ?? response.headers['x-request-id']
  return providerIdOf(id, secrets) ?? null
}

function toRemoteResponse({ status, headers, body }: HttpResponse): RemoteResponse {
  // A byte order mark before JSON was seen from gateways.
  const text = body.replace(/^\uFEFF/, '')
  try {
    return { status, headers, body: JSON.parse(text), isJson: true }
  } catch {
    return { status, headers, body: text, isJson: false }
  }
}

function classifyTransport(error: unknown): RemoteFailure {
  const code = error instanceof TransportError ? error.code : 'UNKNOWN'
  if (code === 'ADDRESS_REFUSED') {
    const message = "The account's base_url leads to an address that may not be called."
    return { code: 'provider_not_found', outcome: 'failed', message }
  }
  if (code === 'UND_ERR_INVALID_ARG') {
    const message =
      'The credentials hold a character that no header can carry, such as a line break or a curly quote: nothing was sent.'
    return { code: 'credentials_rejected', outcome: 'held', certainty: 'final', message }
  }
  if (error instanceof TransportError && !error.isSent) {
    const message = `No connection to the provider (${code}).`
    return { code: 'provider_unavailable', outcome: 'retrying', message }
  }
  if (code === 'TIMEOUT')
    return { code: 'timeout', outcome: 'unknown', message: 'The provider did not answer in time.' }
  const message = `The connection to the provider broke before an answer came (${code}).`
  return { code: 'provider_unavailable', outcome: 'unknown', message }
}
