import type { InputProblem } from '@muster/contracts/problem'
import { primaryEmailPointer } from '../mapping/emails.ts'
import type { CreateInput } from '../provider.ts'
import { identityOf } from './identity.ts'

/** Okta management API, CreateUserRequest: more is refused with E0000093. */
const MAX_GROUPS = 20

export function validate(input: CreateInput): InputProblem[] {
  const { login, email, firstName, lastName } = identityOf(input)
  const problems: InputProblem[] = []
  const required = (value: string | undefined, pointer: string, detail: string) => {
    if (value === undefined) problems.push({ pointer, code: 'required', detail })
  }
  required(email, '/emails', 'Okta needs an e-mail address: give emails, or a username that is one.')
  if (email !== undefined) required(login, '/username', 'Okta needs a login: give username or emails.')
  required(firstName, '/first_name', 'Okta needs a first name (or remote_data.profile.firstName).')
  required(lastName, '/last_name', 'Okta needs a last name (or remote_data.profile.lastName).')
  const tooLong = (value: string | undefined, maximum: number, pointer: string) => {
    if (value !== undefined && value.length > maximum)
      problems.push({ pointer, code: 'too_long', detail: `Okta takes at most ${maximum} characters here.` })
  }
  tooLong(login, 100, '/username')
  tooLong(email, 100, primaryEmailPointer(input))
  tooLong(firstName, 50, '/first_name')
  tooLong(lastName, 50, '/last_name')
  tooLong(input.user.password, 72, '/password')
  if ((input.user.groups?.length ?? 0) > MAX_GROUPS)
    problems.push({
      pointer: '/groups',
      code: 'too_many',
      detail: `Okta takes at most ${MAX_GROUPS} groups on create.`,
    })
  input.user.groups?.forEach((group, index) => {
    if (!group.id)
      problems.push({ pointer: `/groups/${index}/id`, code: 'required', detail: 'Okta takes groups by id.' })
  })
  if (input.user.status === 'deleted')
    problems.push({ pointer: '/status', code: 'not_supported', detail: 'A user cannot be created as deleted.' })
  return problems
}
