import type { Route, VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import type { AccessTokens } from './access-tokens.ts'
import { bearerRefusal, invalidToken, oktaError } from './answers.ts'
import type { OktaSettings } from './settings.ts'

export type Scope = 'okta.users.read' | 'okta.users.manage'

/** Wraps a handler: it runs only for a live SSWS token, or for an access token that covers `scope`. */
export function createGuard({ settings, now }: VendorContext<OktaSettings>, accessTokens: AccessTokens) {
  function refuse(request: VendorRequest, scope: Scope): VendorResponse | undefined {
    const [scheme, token = ''] = (request.headers.authorization ?? '').split(' ', 2)
    if (scheme === 'SSWS') return settings().api_tokens.includes(token) ? undefined : invalidToken()
    if (scheme !== 'Bearer') return invalidToken()

    const accessToken = accessTokens.find(token)
    const client = settings().oauth_clients.find(({ client_id }) => client_id === accessToken?.clientId)
    if (accessToken === undefined || client === undefined) {
      return bearerRefusal(request, 401, scope, 'invalid_token', 'The access token is invalid.')
    }
    if (accessToken.expiresAt <= now()) {
      return bearerRefusal(request, 401, scope, 'invalid_token', 'The token has expired.')
    }
    // okta.users.manage covers reading.
    if (!accessToken.scopes.includes(scope) && !accessToken.scopes.includes('okta.users.manage')) {
      const description = 'The access token provided does not contain the required scopes.'
      return bearerRefusal(request, 403, scope, 'insufficient_scope', description)
    }
    if (!client.has_admin_role) {
      return oktaError(403, 'E0000006', 'You do not have permission to perform the requested action')
    }
    return undefined
  }

  return (scope: Scope, handle: Route['handle']): Route['handle'] =>
    (request) =>
      refuse(request, scope) ?? handle(request)
}
