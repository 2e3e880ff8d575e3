import type { InputProblem } from '@muster/contracts/problem'
import { primaryEmail } from '@muster/contracts/unified-user'
import { readNaturalKey } from '../../src/engine/natural-key.ts'
import { loginPointer, warnOfFurtherEmails } from '../../src/mapping/emails.ts'
import { firstText } from '../../src/mapping/first-text.ts'
import { withRemoteData } from '../../src/mapping/remote-data.ts'
import type { CreateInput, CreatePlan, NaturalKey, RemoteRequest } from '../../src/provider.ts'

const loginOf = ({ user }: CreateInput): string | undefined => firstText(user.username, primaryEmail(user))

function bodyOf(input: CreateInput) {
  const login = loginOf(input)
  const { name } = input.user
  return withRemoteData({ ...(login && { login }), ...(name && { name }) }, input)
}

export const foldLogin = (login: string): string => login.toLowerCase()

export function toNaturalKey(input: CreateInput): NaturalKey {
  return readNaturalKey(input, bodyOf(input), ['login'], { pointer: loginPointer(input), fold: foldLogin })
}

export function validate(input: CreateInput): InputProblem[] {
  if (toNaturalKey(input).sent !== '') return []
  return [{ pointer: '/username', code: 'required', detail: 'Tiny needs a login: give username or emails.' }]
}

export function toCreateRequest(input: CreateInput): CreatePlan {
  return {
    request: { method: 'POST', path: '/users', query: input.remoteQuery, body: bodyOf(input) },
    warnings: warnOfFurtherEmails(input.user, 'Tiny'),
  }
}

export function toFindRequest(input: CreateInput): RemoteRequest {
  return { method: 'GET', path: '/users', query: { login: toNaturalKey(input).sent } }
}
