import type { InputProblem } from '@muster/contracts/problem'
import type { AccountContext, CreateInput } from '../provider.ts'
import { emailOf, nameOf } from './identity.ts'
import { readAdminRoles, readNetworkRoles } from './roles.ts'
import { USER_TYPE_PARAMETER, userTypeOf, userTypes } from './target.ts'

export function validate(input: CreateInput, account: AccountContext): InputProblem[] {
  const problems: InputProblem[] = []
  if (emailOf(input) === undefined)
    problems.push({ pointer: '/emails', code: 'required', detail: 'Meraki needs an e-mail address.' })
  const chosen = input.remoteQuery[USER_TYPE_PARAMETER]
  if (chosen !== undefined && chosen !== 'admin' && chosen !== 'network') {
    problems.push({
      pointer: `?remote_query[${USER_TYPE_PARAMETER}]`,
      code: 'invalid_value',
      detail: `Must be one of: ${userTypes.join(', ')}.`,
    })
  }
  if (userTypeOf(input) === 'network') {
    const authorizations = input.user.remote_data?.authorizations
    if (!Array.isArray(authorizations) || authorizations.length === 0) {
      const detail = 'A network user needs a list of authorizations, such as [{"ssidNumber": 1, "expiresAt": "Never"}].'
      problems.push({ pointer: '/remote_data/authorizations', code: 'required', detail })
    }
    return [...problems, ...readNetworkRoles(input).problems]
  }
  // A network user's name is needed only when the person is no dashboard administrator, which nobody here knows.
  if (nameOf(input) === undefined)
    problems.push({ pointer: '/name', code: 'required', detail: 'Meraki needs a name (or remote_data.name).' })
  return [...problems, ...readAdminRoles(input, account).problems]
}
