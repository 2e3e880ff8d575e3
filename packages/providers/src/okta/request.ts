import type { JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import { primaryEmail } from '@muster/contracts/unified-user'
import type { AccountContext, CreateInput, CreatePlan, RemoteRequest } from '../provider.ts'
import { pathOf } from '../engine/remote-request.ts'
import { identityOf, toNaturalKey, withRemoteData } from './identity.ts'

export function toCreateRequest(input: CreateInput, account: AccountContext): CreatePlan {
  const { user } = input
  const { login, email, firstName, lastName, isLoginDerived } = identityOf(input)
  const warnings: Warning[] = []
  const warn = (pointer: string, detail: string) => warnings.push({ code: 'not_sent', pointer, detail })
  if (isLoginDerived)
    warnings.push({ code: 'derived', pointer: '/username', detail: 'login was taken from the primary e-mail.' })

  const emails = user.emails ?? []
  const others = emails.filter((entry) => entry.email !== primaryEmail(user))
  others
    .slice(1)
    .forEach((entry) =>
      warn(`/emails/${emails.indexOf(entry)}`, 'Okta keeps one second address; this one was left out.'),
    )

  const phones = user.phones ?? []
  const isMobile = (type: string | undefined) => /^(mobile|cell)/i.test(type ?? '')
  const mobile = phones.find((phone) => isMobile(phone.type))
  const primary = phones.find((phone) => !isMobile(phone.type))
  phones.forEach((phone, index) => {
    if (phone !== mobile && phone !== primary)
      warn(`/phones/${index}`, 'Okta keeps one mobile and one other number; this one was left out.')
    else if (phone.extension) warn(`/phones/${index}/extension`, 'Okta has no field for an extension.')
  })
  user.languages?.slice(1).forEach((_, index) => warn(`/languages/${index + 1}`, 'Okta keeps one preferred language.'))

  const profile: JsonObject = {
    ...(login && { login }),
    ...(email && { email }),
    ...(firstName && { firstName }),
    ...(lastName && { lastName }),
    ...(others[0] && { secondEmail: others[0].email }),
    ...(mobile && { mobilePhone: mobile.number }),
    ...(primary && { primaryPhone: primary.number }),
    ...(user.timezone && { timezone: user.timezone }),
    ...(user.languages?.[0] && { preferredLanguage: user.languages[0].replace('_', '-') }),
  }
  const body: JsonObject = {
    profile,
    ...(user.password && { credentials: { password: { value: user.password } } }),
    ...(user.groups?.length && { groupIds: user.groups.map((group) => group.id ?? '') }),
  }
  const activate = user.status === 'inactive' ? false : account.config.activate !== false
  return {
    request: {
      method: 'POST',
      path: '/api/v1/users',
      query: { activate, ...input.remoteQuery },
      body: withRemoteData(body, input),
    },
    warnings,
  }
}

/**
 * By login, never by `search`, whose index lags behind. The path takes an id and a short name too, so the answer is
 * compared.
 */
export function toFindRequest(input: CreateInput): RemoteRequest {
  return { method: 'GET', path: pathOf`/api/v1/users/${toNaturalKey(input).sent}` }
}
