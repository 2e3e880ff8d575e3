import { createPublicKey, randomBytes } from 'node:crypto'
import type { JWTPayload } from 'jose'
import { decodeJwt, errors, jwtVerify } from 'jose'
import type { VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import { JSON_TYPE } from './answers.ts'
import type { GoogleWorkspaceSettings } from './settings.ts'

/** The audience that Google's own client always signs for, wherever it sends the assertion. */
const GOOGLE_TOKEN_URL = 'https://oauth2.googleapis.com/token'
const LONGEST_ASSERTION_SECONDS = 3600
/** What Google forgives between two clocks is not published. */
const CLOCK_TOLERANCE_SECONDS = 300

export interface AccessToken {
  /** Null: a service account that acts for itself. */
  readonly administrator: string | null
  readonly scopes: readonly string[]
  readonly expiresAt: number
}

const oauthError = (status: number, error: string, error_description: string): VendorResponse => ({
  status,
  headers: JSON_TYPE,
  body: { error, error_description },
})
/**
 * Of the texts in the name of invalid_grant, the one of a dead refresh token is certain; the others are commonly
 * reported.
 */
const invalidGrant = (description: string): VendorResponse => oauthError(400, 'invalid_grant', description)

type ServiceAccount = GoogleWorkspaceSettings['service_accounts'][number]

/** oauth2.googleapis.com: POST /token, for signed assertions and refresh tokens. */
export function createAccessTokens({ settings, now }: VendorContext<GoogleWorkspaceSettings>) {
  const issued = new Map<string, AccessToken>()

  function issue(token: Omit<AccessToken, 'expiresAt'>, isScopeTold: boolean): VendorResponse {
    const lifetime = settings().access_token_seconds
    const value = `ya29.${randomBytes(96).toString('base64url')}`
    issued.set(value, { ...token, expiresAt: now() + lifetime * 1000 })
    const scope = isScopeTold ? { scope: token.scopes.join(' ') } : {}
    return {
      status: 200,
      headers: JSON_TYPE,
      body: { access_token: value, expires_in: lifetime, ...scope, token_type: 'Bearer' },
    }
  }

  function findServiceAccount(assertion: string): ServiceAccount | undefined {
    try {
      const { iss } = decodeJwt(assertion)
      return settings().service_accounts.find((account) => account.client_email === iss)
    } catch {
      return undefined
    }
  }

  async function verify(
    assertion: string,
    account: ServiceAccount,
    audience: string,
  ): Promise<{ readonly payload: JWTPayload } | { readonly refusal: VendorResponse }> {
    const refuse = (description: string) => ({ refusal: invalidGrant(description) })
    const tooLong =
      'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.'
    try {
      const { payload } = await jwtVerify(assertion, createPublicKey(account.public_key), {
        algorithms: ['RS256'],
        audience: [audience, GOOGLE_TOKEN_URL],
        requiredClaims: ['exp', 'iat'],
        currentDate: new Date(now()),
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
      })
      const { exp = 0, iat = 0 } = payload
      const isTimely = exp - iat <= LONGEST_ASSERTION_SECONDS && iat <= now() / 1000 + CLOCK_TOLERANCE_SECONDS
      return isTimely ? { payload } : refuse(tooLong)
    } catch (error) {
      if (error instanceof errors.JWTExpired) return refuse(tooLong)
      if (error instanceof errors.JWTClaimValidationFailed)
        return refuse(`Invalid JWT: Failed check of ${error.claim}.`)
      return refuse('Invalid JWT Signature.')
    }
  }

  async function tradeAssertion(form: URLSearchParams, audience: string): Promise<VendorResponse> {
    const assertion = form.get('assertion') ?? ''
    const account = findServiceAccount(assertion)
    if (account === undefined) return invalidGrant('Invalid grant: account not found')
    const verified = await verify(assertion, account, audience)
    if ('refusal' in verified) return verified.refusal
    const { payload } = verified
    const wanted = (typeof payload['scope'] === 'string' ? payload['scope'] : '')
      .split(' ')
      .filter((scope) => scope !== '')
    if (wanted.length === 0)
      return oauthError(400, 'invalid_scope', 'Invalid OAuth scope or ID token audience provided.')
    const subject = payload.sub?.toLowerCase()
    if (subject === undefined || subject === account.client_email)
      return issue({ administrator: null, scopes: wanted }, false)
    // All or nothing: one scope that is not delegated refuses the whole.
    if (!wanted.every((scope) => account.scopes.includes(scope))) {
      return oauthError(
        401,
        'unauthorized_client',
        'Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested.',
      )
    }
    if (!settings().administrators.some(({ email }) => email === subject))
      return invalidGrant('Invalid email or User ID')
    return issue({ administrator: subject, scopes: wanted }, false)
  }

  function tradeRefreshToken(form: URLSearchParams): VendorResponse {
    const client = settings().oauth_clients.find(({ client_id }) => client_id === form.get('client_id'))
    if (client === undefined) return oauthError(401, 'invalid_client', 'The OAuth client was not found.')
    if (client.client_secret !== form.get('client_secret'))
      return oauthError(401, 'invalid_client', 'The provided client secret is invalid.')
    const grant = client.refresh_tokens.find(({ refresh_token }) => refresh_token === form.get('refresh_token'))
    // Not rotated: the same refresh token stays valid.
    return grant === undefined ? invalidGrant('Token has been expired or revoked.') : issue(grant, true)
  }

  return {
    find: (token: string): AccessToken | undefined => issued.get(token),
    async trade(request: VendorRequest): Promise<VendorResponse> {
      const form = new URLSearchParams(request.body)
      switch (form.get('grant_type')) {
        case 'urn:ietf:params:oauth:grant-type:jwt-bearer':
          return await tradeAssertion(form, `${request.baseUrl}${request.path}`)
        case 'refresh_token':
          return tradeRefreshToken(form)
        default:
          return oauthError(400, 'unsupported_grant_type', `Invalid grant_type: ${form.get('grant_type') ?? ''}`)
      }
    },
  }
}
export type AccessTokens = ReturnType<typeof createAccessTokens>
