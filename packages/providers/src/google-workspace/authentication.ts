import { bearer, parseTokenBody, signAssertion, toAccessToken } from '../engine/authentication.ts'
import { firstText } from '../mapping/first-text.ts'
import { RemoteFailureError, type AccessToken, type AccountContext, type Authentications } from '../provider.ts'

/** Covers creating and reading; the `.readonly` variant covers the look-up alone (discovery document, users.insert). */
const DIRECTORY_SCOPE = 'https://www.googleapis.com/auth/admin.directory.user'

const TOKEN_URL = 'https://oauth2.googleapis.com/token'

/** Tokens come from one address for all customers, never from below the account's base_url. */
function tokenUrlOf(account: AccountContext): string {
  return firstText(account.config.token_url) ?? TOKEN_URL
}

/**
 * A consent can leave boxes unticked: the token then works, and creates nothing. The service account's answer names no
 * scope.
 */
function parseToken(body: unknown, now: number): AccessToken {
  const token = parseTokenBody(body)
  if (token.scope && !token.scope.split(' ').includes(DIRECTORY_SCOPE)) {
    throw new RemoteFailureError({
      code: 'permission_denied',
      outcome: 'held',
      certainty: 'final',
      message: `The consent does not cover ${DIRECTORY_SCOPE}; it covers: ${token.scope}.`,
    })
  }
  return toAccessToken(token, now)
}

export const googleWorkspaceAuthentications: Authentications = {
  service_account: {
    kind: 'token',
    async toTokenRequest({ client_email, private_key, subject }, account, _baseUrl, now) {
      const url = tokenUrlOf(account)
      // Domain-wide delegation: `sub` is an administrator of the customer, since a service account has no directory of
      // its own.
      const claims = { iss: client_email, scope: DIRECTORY_SCOPE, aud: url, sub: subject }
      const assertion = await signAssertion({ privateKey: private_key, claims, lifetime: 3600, now })
      return { url, form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion } }
    },
    parseToken,
    toHeaders: bearer,
  },
  refresh_token: {
    kind: 'token',
    async toTokenRequest({ client_id, client_secret, refresh_token }, account) {
      return {
        url: tokenUrlOf(account),
        form: { grant_type: 'refresh_token', client_id, client_secret, refresh_token },
      }
    },
    parseToken,
    toHeaders: bearer,
  },
}
