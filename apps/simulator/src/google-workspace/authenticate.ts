import type { Route, VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import type { AccessTokens } from './access-tokens.ts'
import { forbidden, googleError, insufficientScopes, invalidToken } from './answers.ts'
import type { GoogleWorkspaceSettings } from './settings.ts'
import { DIRECTORY_SCOPE } from './settings.ts'

/** Wraps a handler: it runs only for a live access token with the scope, of an administrator with the right. */
export function createGuard({ settings, now }: VendorContext<GoogleWorkspaceSettings>, accessTokens: AccessTokens) {
  function refuse(request: VendorRequest, access: 'read' | 'manage'): VendorResponse | undefined {
    const [scheme, value = ''] = (request.headers.authorization ?? '').split(' ', 2)
    const token = scheme?.toLowerCase() === 'bearer' ? accessTokens.find(value) : undefined
    if (token === undefined || token.expiresAt <= now()) return invalidToken()
    if (!settings().is_api_enabled) {
      return googleError(
        403,
        'accessNotConfigured',
        'Admin SDK API has not been used in project 000000000000 before or it is disabled.',
        { status: 'PERMISSION_DENIED' },
      )
    }
    const scopes = access === 'read' ? [DIRECTORY_SCOPE, `${DIRECTORY_SCOPE}.readonly`] : [DIRECTORY_SCOPE]
    if (!token.scopes.some((scope) => scopes.includes(scope))) return insufficientScopes()
    if (!settings().is_api_access_allowed) return googleError(403, 'domainCannotUseApis', 'The domain cannot use apis.')
    const administrator = settings().administrators.find(({ email }) => email === token.administrator)
    return administrator?.can_manage_users ? undefined : forbidden()
  }

  return (access: 'read' | 'manage', handle: Route['handle']): Route['handle'] =>
    (request) =>
      refuse(request, access) ?? handle(request)
}
