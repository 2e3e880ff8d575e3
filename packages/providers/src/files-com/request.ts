import type { JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import { primaryEmail } from '@muster/contracts/unified-user'
import { warnOfFurtherEmails } from '../mapping/emails.ts'
import { firstText } from '../mapping/first-text.ts'
import type { AccountContext, CreateInput, CreatePlan, RemoteRequest } from '../provider.ts'
import { toGroupIds } from './groups.ts'
import {
  authenticationMethodOf,
  emailOf,
  passwordOf,
  remoteDataOf,
  ssoStrategyOf,
  toNaturalKey,
  usernameOf,
  withRemoteData,
} from './identity.ts'
import { toRoleFlag } from './roles.ts'
import { toRailsTimeZone } from './time-zones.ts'

const USERS = '/api/rest/v1/users'

/** The vendor's filter compares the whole value. */
export function toFindRequest(input: CreateInput): RemoteRequest {
  return { method: 'GET', path: USERS, query: { filter: { username: toNaturalKey(input).sent } } }
}

export function toCreateRequest(
  input: CreateInput,
  account: AccountContext,
  found: Readonly<Record<string, unknown>>,
): CreatePlan {
  const { user } = input
  const username = usernameOf(input)
  const email = primaryEmail(user)
  const language = user.languages?.[0]?.split(/[-_]/)[0]?.toLowerCase()
  const method = authenticationMethodOf(input, account)
  const strategy = method === 'sso' ? ssoStrategyOf(input, account) : undefined
  const groupIds = toGroupIds(input, found)
  const body: JsonObject = {
    ...(username !== undefined && { username }),
    ...(user.name !== undefined && { name: user.name }),
    ...(email !== undefined && { email }),
    ...(user.description !== undefined && { notes: user.description }),
    ...(language && { language }),
    ...(user.timezone !== undefined && { time_zone: toRailsTimeZone(user.timezone).label }),
    authentication_method: method,
    ...(user.password !== undefined && { password: user.password }),
    ...(strategy !== undefined && { sso_strategy_id: strategy }),
    ...(groupIds !== undefined && { group_ids: groupIds }),
    ...rolesBody(input, account),
    ...((user.status === 'active' || user.status === 'inactive') && { disabled: user.status === 'inactive' }),
  }
  return {
    request: {
      method: 'POST',
      path: USERS,
      query: { ...input.remoteQuery },
      body: withRemoteData(body, input),
    },
    warnings: warningsOf(input, method),
  }
}

function rolesBody(input: CreateInput, account: AccountContext): JsonObject {
  const roles = input.user.roles ?? []
  const flags = roles.flatMap((role) => toRoleFlag(role) ?? [])
  const workspace =
    roles.find((role) => toRoleFlag(role) === 'workspace_admin' && role.workspace !== undefined)?.workspace ??
    account.config.workspace_id
  return {
    ...Object.fromEntries(flags.map((flag) => [flag, true])),
    ...(workspace !== undefined && { workspace_id: Number(workspace) }),
  }
}

function warningsOf(input: CreateInput, method: string): Warning[] {
  const { user } = input
  const warnings: Warning[] = []
  const derived = (pointer: string, detail: string) => warnings.push({ code: 'derived', pointer, detail })
  const notSent = (pointer: string, detail: string) => warnings.push({ code: 'not_sent', pointer, detail })

  if (user.username === undefined && firstText(remoteDataOf(input).username) === undefined)
    derived('/username', 'username was taken from the primary e-mail.')
  if (method === 'none' && passwordOf(input) === undefined && emailOf(input) === undefined) {
    derived(
      '/password',
      'With neither a password nor an e-mail address, the user is created without a way to log in (authentication_method none).',
    )
  }

  warnings.push(...warnOfFurtherEmails(user, 'Files.com'))

  user.roles?.forEach((role, index) => {
    if (role.group !== undefined) notSent(`/roles/${index}/group`, 'This role of Files.com is not held in a group.')
    if (role.organization !== undefined)
      notSent(
        `/roles/${index}/organization`,
        'Files.com has no organizations; for a partner, give remote_data.partner_id.',
      )
    if (role.workspace !== undefined && toRoleFlag(role) !== 'workspace_admin')
      notSent(`/roles/${index}/workspace`, 'Only workspace_admin is held in a workspace.')
  })
  user.groups?.forEach((group, index) => {
    if (group.organization !== undefined) notSent(`/groups/${index}/organization`, 'Files.com has no organizations.')
  })

  user.languages?.forEach((language, index) => {
    if (index > 0) notSent(`/languages/${index}`, 'Files.com keeps one language.')
    else if (/[-_]/.test(language)) derived('/languages/0', 'Only the language was sent, without the region.')
  })

  const zone = user.timezone === undefined ? undefined : toRailsTimeZone(user.timezone)
  if (zone?.match === 'covered')
    derived('/timezone', `Files.com has no name for this zone; "${zone.label}", which keeps the same time, was sent.`)
  if (zone?.match === 'unknown')
    warnings.push({
      code: 'not_translated',
      pointer: '/timezone',
      detail: 'Files.com is not known to have a name for this zone; it was sent as it is.',
    })
  return warnings
}
