import type { InputProblem } from '@muster/contracts/problem'
import { firstText } from '../mapping/first-text.ts'
import type { AccountContext, CreateInput } from '../provider.ts'
import { authenticationMethodOf, emailOf, remoteDataOf, ssoStrategyOf, usernameOf } from './identity.ts'
import { GROUP_ADMIN, roleIds, roleKey, toRoleFlag } from './roles.ts'

/**
 * files.com/docs, user accounts. A username in remote_data is not measured, so it can get past this should the vendor
 * allow more one day.
 */
const MAX_USERNAME = 50

const isId = (text: string): boolean => /^\d+$/.test(text)

export function validate(input: CreateInput, account: AccountContext): InputProblem[] {
  return [
    ...validateUsername(input),
    ...validateLogin(input, account),
    ...validateRoles(input),
    ...validateGroups(input),
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
  if (status === 'deleted')
    problems.push({ pointer: '/status', code: 'not_supported', detail: 'A user cannot be created as deleted.' })
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

function validateRoles(input: CreateInput): InputProblem[] {
  const problems: InputProblem[] = []
  const workspaces = new Set<string>()
  input.user.roles?.forEach((role, index) => {
    const pointer = `/roles/${index}`
    const flag = toRoleFlag(role)
    if (roleKey(role) === '')
      problems.push({ pointer, code: 'required', detail: `Give the id or the name of a role: ${roleIds.join(', ')}.` })
    else if (roleKey(role) === GROUP_ADMIN) {
      problems.push({
        pointer,
        code: 'not_supported',
        detail:
          'Files.com makes the administrator of a group by a call of its own once the user exists (POST /group_users).',
      })
    } else if (flag === undefined)
      problems.push({
        pointer,
        code: 'invalid_value',
        detail: `Files.com has no such role; it has: ${roleIds.join(', ')}.`,
      })
    if (flag !== 'workspace_admin' || role.workspace === undefined) return
    workspaces.add(role.workspace)
    if (!isId(role.workspace))
      problems.push({
        pointer: `${pointer}/workspace`,
        code: 'invalid_value',
        detail: 'Files.com knows workspaces by number.',
      })
    else if (workspaces.size > 1)
      problems.push({
        pointer: `${pointer}/workspace`,
        code: 'ambiguous',
        detail: 'A user of Files.com belongs to one workspace.',
      })
  })
  return problems
}

function validateGroups(input: CreateInput): InputProblem[] {
  return (input.user.groups ?? []).flatMap(({ id, name }, index): InputProblem[] => {
    if (id === undefined && name === undefined)
      return [{ pointer: `/groups/${index}`, code: 'required', detail: 'Give the id or the name of a group.' }]
    if (id !== undefined && !isId(id))
      return [
        {
          pointer: `/groups/${index}/id`,
          code: 'invalid_value',
          detail: 'Files.com knows groups by number; give the name as name.',
        },
      ]
    return []
  })
}
