import type { CallPermit } from '@muster/contracts/http-client'
import pRetry from 'p-retry'
import { RemoteFailureError, type AccessToken, type RemoteRequest, type RemoteResponse } from '../provider.ts'
import { baseUrlOf, isAllowedOrigin, toOrigin } from './base-url.ts'
import { classifyAnswer, holdFor } from './classify.ts'
import { createExchange, type Exchange } from './exchange.ts'
import { authorize, USER_AGENT, type LoginOptions } from './login.ts'
import { toUrl } from './remote-request.ts'

const MAX_REDIRECTS = 3

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
export function connect(options: LoginOptions): Connection {
  const exchange = createExchange(options)
  const route: Route = {}
  const write: Connection['write'] = (purpose, request, sending) =>
    send({ options, exchange, route }, purpose, request, sending)
  return {
    write,
    read: (purpose, request) => retryRead(() => write(purpose, request), options.signal),
    clockOffsetMs: exchange.clockOffsetMs,
  }
}

/** Where the provider wants to be called; kept for the connection. */
interface Route {
  /** Meraki's shard or Files.com's region, once the provider has named it. */
  baseUrl?: string
}

interface Line {
  options: LoginOptions
  exchange: Exchange
  route: Route
}

async function send(
  line: Line,
  purpose: string,
  request: RemoteRequest,
  sending: Sending | undefined,
): Promise<RemoteResponse> {
  const { options, exchange, route } = line
  // What cannot be encoded must fail before a permit is taken and an intent written.
  const body = request.body === undefined ? undefined : JSON.stringify(request.body)
  let rejected: AccessToken | undefined
  for (let redirects = 0; ;) {
    const { headers, token } = await authorize(options, exchange, rejected)
    const baseUrl = route.baseUrl ?? token?.baseUrl ?? baseUrlOf(options.provider, options.account.config)
    const outgoing = {
      purpose,
      method: request.method,
      url: toUrl(baseUrl, request),
      headers: headersOf(request, body, headers),
      body,
      timeoutMs: options.provider.timeoutMs,
    }
    const permit = await waitForPermit(options, sending)
    const response = await exchange.call({ ...outgoing, permit })
    const elsewhere = redirects < MAX_REDIRECTS ? redirectOf(options, route, response) : undefined
    if (elsewhere !== undefined) {
      route.baseUrl = elsewhere
      redirects += 1
    } else if (token && !rejected && isTokenRefused(options, response)) rejected = token
    else return response
    // Refused for its token or sent elsewhere, so not executed: once more.
    await sending?.takeBack()
  }
}

const headersOf = (
  { headers = {} }: RemoteRequest,
  body: string | undefined,
  authorization: Record<string, string>,
): Record<string, string> => ({
  accept: 'application/json',
  'user-agent': USER_AGENT,
  ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  ...authorization,
  ...headers,
})

async function waitForPermit(options: LoginOptions, sending: Sending | undefined): Promise<CallPermit | undefined> {
  const permit = await options.waitForPermit(options.signal)
  try {
    await sending?.begin()
    return permit
  } catch (error) {
    permit?.unused()
    throw error
  }
}

/** Another origin that the provider names, if credentials may be sent there. */
function redirectOf(
  { provider, account, allowedHosts }: LoginOptions,
  { baseUrl }: Route,
  response: RemoteResponse,
): string | undefined {
  const elsewhere = provider.toRedirect?.(response)
  const origin = elsewhere === undefined ? undefined : toOrigin(elsewhere)
  if (!origin || origin === baseUrl) return undefined
  return isAllowedOrigin(provider, origin, account.config, allowedHosts) ? origin : undefined
}

const isTokenRefused = ({ provider }: LoginOptions, response: RemoteResponse): boolean =>
  !isSuccess(response) && holdFor(classifyAnswer(provider, response)) === 'needs_reauth'

/** Transport errors and 5xx; the last answer counts. */
async function retryRead(read: () => Promise<RemoteResponse>, signal?: AbortSignal): Promise<RemoteResponse> {
  const attempt = async (): Promise<RemoteResponse> => {
    const response = await read()
    if (response.status >= 500) throw new RetryableRead(response)
    return response
  }
  const shouldRetry = ({ error }: { error: Error }): boolean =>
    error instanceof RetryableRead ||
    (error instanceof RemoteFailureError &&
      (error.failure.outcome === 'unknown' || error.failure.outcome === 'retrying') &&
      error.response === undefined)
  const timing = { retries: 2, minTimeout: 200, maxTimeout: 2_000, randomize: true }
  try {
    return await pRetry(attempt, { ...timing, shouldRetry, ...(signal ? { signal } : {}) })
  } catch (error) {
    if (error instanceof RetryableRead) return error.response
    throw error
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
