import type { InputProblem } from '@muster/contracts/problem'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'

type Role = NonNullable<UnifiedUserInput['roles']>[number]

/** The enums of createOrganizationAdmin (API v1, as in the vendor's Python SDK 4.3.1 and Terraform provider). */
const organizationAccess = ['full', 'read-only', 'enterprise', 'none']
/** Of one network, and of all networks with a tag. */
const networkAccess = ['full', 'read-only', 'guest-ambassador', 'monitor-only']

/** What a request is for. */
export interface Place {
  organizationId: string | undefined
  /** A workspace is a Meraki network. */
  networkId: string | undefined
}

export interface AdminAccess {
  orgAccess?: string
  networks: { id: string; access: string }[]
  tags: { tag: string; access: string }[]
}

/** What each role grants; one role for each target. */
export function readAdminRoles(
  roles: readonly Role[],
  place: Place,
): { access: AdminAccess; problems: InputProblem[] } {
  const access: AdminAccess = { networks: [], tags: [] }
  const problems: InputProblem[] = []
  const targets = new Set<string>()
  for (const [index, role] of roles.entries()) {
    const problem = (field: string, code: string, detail: string) =>
      problems.push({ pointer: `/roles/${index}${field}`, code, detail })
    const grant = readAdminRole(role, place, problem)
    if (!grant) continue
    if (targets.has(grant.target)) problem('', 'ambiguous', `There is another role for ${grant.target} already.`)
    else grant.addTo(access)
    targets.add(grant.target)
  }
  return { access, problems }
}

interface Grant {
  /** For people, and equal for what is the same target. */
  target: string
  addTo(access: AdminAccess): void
}

/**
 * With `workspace` in that network, with `group` in the networks with that tag, with `organization` in the whole
 * organization. Without any of them, in the request's network where networks know the role, else (enterprise, none) in
 * the organization. Undefined after a problem.
 */
function readAdminRole(
  role: Role,
  place: Place,
  problem: (field: string, code: string, detail: string) => void,
): Grant | undefined {
  const { workspace, group, organization } = role
  if (workspace !== undefined && group !== undefined)
    return void problem('', 'ambiguous', 'A role is for a workspace or for a group (network tag), not for both.')
  if (organization !== undefined && place.organizationId !== undefined && organization !== place.organizationId) {
    const detail = `This request is for organization ${place.organizationId}: one request makes an admin of one organization.`
    return void problem('/organization', 'invalid_value', detail)
  }
  const [where, allowed] =
    workspace !== undefined || group !== undefined
      ? ['in a network or under a tag', networkAccess]
      : organization !== undefined
        ? ['in an organization', organizationAccess]
        : ['here', [...new Set([...networkAccess, ...organizationAccess])]]
  const level = levelOf(role, allowed)
  if (level === undefined) {
    const detail = `The roles that Meraki knows ${where} are: ${allowed.join(', ')}.`
    return void problem(role.id === undefined ? '/name' : '/id', 'invalid_value', detail)
  }
  if (group !== undefined)
    return { target: `group ${group}`, addTo: ({ tags }) => tags.push({ tag: group, access: level }) }
  const isOfRequest = organization === undefined && networkAccess.includes(level)
  const network = workspace ?? (isOfRequest ? place.networkId : undefined)
  if (network !== undefined)
    return { target: `workspace ${network}`, addTo: ({ networks }) => networks.push({ id: network, access: level }) }
  return { target: 'the organization', addTo: (access) => (access.orgAccess = level) }
}

/** Network users are admins or not; what else they may do is in `authorizations`. */
export function readNetworkRoles(roles: readonly Role[]): { isAdmin: boolean; problems: InputProblem[] } {
  const problems = roles.flatMap((role, index) =>
    levelOf(role, ['admin']) === undefined
      ? [
          {
            pointer: `/roles/${index}${role.id === undefined ? '/name' : '/id'}`,
            code: 'invalid_value',
            detail: 'The only role of a network user is: admin.',
          },
        ]
      : [],
  )
  return { isAdmin: roles.length > 0, problems }
}

/** Meraki's roles have no ids, so either field may hold the name. */
function levelOf(role: Role, allowed: readonly string[]): string | undefined {
  return [role.id, role.name]
    .map((value) => value?.trim().toLowerCase())
    .find((value): value is string => value !== undefined && allowed.includes(value))
}
