import type { Route, VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import type { Errors } from './answers.ts'
import type { FilesComSettings } from './settings.ts'

export type ApiKey = FilesComSettings['api_keys'][number]

const ADMIN_REQUIRED = 'not-authorized/site-admin-or-workspace-admin-permission-required'
const REFUSALS: Readonly<Record<NonNullable<FilesComSettings['site_refusal']>, string>> = {
  'service-unavailable/migration-in-progress': 'Migration in progress.',
  'service-unavailable/site-disabled': 'Site disabled.',
  'site-configuration/account-overdue': 'Account overdue.',
  'site-configuration/site-was-removed': 'Site was removed.',
  'site-configuration/trial-expired': 'Trial expired.',
  'site-configuration/trial-locked': 'Trial locked.',
}

export const keyOf = (request: VendorRequest, settings: FilesComSettings): ApiKey | undefined =>
  settings.api_keys.find(({ key }) => key === request.headers['x-filesapi-key'])

/** Wraps a handler: it runs only for a live key whose owner may do this, on a site that is served from here. */
export function createGuard({ settings }: VendorContext<FilesComSettings>, errors: Errors) {
  function refuse(request: VendorRequest, manages: boolean): VendorResponse | undefined {
    const { region_host: host, site_refusal: refusal } = settings()
    if (request.headers['x-filesapi-key'] === undefined) {
      return errors.refuse('not-authenticated/authentication-required', 'Authentication required.')
    }
    const key = keyOf(request, settings())
    if (key === undefined) return errors.invalidCredentials()
    if (host !== null) return errors.regionMismatch(host)
    if (refusal !== null) return errors.refuse(refusal, REFUSALS[refusal])
    if (key.state === 'disabled')
      return errors.refuse('not-authorized/api-key-is-disabled', 'This API key is disabled.')
    if (key.state === 'path_restricted')
      return errors.refuse('not-authorized/api-key-is-path-restricted', 'This API key is restricted to a path.')
    if (key.rights === 'none')
      return errors.refuse(ADMIN_REQUIRED, 'Site admin or workspace admin permission required.')
    // Documented: a group admin adds users where the site allows it.
    if (manages && key.rights === 'group_admin' && !settings().group_admins_can_add_users) {
      return errors.refuse(ADMIN_REQUIRED, 'Site admin or workspace admin permission required.')
    }
    return undefined
  }

  return (access: 'read' | 'manage', handle: Route['handle']): Route['handle'] =>
    (request) =>
      refuse(request, access === 'manage') ?? handle(request)
}
