import type { InputProblem } from '@muster/contracts/problem'
import type { UnifiedUser, UnifiedUserInput } from '@muster/contracts/unified-user'
import { z } from 'zod'
import { unreadableAnswer } from '../engine/classify.ts'
import { UnresolvedInputError, type CreateInput, type LookUp, type RemoteResponse } from '../provider.ts'

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

const roleIds = roles.map((role) => role.id).join(', ')

/**
 * What `toRoles` gives for the administrators of one group. Not among `roles`: it takes a separate call once the user
 * exists.
 */
const GROUP_ADMIN = 'group_admin'

const fold = (text: string) =>
  text
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, '_')

/** The folded id or name of a role as it was asked for; '' without either. */
const roleKey = (role: UnifiedRole): string => fold(role.id ?? role.name ?? '')

export function toRoleFlag(role: UnifiedRole): RoleFlag | undefined {
  const key = roleKey(role)
  return roles.find(({ id, aliases }) => id === key || (aliases as readonly string[]).includes(key))?.flag
}

const isNumber = (text: string): boolean => /^\d+$/.test(text)

export function validateRoles({ roles: given = [] }: UnifiedUserInput): InputProblem[] {
  const workspaces = new Set<string>()
  return given.flatMap((role, index): InputProblem[] => {
    const pointer = `/roles/${index}`
    if (roleKey(role) === '')
      return [{ pointer, code: 'required', detail: `Give the id or the name of a role: ${roleIds}.` }]
    if (roleKey(role) === GROUP_ADMIN) {
      const detail =
        'Files.com makes the administrator of a group by a separate call once the user exists (POST /group_users).'
      return [{ pointer, code: 'not_supported', detail }]
    }
    const flag = toRoleFlag(role)
    if (flag === undefined)
      return [{ pointer, code: 'invalid_value', detail: `Files.com has no such role; it has: ${roleIds}.` }]
    if (flag !== 'workspace_admin' || role.workspace === undefined) return []
    workspaces.add(role.workspace)
    const problem = (code: string, detail: string) => [{ pointer: `${pointer}/workspace`, code, detail }]
    if (!isNumber(role.workspace)) return problem('invalid_value', 'Files.com knows workspaces by number.')
    return workspaces.size > 1 ? problem('ambiguous', 'A user of Files.com belongs to one workspace.') : []
  })
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

const groupsSchema = z.array(z.looseObject({ id: z.union([z.number(), z.string().min(1)]), name: z.string() }))

const keyOf = (name: string): string => `group:${name}`

/** The groups to send; none where remote_data brings its own list, which would replace them. */
const groupsOf = ({ user }: CreateInput) => (user.remote_data?.group_ids === undefined ? (user.groups ?? []) : [])

export function validateGroups({ groups = [] }: UnifiedUserInput): InputProblem[] {
  return groups.flatMap(({ id, name }, index): InputProblem[] => {
    if (id === undefined && name === undefined)
      return [{ pointer: `/groups/${index}`, code: 'required', detail: 'Give the id or the name of a group.' }]
    if (id === undefined || isNumber(id)) return []
    const detail = 'Files.com knows groups by number; give the name as name.'
    return [{ pointer: `/groups/${index}/id`, code: 'invalid_value', detail }]
  })
}

function parseGroups(response: RemoteResponse): { id: string; name: string }[] {
  const groups = groupsSchema.safeParse(response.body)
  if (!groups.success) throw unreadableAnswer(response)
  return groups.data.map(({ id, name }) => ({ id: String(id), name }))
}

/** One look-up for each name without an id. */
export function lookUps(input: CreateInput): LookUp[] {
  const names = new Set(
    groupsOf(input).flatMap(({ id, name }) => (id === undefined && name !== undefined ? [name] : [])),
  )
  return [...names].map((name) => ({
    key: keyOf(name),
    request: { method: 'GET', path: '/api/rest/v1/groups', query: { filter: { name } } },
    placeholder: `<id of group "${name}">`,
    parse: parseGroups,
  }))
}

/**
 * A placeholder is kept. Whether the vendor's filter is case-sensitive is not documented, so an exact match goes
 * first.
 */
function toGroupId(name: string, found: unknown, pointer: string): string {
  if (typeof found === 'string') return found
  const candidates = Array.isArray(found) ? (found as ReturnType<typeof parseGroups>) : []
  const exact = candidates.filter((group) => group.name === name)
  const folded = candidates.filter((group) => group.name.toLowerCase() === name.toLowerCase())
  const [only, ...others] = exact.length > 0 ? exact : folded
  if (only === undefined)
    throw new UnresolvedInputError(pointer, `Files.com has no group named "${name}" that this API key can see.`)
  if (others.length > 0) {
    const ids = [only, ...others].map((group) => group.id).join(', ')
    throw new UnresolvedInputError(pointer, `Files.com has several groups named "${name}" (${ids}): give the id.`)
  }
  return only.id
}

/** As the vendor wants it: "1,2". Undefined when no group is asked for. */
export function toGroupIds(input: CreateInput, found: Readonly<Record<string, unknown>>): string | undefined {
  const ids = groupsOf(input).map(
    ({ id, name = '' }, index) => id ?? toGroupId(name, found[keyOf(name)], `/groups/${index}/name`),
  )
  return ids.length === 0 ? undefined : [...new Set(ids)].join(',')
}
