import { bearer, parseTokenBody, signAssertion, toAccessToken } from '../engine/authentication.ts'
import { firstText } from '../mapping/first-text.ts'
import { RemoteFailureError, type AccessToken, type AccountContext, type Authentications } from '../provider.ts'

const PRODUCTION = 'https://login.salesforce.com'
const SANDBOX = 'https://test.salesforce.com'

/** Salesforce refuses assertions that live longer than three minutes. */
const ASSERTION_SECONDS = 180

const tokenUrl = (account: AccountContext, baseUrl: string): string =>
  firstText(account.config.token_url) ?? `${baseUrl}/services/oauth2/token`

/** The login host that the org belongs to; My Domains outside salesforce.com are their own audience. */
function audienceOf(account: AccountContext, url: string): string {
  if (typeof account.config.audience === 'string') return account.config.audience
  const { hostname, origin } = new URL(url)
  if (hostname === 'test.salesforce.com' || /\.(sandbox|scratch)\.my\.salesforce\.com$/.test(hostname)) return SANDBOX
  return hostname.endsWith('.salesforce.com') ? PRODUCTION : origin
}

/**
 * No answer says when its token ends (the org's session policy decides), so it is renewed on 401 INVALID_SESSION_ID.
 */
function parseToken(body: unknown, now: number): AccessToken {
  const token = toAccessToken(parseTokenBody(body), now)
  if (token.baseUrl) return token
  throw new RemoteFailureError({
    code: 'provider_unavailable',
    outcome: 'retrying',
    message: 'The token endpoint named no instance_url, so there is no address to call.',
  })
}

export const salesforceAuthentications: Authentications = {
  refresh_token: {
    kind: 'token',
    async toTokenRequest({ client_id, client_secret, refresh_token }, account, baseUrl) {
      return {
        url: tokenUrl(account, baseUrl),
        form: { grant_type: 'refresh_token', client_id, client_secret, refresh_token },
      }
    },
    parseToken,
    toHeaders: bearer,
  },
  jwt_bearer: {
    kind: 'token',
    async toTokenRequest({ client_id, private_key, username }, account, baseUrl, now) {
      const url = tokenUrl(account, baseUrl)
      const claims = { iss: client_id, sub: username, aud: audienceOf(account, url) }
      const assertion = await signAssertion({ privateKey: private_key, claims, lifetime: ASSERTION_SECONDS, now })
      return { url, form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion } }
    },
    parseToken,
    toHeaders: bearer,
  },
  client_credentials: {
    kind: 'token',
    async toTokenRequest({ client_id, client_secret }, account, baseUrl) {
      const url = tokenUrl(account, baseUrl)
      if ([PRODUCTION, SANDBOX].includes(new URL(url).origin)) {
        throw new RemoteFailureError({
          code: 'credentials_rejected',
          outcome: 'held',
          certainty: 'final',
          message:
            "Salesforce takes client credentials at the org's My Domain alone: set the account's base_url to https://<your domain>.my.salesforce.com.",
        })
      }
      return { url, form: { grant_type: 'client_credentials', client_id, client_secret } }
    },
    parseToken,
    toHeaders: bearer,
  },
}
