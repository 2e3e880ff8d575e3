import type { Warning } from '@muster/contracts/operation'
import { warnOfFurtherEmails } from '../mapping/emails.ts'
import type { AccountContext, CreateInput, CreatePlan, RemoteRequest } from '../provider.ts'
import { pathOf } from '../engine/remote-request.ts'
import { namesOf, tidy, toBody, toNaturalKey } from './identity.ts'

export function toCreateRequest(input: CreateInput, _account: AccountContext): CreatePlan {
  const { user } = input
  const body = toBody(input)
  const warnings: Warning[] = []

  const { firstName, lastName } = namesOf(user)
  const name = tidy(user.name)
  const isGuessed = (tidy(user.first_name) === '' || tidy(user.last_name) === '') && name.split(' ').length !== 2
  if (name && name.toLowerCase() !== `${firstName} ${lastName}`.trim().toLowerCase()) {
    warnings.push({
      code: 'not_sent',
      pointer: '/name',
      detail: `ActiveCampaign has no full name: "${firstName}" and "${lastName}" were sent, and name was left out.`,
    })
  } else if (isGuessed) {
    const detail = `name was sent as first name "${firstName}" and last name "${lastName}"; give first_name and last_name to cut it elsewhere.`
    warnings.push({ code: 'derived', pointer: '/name', detail })
  }
  if (user.username !== undefined && user.username !== user.username.trim())
    warnings.push({ code: 'derived', pointer: '/username', detail: 'The spaces around the username were left out.' })
  warnings.push(...warnOfFurtherEmails(user, 'ActiveCampaign'))

  return { request: { method: 'POST', path: '/api/3/users', query: input.remoteQuery, body }, warnings }
}

export function toFindRequest(input: CreateInput): RemoteRequest {
  return { method: 'GET', path: pathOf`/api/3/users/username/${toNaturalKey(input).sent}` }
}

export function toFindByEmailRequest(email: string): RemoteRequest {
  return { method: 'GET', path: pathOf`/api/3/users/email/${email}` }
}
