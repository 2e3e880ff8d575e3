import { bearer, parseTokenBody, signAssertion, toAccessToken } from '../engine/authentication.ts'
import { firstText } from '../mapping/first-text.ts'
import { RemoteFailureError, type Authentications } from '../provider.ts'

/** Enough to create and to read users; reading by okta.users.read alone would not do. */
const DEFAULT_SCOPES = 'okta.users.manage'

export const oktaAuthentications: Authentications = {
  api_token: { kind: 'static', toHeaders: ({ api_token }) => ({ authorization: `SSWS ${api_token}` }) },
  private_key_jwt: {
    kind: 'token',
    async toTokenRequest({ client_id, private_key, key_id }, account, baseUrl, now) {
      // Only the org's own authorization server issues tokens for the management API, never /oauth2/default.
      const url = firstText(account.config.token_url) ?? `${baseUrl}/oauth2/v1/token`
      const assertion = await signAssertion({
        privateKey: private_key,
        keyId: key_id,
        claims: { iss: client_id, sub: client_id, aud: url },
        lifetime: 300,
        now,
      })
      return {
        url,
        form: {
          grant_type: 'client_credentials',
          scope: firstText(account.config.scopes) ?? DEFAULT_SCOPES,
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: assertion,
        },
      }
    },
    parseToken(body, now) {
      const token = parseTokenBody(body)
      // Scopes that are not granted are left out of the token in silence (terraform-provider-okta#2375).
      if (token.scope && !token.scope.split(' ').includes('okta.users.manage')) {
        throw new RemoteFailureError({
          code: 'permission_denied',
          outcome: 'held',
          certainty: 'final',
          message: `The app was not granted okta.users.manage; it has: ${token.scope}.`,
        })
      }
      return toAccessToken(token, now)
    },
    toHeaders: bearer,
  },
}
