import type { InputProblem } from '@muster/contracts/problem'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import type { AccountContext, CreateInput } from '../provider.ts'
import { networkIdOf, organizationIdOf } from './target.ts'

type Role = NonNullable<UnifiedUserInput['roles']>[number]

/** The enums of createOrganizationAdmin (API v1, as in the vendor's Python SDK 4.3.1 and Terraform provider). */
const organizationAccess = ['full', 'read-only', 'enterprise', 'none']
/** Of one network, and of all networks with a tag. */
const networkAccess = ['full', 'read-only', 'guest-ambassador', 'monitor-only']

export interface AdminAccess {
  orgAccess?: string
  networks: { id: string; access: string }[]
  tags: { tag: string; access: string }[]
}

/**
 * What each role grants: with `workspace` in that network, with `group` in the networks with that tag, with
 *   `organization` in the whole organization.
 * A role without any of them is of the request's network where networks know it, else (enterprise, none) of the
 * organization.
 */
export function readAdminRoles(
  input: CreateInput,
  account: AccountContext,
): { access: AdminAccess; problems: InputProblem[] } {
  const access: AdminAccess = { networks: [], tags: [] }
  const problems: InputProblem[] = []
  const organizationId = organizationIdOf(input, account)
  const networkId = networkIdOf(input, account)
  const taken = new Set<string>()

  input.user.roles?.forEach((role, index) => {
    const problem = (field: string, code: string, detail: string) =>
      void problems.push({ pointer: `/roles/${index}${field}`, code, detail })
    if (role.workspace !== undefined && role.group !== undefined)
      return problem('', 'ambiguous', 'A role is for a workspace or for a group (network tag), not for both.')
    if (role.organization !== undefined && organizationId !== undefined && role.organization !== organizationId) {
      return problem(
        '/organization',
        'invalid_value',
        `This request is for organization ${organizationId}: one request makes an admin of one organization.`,
      )
    }
    const isScoped = role.workspace !== undefined || role.group !== undefined
    const isOrganizationWide = !isScoped && role.organization !== undefined
    const allowed = isScoped
      ? networkAccess
      : isOrganizationWide
        ? organizationAccess
        : [...new Set([...networkAccess, ...organizationAccess])]
    const level = levelOf(role, allowed)
    if (level === undefined) {
      const where = isScoped ? 'in a network or under a tag' : isOrganizationWide ? 'in an organization' : 'here'
      return problem(
        role.id === undefined ? '/name' : '/id',
        'invalid_value',
        `The roles that Meraki knows ${where} are: ${allowed.join(', ')}.`,
      )
    }
    const network =
      role.workspace ??
      (role.group === undefined && !isOrganizationWide && networkAccess.includes(level) ? networkId : undefined)
    const target =
      network !== undefined
        ? `workspace ${network}`
        : role.group !== undefined
          ? `group ${role.group}`
          : 'the organization'
    if (taken.has(target)) return problem('', 'ambiguous', `There is another role for ${target} already.`)
    taken.add(target)
    if (network !== undefined) access.networks.push({ id: network, access: level })
    else if (role.group !== undefined) access.tags.push({ tag: role.group, access: level })
    else access.orgAccess = level
  })
  return { access, problems }
}

/** Network users are admins or not; what else they may do stands in `authorizations`. */
export function readNetworkRoles(input: CreateInput): { isAdmin: boolean; problems: InputProblem[] } {
  const problems: InputProblem[] = []
  input.user.roles?.forEach((role, index) => {
    if (levelOf(role, ['admin']) === undefined)
      problems.push({
        pointer: `/roles/${index}${role.id === undefined ? '/name' : '/id'}`,
        code: 'invalid_value',
        detail: 'The only role of a network user is: admin.',
      })
  })
  return { isAdmin: (input.user.roles?.length ?? 0) > 0, problems }
}

/** Meraki's roles have no ids, so either field may hold the name. */
function levelOf(role: Role, allowed: readonly string[]): string | undefined {
  return [role.id, role.name]
    .map((value) => value?.trim().toLowerCase())
    .find((value): value is string => value !== undefined && allowed.includes(value))
}
