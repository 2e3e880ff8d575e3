import type { UnifiedUser, UnifiedUserInput } from '@muster/contracts/unified-user'

type UnifiedRole = NonNullable<UnifiedUserInput['roles']>[number]

/**
 * Files.com has no roles but flags on the user; these grant rights over the site, a workspace or a partner. The first
 * name is the one given back.
 */
const roles = [
  { flag: 'site_admin', id: 'site_admin', name: 'Site Admin', aliases: [] },
  {
    flag: 'readonly_site_admin',
    id: 'readonly_site_admin',
    name: 'Read-only Site Admin',
    aliases: ['read_only_site_admin'],
  },
  { flag: 'workspace_admin', id: 'workspace_admin', name: 'Workspace Admin', aliases: [] },
  { flag: 'partner_admin', id: 'partner_admin', name: 'Partner Admin', aliases: [] },
  { flag: 'billing_permission', id: 'billing', name: 'Billing', aliases: ['billing_permission'] },
] as const

export type RoleFlag = (typeof roles)[number]['flag']

export const roleIds: readonly string[] = roles.map((role) => role.id)

/**
 * What `toRoles` gives for the administrators of one group. Not among `roles`: it takes a call of its own once the user
 * exists.
 */
export const GROUP_ADMIN = 'group_admin'

const fold = (text: string) =>
  text
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, '_')

/** The folded id or name of a role as it was asked for; '' without either. */
export const roleKey = (role: UnifiedRole): string => fold(role.id ?? role.name ?? '')

export function toRoleFlag(role: UnifiedRole): RoleFlag | undefined {
  const key = roleKey(role)
  return roles.find(({ id, aliases }) => id === key || (aliases as readonly string[]).includes(key))?.flag
}

/** The set flags as roles, and the groups that the user administers. */
export function toRoles(
  user: Partial<Record<RoleFlag, boolean | null>> & {
    workspace_id?: number | string | null
    admin_group_ids: readonly string[]
  },
): NonNullable<UnifiedUser['roles']> {
  const held = roles.filter(({ flag }) => user[flag] === true)
  return [
    ...held.map(({ flag, id, name }) => ({
      id,
      name,
      ...(flag === 'workspace_admin' && user.workspace_id != null ? { workspace: String(user.workspace_id) } : {}),
    })),
    ...user.admin_group_ids.map((group) => ({ id: GROUP_ADMIN, name: 'Group Admin', group })),
  ]
}
