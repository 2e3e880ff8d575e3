import { mergeJson, type JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import { primaryEmail } from '@muster/contracts/unified-user'
import type { AccountContext, CreateInput, CreatePlan, NaturalKey, RemoteRequest } from '../provider.ts'

/** Okta management API, CreateUserRequest: more is refused with E0000093. */
const MAX_GROUPS = 20

const profileOf = (input: CreateInput): JsonObject => {
  const profile = input.user.remote_data?.profile
  return typeof profile === 'object' && profile !== null && !Array.isArray(profile) ? profile : {}
}

function textOf(...candidates: unknown[]): string | undefined {
  return candidates.find((value): value is string => typeof value === 'string' && value !== '')
}

/** What the default profile schema requires, each from where it may come. */
function identityOf(input: CreateInput) {
  const { user } = input
  const profile = profileOf(input)
  const login = textOf(profile.login, user.username, primaryEmail(user))
  const email = textOf(profile.email, primaryEmail(user), user.username?.includes('@') ? user.username : undefined)
  return { login, email, firstName: textOf(profile.firstName, user.first_name), lastName: textOf(profile.lastName, user.last_name) }
}

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
    if (value !== undefined && value.length > maximum) problems.push({ pointer, code: 'too_long', detail: `Okta takes at most ${maximum} characters here.` })
  }
  tooLong(login, 100, '/username')
  tooLong(email, 100, '/emails/0/email')
  tooLong(firstName, 50, '/first_name')
  tooLong(lastName, 50, '/last_name')
  tooLong(input.user.password, 72, '/password')
  if ((input.user.groups?.length ?? 0) > MAX_GROUPS) problems.push({ pointer: '/groups', code: 'too_many', detail: `Okta takes at most ${MAX_GROUPS} groups on create.` })
  input.user.groups?.forEach((group, index) => {
    if (!group.id) problems.push({ pointer: `/groups/${index}/id`, code: 'required', detail: 'Okta takes groups by id.' })
  })
  if (input.user.status === 'deleted') problems.push({ pointer: '/status', code: 'not_supported', detail: 'A user cannot be created as deleted.' })
  return problems
}

/** Uniqueness ignores case and diacritics, and covers deactivated users. */
export function toNaturalKey(input: CreateInput): NaturalKey {
  const login = identityOf(input).login ?? ''
  return { field: 'login', value: login.normalize('NFD').replace(/\p{Diacritic}/gu, '').toLowerCase() }
}

export function toCreateRequest(input: CreateInput, account: AccountContext): CreatePlan {
  const { user } = input
  const { login, email, firstName, lastName } = identityOf(input)
  const warnings: Warning[] = []
  const warn = (pointer: string, detail: string) => warnings.push({ code: 'not_sent', pointer, detail })
  if (!user.username && textOf(profileOf(input).login) === undefined) warnings.push({ code: 'derived', pointer: '/username', detail: 'login was taken from the primary e-mail.' })

  const emails = user.emails ?? []
  const others = emails.filter((entry) => entry.email !== primaryEmail(user))
  others.slice(1).forEach((entry) => warn(`/emails/${emails.indexOf(entry)}`, 'Okta keeps one second address; this one was left out.'))

  const phones = user.phones ?? []
  const isMobile = (type: string | undefined) => /^(mobile|cell)/i.test(type ?? '')
  const mobile = phones.find((phone) => isMobile(phone.type))
  const primary = phones.find((phone) => !isMobile(phone.type))
  phones.forEach((phone, index) => {
    if (phone !== mobile && phone !== primary) warn(`/phones/${index}`, 'Okta keeps one mobile and one other number; this one was left out.')
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
    request: { method: 'POST', path: '/api/v1/users', query: { activate, ...input.remoteQuery }, body: mergeJson(body, user.remote_data ?? {}) },
    warnings,
  }
}

/** By login, never by `search`, whose index lags behind. The path takes an id and a short name too, so the answer is compared. */
export function toFindRequest(input: CreateInput): RemoteRequest {
  return { method: 'GET', path: `/api/v1/users/${encodeURIComponent(identityOf(input).login ?? '')}` }
}
