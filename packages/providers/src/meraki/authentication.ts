import { bearer, parseTokenBody, toAccessToken } from '../engine/authentication.ts'
import { firstText } from '../mapping/first-text.ts'
import { RemoteFailureError, type Authentications } from '../provider.ts'

const TOKEN_URL = 'https://as.meraki.com/oauth/token'

/** Either is enough to create one of the two kinds of user: admins, network users. */
const writeScopes = ['dashboard:iam:config:write', 'dashboard:general:config:write']

export const merakiAuthentications: Authentications = {
  // The specification still declares X-Cisco-Meraki-API-Key; the vendor's Authorization page asks for Bearer "and not
  // v0's" header.
  api_key: { kind: 'static', toHeaders: ({ api_key }) => ({ authorization: `Bearer ${api_key}` }) },
  refresh_token: {
    kind: 'token',
    async toTokenRequest({ client_id, client_secret, refresh_token }, account) {
      return {
        url: firstText(account.config.token_url) ?? TOKEN_URL,
        form: { grant_type: 'refresh_token', refresh_token },
        headers: { authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}` },
      }
    },
    parseToken(body, now) {
      const token = parseTokenBody(body)
      const granted = token.scope?.split(/[\s,]+/)
      if (granted && !writeScopes.some((scope) => granted.includes(scope))) {
        throw new RemoteFailureError({
          code: 'permission_denied',
          outcome: 'held',
          certainty: 'final',
          message: `The consent covers neither ${writeScopes.join(' nor ')}; it has: ${token.scope}.`,
        })
      }
      return toAccessToken(token, now)
    },
    toHeaders: bearer,
  },
}
