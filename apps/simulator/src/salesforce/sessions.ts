import { createPublicKey, randomBytes } from 'node:crypto'
import { decodeJwt, errors, jwtVerify } from 'jose'
import type { Route, VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import { invalidSession, oauthError, ok, salesforceError } from './answers.ts'
import type { Org } from './org.ts'
import { INTEGRATION_USERNAME, type SalesforceSettings } from './settings.ts'

type App = SalesforceSettings['apps'][number]
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
/** Assertions may live for three minutes; the clocks of client and vendor differ a little. */
const MAX_ASSERTION_MS = 180_000 + 30_000

/** POST /services/oauth2/token, and the sessions it opens. An access token is a session id. */
export function createSessions({ settings, now }: VendorContext<SalesforceSettings>, org: Org) {
  const sessions = new Map<string, { readonly expiresAt: number }>()
  /** Refresh tokens that were rotated away, and those that took their place, with their app's id. */
  const dead = new Set<string>()
  const rotated = new Map<string, string>()

  const secret = (prefix: string, bytes: number): string =>
    prefix + randomBytes(bytes).toString('base64url').replaceAll('-', '.')

  function open(request: VendorRequest, more: Readonly<Record<string, string>> = {}): VendorResponse {
    const token = secret(`${org.id.slice(0, 15)}!AQ`, 60)
    sessions.set(token, { expiresAt: now() + settings().session_seconds * 1000 })
    return ok({
      access_token: token,
      signature: randomBytes(32).toString('base64'),
      instance_url: request.baseUrl,
      id: `${request.baseUrl}/id/${org.id}/${org.integrationUser.id}`,
      token_type: 'Bearer',
      issued_at: String(now()),
      ...more,
    })
  }

  function refresh(request: VendorRequest, form: URLSearchParams, app: App): VendorResponse {
    const given = form.get('refresh_token') ?? ''
    const isKnown = (app.refresh_tokens.includes(given) || rotated.get(given) === app.client_id) && !dead.has(given)
    if (!isKnown) return oauthError('invalid_grant', 'expired access/refresh token')
    if (!settings().rotates_refresh_tokens) return open(request, { scope: 'refresh_token api' })
    const next = secret('5Aep861', 40)
    dead.add(given)
    rotated.set(next, app.client_id)
    return open(request, { scope: 'refresh_token api', refresh_token: next })
  }

  async function bear(request: VendorRequest, assertion: string): Promise<VendorResponse> {
    let issuer: string | undefined
    try {
      issuer = decodeJwt(assertion).iss
    } catch {
      return oauthError('invalid_grant', 'invalid assertion')
    }
    const app = settings().apps.find(({ client_id }) => client_id === issuer)
    if (app === undefined) return oauthError('invalid_client_id', 'client identifier invalid')
    if (!app.is_installed) return oauthError('app_not_found', 'External client app is not installed in this org')
    if (app.public_key === null) return oauthError('invalid_grant', 'invalid assertion')
    try {
      const { payload } = await jwtVerify(assertion, createPublicKey(app.public_key), {
        algorithms: ['RS256'],
        audience: [...settings().jwt_audiences, request.baseUrl],
        requiredClaims: ['exp', 'sub'],
        currentDate: new Date(now()),
      })
      // The texts for an assertion that is too old or lives too long are not published.
      if ((payload.exp ?? 0) * 1000 > now() + MAX_ASSERTION_MS) return oauthError('invalid_grant', 'invalid assertion')
      const isApproved = app.approved_usernames.some(
        (username) => username.toLowerCase() === payload.sub?.toLowerCase(),
      )
      return isApproved
        ? open(request, { scope: 'api' })
        : oauthError('invalid_grant', "user hasn't approved this consumer")
    } catch (error) {
      if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud')
        return oauthError('invalid_grant', 'audience is invalid')
      return oauthError('invalid_grant', 'invalid assertion')
    }
  }

  async function issue(request: VendorRequest): Promise<VendorResponse> {
    const form = new URLSearchParams(request.body)
    const grant = form.get('grant_type')
    if (grant === JWT_BEARER) return await bear(request, form.get('assertion') ?? '')
    if (grant !== 'refresh_token' && grant !== 'client_credentials')
      return oauthError('unsupported_grant_type', 'grant type not supported')

    if (grant === 'client_credentials' && settings().is_login_host)
      return oauthError('invalid_grant', 'request not supported on this domain')
    const app = settings().apps.find(({ client_id }) => client_id === form.get('client_id'))
    if (app === undefined) return oauthError('invalid_client_id', 'client identifier invalid')
    if (app.client_secret !== form.get('client_secret'))
      return oauthError('invalid_client', 'invalid client credentials')
    if (!app.is_installed) return oauthError('app_not_found', 'External client app is not installed in this org')
    if (grant === 'refresh_token') return refresh(request, form, app)
    if (!app.takes_client_credentials) return oauthError('invalid_grant', 'no client credentials user enabled')
    return open(request, { token_format: 'opaque', scope: 'api' })
  }

  function refuse(request: VendorRequest): VendorResponse | undefined {
    const token = /^(?:Bearer|OAuth) (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    const session = token === undefined ? undefined : sessions.get(token)
    if (session === undefined || session.expiresAt <= now()) return invalidSession()
    if (!settings().is_api_enabled)
      return salesforceError(403, 'API_DISABLED_FOR_ORG', 'The REST API is not enabled for this Organization.')
    return undefined
  }

  return {
    issue,
    /** Every session is the integration user's. */
    username: INTEGRATION_USERNAME,
    guard:
      (handle: Route['handle']): Route['handle'] =>
      (request) =>
        refuse(request) ?? handle(request),
    revoke(request: VendorRequest): VendorResponse {
      const token = new URLSearchParams(request.body).get('token') ?? request.query.get('token') ?? ''
      sessions.delete(token)
      dead.add(token)
      return { status: 200 }
    },
  }
}
