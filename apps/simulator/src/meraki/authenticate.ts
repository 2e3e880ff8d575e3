import type { Route, VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import type { AccessTokens } from './access-tokens.ts'
import { lackOfPermission, notFound, refuse } from './answers.ts'
import type { MerakiSettings, Organization } from './settings.ts'
import { redirectToShard } from './shard.ts'

/** As the vendor's index gives it for admins (iam) and for networks and their users (general). */
export type Scope = `dashboard:${'iam' | 'general'}:config:${'read' | 'write'}`

interface Rights {
  canWrite: boolean
  hasScope(scope: Scope): boolean
  sees(organizationId: string): boolean
}

type Handle = (request: VendorRequest, organization: Organization) => VendorResponse

/** Which organization a path is about: by its id, or as the owner of the network. */
export function findOrganization(request: VendorRequest, settings: MerakiSettings): Organization | undefined {
  const { organizationId, networkId } = request.parameters
  return settings.organizations.find(({ id, networks }) =>
    organizationId === undefined ? networks.some((network) => network.id === networkId) : id === organizationId,
  )
}

export function createGuard({ settings, now }: VendorContext<MerakiSettings>, accessTokens: AccessTokens) {
  function readRights(request: VendorRequest): Rights | VendorResponse {
    const legacy = settings().accepts_legacy_header ? request.headers['x-cisco-meraki-api-key'] : undefined
    const token =
      /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ??
      (typeof legacy === 'string' ? legacy : undefined)
    if (token === undefined) return refuse(401, 'Missing API key')
    const apiKey = settings().api_keys.find(({ key }) => key === token)
    if (apiKey !== undefined) {
      return {
        canWrite: apiKey.org_access === 'full',
        hasScope: () => true,
        sees: (organizationId) => apiKey.organization_ids?.includes(organizationId) ?? true,
      }
    }
    const accessToken = accessTokens.find(token)
    if (accessToken === undefined || accessToken.expiresAt <= now()) return refuse(401, settings().invalid_key_message)
    return { canWrite: true, hasScope: (scope) => accessToken.scopes.includes(scope), sees: () => true }
  }

  return {
    /**
     * For calls about one organization or one of its networks: the handler runs where the key sees it and has the
     * right.
     */
    guard:
      (scope: Scope, handle: Handle): Route['handle'] =>
      (request) => {
        const redirect = redirectToShard(request, settings())
        if (redirect !== undefined) return redirect
        const rights = readRights(request)
        if ('status' in rights) return rights
        const organization = findOrganization(request, settings())
        if (organization === undefined || !rights.sees(organization.id)) return notFound()
        if (!rights.hasScope(scope) || (scope.endsWith(':write') && !rights.canWrite)) return lackOfPermission()
        return handle(request, organization)
      },
    /** The organizations that the key sees. */
    listOrganizations(request: VendorRequest): readonly Organization[] | VendorResponse {
      const rights = readRights(request)
      if ('status' in rights) return rights
      if (!rights.hasScope('dashboard:general:config:read')) return lackOfPermission()
      return settings().organizations.filter(({ id }) => rights.sees(id))
    },
  }
}
