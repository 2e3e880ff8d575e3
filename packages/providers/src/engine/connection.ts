import type { AllowedHosts } from '@muster/contracts/allowed-hosts'
import type { CallPermit, HttpClient, HttpResponse } from '@muster/contracts/http-client'
import { TransportError } from '@muster/contracts/http-client'
import type { Credentials } from '@muster/contracts/integrated-account'
import type { KnownSecrets } from '@muster/contracts/known-secrets'
import type { RemoteCall } from '@muster/contracts/operation'
import pRetry from 'p-retry'
import { classifyAnswer, holdFor } from './classify.ts'
import { baseUrlOf, isAllowedOrigin, toOrigin } from './base-url.ts'
import {
  RemoteFailureError,
  type AccessToken,
  type AccountContext,
  type Provider,
  type RemoteFailure,
  type RemoteRequest,
  type RemoteResponse,
} from '../provider.ts'
import { toUrl } from './remote-request.ts'
import { classifyTokenFailure } from './token-failure.ts'
import { serverTime } from '@muster/contracts/retry-after'
import { blotOut, credentialSecrets, providerIdOf } from '@muster/contracts/secrets'

const TOKEN_TIMEOUT_MS = 15_000
/** A token that ends sooner is renewed first, so that it does not end on the way. */
const TOKEN_MARGIN_MS = 90_000
const MAX_REDIRECTS = 3
const USER_AGENT = 'Muster/0.1 Muster'

/**
 * Where access tokens live between calls. `renew` runs its function alone among all processes that serve the account.
 */
export interface TokenStore {
  read(): Promise<AccessToken | undefined>
  /** `run` gets the token another process may have renewed meanwhile, and the credentials as they are now. */
  renew(run: (present: AccessToken | undefined, credentials: Credentials) => Promise<AccessToken>): Promise<AccessToken>
}

export interface ConnectionOptions {
  provider: Provider
  account: AccountContext
  credentials: Credentials
  /** What must not be found in what is kept of the calls; tokens and assertions are added as they come into use. */
  secrets: KnownSecrets
  http: HttpClient
  tokens: TokenStore
  allowedHosts: AllowedHosts
  /** Resolves when the account's limit leaves room for one more call; with nothing, where nobody counts. */
  waitForPermit(signal?: AbortSignal): Promise<CallPermit | undefined>
  onCall?(call: RemoteCall): void
  signal?: AbortSignal
  /** Unix milliseconds by the clock that all workers share. */
  now?(): number
}

/** What has to be written down around the sending of a create. */
interface Sending {
  /** The permit is there and the request is about to leave. A rejection keeps it back. */
  begin(): Promise<void>
  /** The answer proves that nothing was executed, and the next sending has to wait for another permit. */
  takeBack(): Promise<void>
}

export interface Connection {
  /**
   * A call without effect: transport errors and 5xx are tried again shortly, up to three times. Answers of any status.
   */
  read(purpose: string, request: RemoteRequest): Promise<RemoteResponse>
  /**
   * The create call: sent once, whatever happens. Only an answer that proves that it was not executed (401, a redirect)
   * leads to a second sending.
   */
  write(purpose: string, request: RemoteRequest, sending?: Sending): Promise<RemoteResponse>
  /** The provider's clock less that of `now`, by its latest answer, in milliseconds. */
  clockOffsetMs(): number
}

/**
 * The only place that talks to providers. Throws `RemoteFailureError` where no answer came; an answer is the caller's
 * to classify.
 */
export function connect(options: ConnectionOptions): Connection {
  const { provider, account, secrets, http, tokens, now = Date.now } = options
  const credentials = options.credentials
  const authentication = provider.authentications[credentials.type] as
    Provider['authentications']['api_token'] | undefined
  let clockOffset = 0
  /** Meraki's shard or Files.com's region, once the provider has named it. */
  let redirectedBaseUrl: string | undefined

  async function exchange(
    purpose: string,
    method: string,
    url: string,
    headers: Record<string, string>,
    body: string | undefined,
    timeoutMs: number,
    permit: CallPermit | undefined,
  ): Promise<RemoteResponse> {
    const startedAt = performance.now()
    const call: RemoteCall = {
      purpose,
      method,
      // Its host may be the provider's word: a token's answer or a redirect names it.
      url: blotOut(withoutQuery(url), secrets),
      status: null,
      duration_ms: 0,
      provider_request_id: null,
      error: null,
    }
    try {
      const response = toRemoteResponse(
        await http({
          method,
          url,
          headers,
          timeoutMs,
          ...(body === undefined ? {} : { body }),
          ...(options.signal ? { signal: options.signal } : {}),
          ...(permit ? { onSent: permit.sent } : {}),
        }),
      )
      call.status = response.status
      const requestId = provider.toProviderRequestId?.(response) ?? response.headers['x-request-id']
      call.provider_request_id = providerIdOf(requestId, secrets) ?? null
      const receivedAt = now()
      if (response.headers.date) clockOffset = serverTime(response.headers, receivedAt) - receivedAt
      return response
    } catch (error) {
      call.error = error instanceof TransportError ? error.code : 'UNKNOWN'
      throw new RemoteFailureError(classifyTransport(error))
    } finally {
      permit?.ended()
      call.duration_ms = Math.round(performance.now() - startedAt)
      options.onCall?.(call)
    }
  }

  async function requestToken(present: Credentials, permit: CallPermit | undefined): Promise<AccessToken> {
    if (authentication?.kind !== 'token') throw new Error(`${provider.id}: ${credentials.type} needs no token`)
    secrets.add(credentialSecrets(present))
    const request = await authentication.toTokenRequest(
      present as never,
      account,
      baseUrlOf(provider, account.config),
      now(),
    )
    secrets.add(assertionsIn(request.form))
    const origin = toOrigin(request.url)
    if (!origin || !isAllowedOrigin(provider, origin, account.config, options.allowedHosts)) {
      throw new RemoteFailureError({
        code: 'credentials_rejected',
        outcome: 'held',
        certainty: 'final',
        message: `The token address ${origin ?? ''} is not a host of ${provider.name}.`,
      })
    }
    const headers = {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      'user-agent': USER_AGENT,
      ...request.headers,
    }
    const answer = await exchange(
      'token',
      'POST',
      request.url,
      headers,
      new URLSearchParams(request.form).toString(),
      TOKEN_TIMEOUT_MS,
      permit,
    ).catch(neverExecuted)
    if (answer.status < 200 || answer.status > 299) throw new RemoteFailureError(classifyTokenFailure(answer), answer)
    const token = authentication.parseToken(answer.body, now())
    if (
      token.baseUrl &&
      !isAllowedOrigin(provider, toOrigin(token.baseUrl) ?? 'http://invalid', account.config, options.allowedHosts)
    ) {
      throw new RemoteFailureError({
        code: 'credentials_rejected',
        outcome: 'held',
        certainty: 'final',
        message: `The token answer names ${toOrigin(token.baseUrl) ?? 'an address'}, which is not a host of ${provider.name}.`,
      })
    }
    return token
  }

  async function authorize(rejected?: AccessToken): Promise<{ headers: Record<string, string>; token?: AccessToken }> {
    if (!authentication)
      throw new RemoteFailureError({
        code: 'credentials_rejected',
        outcome: 'held',
        certainty: 'final',
        message: `${provider.name} does not take credentials of type ${credentials.type}.`,
      })
    if (authentication.kind === 'static') return { headers: authentication.toHeaders(credentials as never) }
    const isUsable = (token: AccessToken | undefined): token is AccessToken =>
      token !== undefined &&
      token.value !== rejected?.value &&
      (token.expiresAt === null || token.expiresAt - TOKEN_MARGIN_MS > now())
    let token = await tokens.read()
    if (!isUsable(token)) {
      // Before the lock of the renewal, which a slow pace would outlast.
      const permit = await options.waitForPermit(options.signal)
      token = await tokens.renew(async (other, latest) => {
        if (!isUsable(other)) return requestToken(latest, permit)
        permit?.unused()
        return other
      })
    }
    secrets.add([token.value, ...(token.rotatedRefreshToken ? [token.rotatedRefreshToken] : [])])
    return { headers: authentication.toHeaders(token), token }
  }

  async function waitForPermit(sending: Sending | undefined): Promise<CallPermit | undefined> {
    const permit = await options.waitForPermit(options.signal)
    try {
      await sending?.begin()
      return permit
    } catch (error) {
      permit?.unused()
      throw error
    }
  }

  async function send(purpose: string, request: RemoteRequest, sending?: Sending): Promise<RemoteResponse> {
    const body = request.body === undefined ? undefined : JSON.stringify(request.body)
    let rejected: AccessToken | undefined
    for (let redirects = 0; ;) {
      const { headers, token } = await authorize(rejected)
      const url = toUrl(redirectedBaseUrl ?? token?.baseUrl ?? baseUrlOf(provider, account.config), request)
      const permit = await waitForPermit(sending)
      const requestHeaders = {
        accept: 'application/json',
        'user-agent': USER_AGENT,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
        ...request.headers,
      }
      const response = await exchange(purpose, request.method, url, requestHeaders, body, provider.timeoutMs, permit)
      const elsewhere = provider.toRedirect?.(response)
      if (elsewhere !== undefined && redirects < MAX_REDIRECTS) {
        const origin = toOrigin(elsewhere)
        if (
          origin &&
          origin !== redirectedBaseUrl &&
          isAllowedOrigin(provider, origin, account.config, options.allowedHosts)
        ) {
          redirectedBaseUrl = origin
          redirects += 1
          await sending?.takeBack()
          continue
        }
      }
      // Refused for its token, so not executed: once more with a new one.
      if (
        token &&
        !rejected &&
        !isSuccess(response) &&
        holdFor(classifyAnswer(provider, response)) === 'needs_reauth'
      ) {
        rejected = token
        await sending?.takeBack()
        continue
      }
      return response
    }
  }

  return {
    write: send,
    read: (purpose, request) =>
      pRetry(
        async () => {
          const response = await send(purpose, request)
          if (response.status >= 500) throw new RetryableRead(response)
          return response
        },
        {
          retries: 2,
          minTimeout: 200,
          maxTimeout: 2_000,
          randomize: true,
          shouldRetry: ({ error }) =>
            error instanceof RetryableRead ||
            (error instanceof RemoteFailureError &&
              (error.failure.outcome === 'unknown' || error.failure.outcome === 'retrying') &&
              error.response === undefined),
          ...(options.signal ? { signal: options.signal } : {}),
        },
      ).catch((error: unknown) => {
        if (error instanceof RetryableRead) return error.response
        throw error
      }),
    clockOffsetMs: () => clockOffset,
  }
}

class RetryableRead extends Error {
  readonly response: RemoteResponse
  constructor(response: RemoteResponse) {
    super(`status ${response.status}`)
    this.response = response
  }
}

export const isSuccess = (response: RemoteResponse): boolean =>
  response.status >= 200 && response.status < 300 && response.isJson

function toRemoteResponse(response: HttpResponse): RemoteResponse {
  // A byte order mark before JSON was seen from gateways.
  const text = response.body.replace(/^\uFEFF/, '')
  try {
    return { status: response.status, headers: response.headers, body: JSON.parse(text), isJson: true }
  } catch {
    return { status: response.status, headers: response.headers, body: text, isJson: false }
  }
}

function classifyTransport(error: unknown): RemoteFailure {
  const code = error instanceof TransportError ? error.code : 'UNKNOWN'
  if (code === 'ADDRESS_REFUSED')
    return {
      code: 'provider_not_found',
      outcome: 'failed',
      message: "The account's base_url leads to an address that may not be called.",
    }
  if (code === 'UND_ERR_INVALID_ARG')
    return {
      code: 'credentials_rejected',
      outcome: 'held',
      certainty: 'final',
      message:
        'The credentials hold a character that no header can carry, such as a line break or a curly quote: nothing was sent.',
    }
  if (error instanceof TransportError && !error.isSent)
    return {
      code: 'provider_unavailable',
      outcome: 'retrying',
      message: `No connection to the provider (${code}).`,
    }
  if (code === 'TIMEOUT')
    return { code: 'timeout', outcome: 'unknown', message: 'The provider did not answer in time.' }
  return {
    code: 'provider_unavailable',
    outcome: 'unknown',
    message: `The connection to the provider broke before an answer came (${code}).`,
  }
}

/** A call that creates nothing has no unknown outcome. */
function neverExecuted(error: unknown): never {
  if (error instanceof RemoteFailureError && error.failure.outcome === 'unknown')
    throw new RemoteFailureError({ ...error.failure, outcome: 'retrying' })
  throw error
}

/** Signed for this call, they open the account for some minutes. */
const assertionsIn = (form: Record<string, string>): string[] =>
  Object.entries(form).flatMap(([name, value]) => (name.endsWith('assertion') ? [value] : []))

/** Queries can hold e-mail addresses, and `remote_query` anything. */
function withoutQuery(url: string): string {
  return url.split('?')[0] ?? url
}
