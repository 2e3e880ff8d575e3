import type { AllowedHosts } from '@muster/contracts/allowed-hosts'
import type { CallPermit } from '@muster/contracts/http-client'
import type { Credentials } from '@muster/contracts/integrated-account'
import { credentialSecrets } from '@muster/contracts/secrets'
import { RemoteFailureError, type AccessToken, type AccountContext, type TokenAuthentication } from '../provider.ts'
import { authenticationOf } from './authentication.ts'
import { baseUrlOf, isAllowedOrigin, toOrigin } from './base-url.ts'
import { notExecuted } from './classify.ts'
import type { Exchange, ExchangeOptions } from './exchange.ts'
import { classifyTokenFailure } from './token-failure.ts'

const TOKEN_TIMEOUT_MS = 15_000
/** A token that ends sooner is renewed first, so that it does not end on the way. */
const TOKEN_MARGIN_MS = 90_000
export const USER_AGENT = 'Muster/0.1 Muster'

/**
 * Where access tokens live between calls. `renew` runs its function alone among all processes that serve the account.
 */
export interface TokenStore {
  read(): Promise<AccessToken | undefined>
  /** `run` gets the token another process may have renewed meanwhile, and the credentials as they are now. */
  renew(run: (present: AccessToken | undefined, credentials: Credentials) => Promise<AccessToken>): Promise<AccessToken>
}

export interface LoginOptions extends ExchangeOptions {
  account: AccountContext
  credentials: Credentials
  tokens: TokenStore
  allowedHosts: AllowedHosts
  /** Resolves when the account's limit leaves room for one more call; with nothing, where calls are not counted. */
  waitForPermit(signal?: AbortSignal): Promise<CallPermit | undefined>
}

interface Authorization {
  headers: Record<string, string>
  token?: AccessToken
}

/** The headers that open the account: of the credentials as they are, or of a token. */
export async function authorize(
  options: LoginOptions,
  exchange: Exchange,
  rejected: AccessToken | undefined,
): Promise<Authorization> {
  const { provider, credentials, secrets } = options
  const authentication = authenticationOf(provider, credentials.type)
  if (!authentication) throw refusal(`${provider.name} does not take credentials of type ${credentials.type}.`)
  if (authentication.kind === 'static') return { headers: authentication.toHeaders(credentials) }
  const token = await findToken(options, rejected, (present, permit) =>
    requestToken(options, exchange, { authentication, present, permit }),
  )
  secrets.add([token.value, ...(token.rotatedRefreshToken ? [token.rotatedRefreshToken] : [])])
  return { headers: authentication.toHeaders(token), token }
}

/** The stored token, or a new one where it is rejected or about to end. */
async function findToken(
  { tokens, waitForPermit, signal, now = Date.now }: LoginOptions,
  rejected: AccessToken | undefined,
  request: (credentials: Credentials, permit: CallPermit | undefined) => Promise<AccessToken>,
): Promise<AccessToken> {
  const isUsable = (token: AccessToken | undefined): token is AccessToken =>
    token !== undefined &&
    token.value !== rejected?.value &&
    (token.expiresAt === null || token.expiresAt - TOKEN_MARGIN_MS > now())
  const stored = await tokens.read()
  if (isUsable(stored)) return stored
  // Before the lock of the renewal, which a slow pace would outlast.
  const permit = await waitForPermit(signal)
  try {
    return await tokens.renew(async (other, latest) => (isUsable(other) ? other : request(latest, permit)))
  } finally {
    // Where another process renewed it, or no request came about; a permit that was used stays so.
    permit?.unused()
  }
}

interface TokenCall {
  authentication: TokenAuthentication
  present: Credentials
  permit: CallPermit | undefined
}

async function requestToken(
  options: LoginOptions,
  exchange: Exchange,
  { authentication, present, permit }: TokenCall,
): Promise<AccessToken> {
  const { provider, account, secrets, now = Date.now } = options
  secrets.add(credentialSecrets(present))
  const baseUrl = baseUrlOf(provider, account.config)
  const { url, form, headers } = await authentication.toTokenRequest(present, account, baseUrl, now())
  secrets.add(assertionsIn(form))
  checkHost(options, url, (origin = '') => `The token address ${origin} is not a host of ${provider.name}.`)
  const answer = await exchange
    .call({
      purpose: 'token',
      method: 'POST',
      url,
      headers: {
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        'user-agent': USER_AGENT,
        ...headers,
      },
      body: new URLSearchParams(form).toString(),
      timeoutMs: TOKEN_TIMEOUT_MS,
      permit,
    })
    .catch(rethrowAsNotExecuted)
  if (answer.status < 200 || answer.status > 299) throw new RemoteFailureError(classifyTokenFailure(answer), answer)
  const token = authentication.parseToken(answer.body, now())
  const isForeign = (origin = 'an address') =>
    `The token answer names ${origin}, which is not a host of ${provider.name}.`
  if (token.baseUrl) checkHost(options, token.baseUrl, isForeign)
  return token
}

function checkHost(
  { provider, account, allowedHosts }: LoginOptions,
  url: string,
  toMessage: (origin?: string) => string,
): void {
  const origin = toOrigin(url)
  if (!origin || !isAllowedOrigin(provider, origin, account.config, allowedHosts)) throw refusal(toMessage(origin))
}

const refusal = (message: string): RemoteFailureError =>
  new RemoteFailureError({ code: 'credentials_rejected', outcome: 'held', certainty: 'final', message })

function rethrowAsNotExecuted(error: unknown): never {
  throw error instanceof RemoteFailureError ? new RemoteFailureError(notExecuted(error.failure), error.response) : error
}

/** Signed for this call, they open the account for some minutes. */
const assertionsIn = (form: Record<string, string>): string[] =>
  Object.entries(form).flatMap(([name, value]) => (name.endsWith('assertion') ? [value] : []))
