import { compose } from '@muster/contracts/clean-text'
import type { JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import { primaryEmail } from '@muster/contracts/unified-user'
import { readNaturalKey } from '../engine/natural-key.ts'
import { loginPointer, warnOfFurtherEmails } from '../mapping/emails.ts'
import { firstText } from '../mapping/first-text.ts'
import { withRemoteData } from '../mapping/remote-data.ts'
import type { AccountContext, CreateInput, CreatePlan, NaturalKey, RemoteRequest } from '../provider.ts'
import { toGroupIds, toRoleFlag, validateGroups, validateRoles } from './roles.ts'
import { toRailsTimeZone } from './time-zones.ts'

const remoteDataOf = (input: CreateInput): JsonObject => input.user.remote_data ?? {}

/** What is mapped, wherever it comes from. */
const usernameOf = (input: CreateInput): string | undefined =>
  firstText(remoteDataOf(input).username, input.user.username, primaryEmail(input.user))
const emailOf = (input: CreateInput): string | undefined =>
  firstText(remoteDataOf(input).email, primaryEmail(input.user))
const passwordOf = (input: CreateInput): string | undefined =>
  firstText(remoteDataOf(input).password, input.user.password)

/**
 * Usernames are unique over all customers of Files.com. Whether case counts is not documented; folding only ever finds
 * more.
 */
export function toNaturalKey(input: CreateInput): NaturalKey {
  const username = usernameOf(input)
  const body = withRemoteData({ ...(username && { username }) }, input)
  return readNaturalKey(input, body, ['username'], { pointer: loginPointer(input), fold: foldUsername })
}

export function foldUsername(username: string): string {
  return compose(username).toLowerCase()
}

/** Needed with `sso`: which of the site's identity providers. */
function ssoStrategyOf(input: CreateInput, account: AccountContext): number | undefined {
  const id = remoteDataOf(input).sso_strategy_id ?? account.config.sso_strategy_id
  return typeof id === 'number' ? id : undefined
}

/**
 * Always sent: what the vendor makes of a user with neither a method nor a password is not documented.
 * With `email_signup` it mails the person a link to choose a password; with `none` no one can log in as the user.
 */
function authenticationMethodOf(input: CreateInput, account: AccountContext): string {
  const remote = remoteDataOf(input)
  const given = firstText(remote.authentication_method)
  if (given !== undefined) return given
  if (input.user.status === 'invited') return 'email_signup'
  if (passwordOf(input) !== undefined) return 'password'
  if (firstText(remote.imported_password_hash) !== undefined) return 'password_with_imported_hash'
  if (typeof remote.sso_strategy_id === 'number') return 'sso'
  return firstText(account.config.authentication_method) ?? (emailOf(input) === undefined ? 'none' : 'email_signup')
}

/**
 * files.com/docs, user accounts. A username in remote_data is not measured, so it can get past this should the vendor
 * allow more one day.
 */
const MAX_USERNAME = 50

export function validate(input: CreateInput, account: AccountContext): InputProblem[] {
  return [
    ...validateUsername(input),
    ...validateLogin(input, account),
    ...validateRoles(input.user),
    ...validateGroups(input.user),
  ]
}

function validateUsername(input: CreateInput): InputProblem[] {
  const pointer = '/username'
  const username = usernameOf(input)
  if (username === undefined)
    return [
      { pointer, code: 'required', detail: 'Files.com needs a username: give username, or emails to take it from.' },
    ]
  if (firstText(remoteDataOf(input).username) !== undefined) return []
  if (username !== username.trim() || /\s{2}/.test(username)) {
    return [
      {
        pointer,
        code: 'invalid_value',
        detail: 'Files.com takes no username that begins or ends with a space, or has two together.',
      },
    ]
  }
  if (username.length > MAX_USERNAME) {
    const way = input.user.username === undefined ? ' It was taken from the primary e-mail: give a shorter one.' : ''
    return [
      { pointer, code: 'too_long', detail: `Files.com takes usernames of at most ${MAX_USERNAME} characters.${way}` },
    ]
  }
  return []
}

function validateLogin(input: CreateInput, account: AccountContext): InputProblem[] {
  const problems: InputProblem[] = []
  const method = authenticationMethodOf(input, account)
  const { status, password } = input.user
  if (status === 'invited' && password !== undefined && method === 'email_signup') {
    problems.push({
      pointer: '/status',
      code: 'conflict',
      detail: 'An invited user chooses the password: leave out either the password or the status.',
    })
  }
  if (method === 'email_signup' && emailOf(input) === undefined) {
    problems.push({
      pointer: '/emails',
      code: 'required',
      detail: 'Files.com mails the new user a link to choose a password (email_signup): give an e-mail address.',
    })
  }
  if (method === 'sso' && ssoStrategyOf(input, account) === undefined) {
    problems.push({
      pointer: '/remote_data/sso_strategy_id',
      code: 'required',
      detail: 'Single sign-on needs sso_strategy_id, in remote_data or in the account config.',
    })
  }
  return problems
}

const USERS = '/api/rest/v1/users'

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

/** The vendor's filter compares the whole value. */
export function toFindRequest(input: CreateInput): RemoteRequest {
  return { method: 'GET', path: USERS, query: { filter: { username: toNaturalKey(input).sent } } }
}
