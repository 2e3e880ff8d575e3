import { isJsonObject, type JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import { primaryEmail, type UnifiedUserInput } from '@muster/contracts/unified-user'
import { readNaturalKey } from '../engine/natural-key.ts'
import { pathOf } from '../engine/remote-request.ts'
import { loginPointer, primaryEmailPointer } from '../mapping/emails.ts'
import { firstText } from '../mapping/first-text.ts'
import { checkLengths } from '../mapping/lengths.ts'
import { withRemoteData } from '../mapping/remote-data.ts'
import type { AccountContext, CreateInput, CreatePlan, NaturalKey, RemoteRequest } from '../provider.ts'

/** What the default profile schema requires, each from where it may come. */
function profileOf({ user }: CreateInput) {
  const own = user.remote_data?.profile
  const profile = isJsonObject(own) ? own : {}
  return {
    login: firstText(profile.login, user.username, primaryEmail(user)),
    email: firstText(profile.email, primaryEmail(user), user.username?.includes('@') ? user.username : undefined),
    firstName: firstText(profile.firstName, user.first_name),
    lastName: firstText(profile.lastName, user.last_name),
    isLoginDerived: firstText(profile.login, user.username) === undefined,
  }
}

/** Uniqueness ignores case and diacritics, and covers deactivated users. */
export function toNaturalKey(input: CreateInput): NaturalKey {
  const { login } = profileOf(input)
  const body = withRemoteData({ profile: { ...(login && { login }) } }, input)
  return readNaturalKey(input, body, ['profile', 'login'], { pointer: loginPointer(input), fold: foldLogin })
}

export function foldLogin(login: string): string {
  // Without marks first: sorting a heap of them takes the square of its length.
  return login.replace(/\p{M}/gu, '').normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()
}

/** CreateUserRequest of the management API: more is refused with E0000093. */
const MAX_GROUPS = 20

export function validate(input: CreateInput): InputProblem[] {
  const { user } = input
  const { login, email, firstName, lastName } = profileOf(input)
  const problems: InputProblem[] = []
  const required = (value: string | undefined, pointer: string, detail: string) => {
    if (value === undefined) problems.push({ pointer, code: 'required', detail })
  }
  required(email, '/emails', 'Okta needs an e-mail address: give emails, or a username that is one.')
  if (email !== undefined) required(login, '/username', 'Okta needs a login: give username or emails.')
  required(firstName, '/first_name', 'Okta needs a first name (or remote_data.profile.firstName).')
  required(lastName, '/last_name', 'Okta needs a last name (or remote_data.profile.lastName).')
  const tooLong = checkLengths(
    'Okta',
    [login, 100, '/username'],
    [email, 100, primaryEmailPointer(input)],
    [firstName, 50, '/first_name'],
    [lastName, 50, '/last_name'],
    [user.password, 72, '/password'],
  )
  return [...problems, ...tooLong, ...validateGroups(user)]
}

function validateGroups({ groups = [] }: UnifiedUserInput): InputProblem[] {
  const tooMany = { pointer: '/groups', code: 'too_many', detail: `Okta takes at most ${MAX_GROUPS} groups on create.` }
  return [
    ...(groups.length > MAX_GROUPS ? [tooMany] : []),
    ...groups.flatMap(({ id }, index) =>
      id ? [] : [{ pointer: `/groups/${index}/id`, code: 'required', detail: 'Okta takes groups by id.' }],
    ),
  ]
}

export function toCreateRequest(input: CreateInput, account: AccountContext): CreatePlan {
  const { user, remoteQuery } = input
  const { login, email, firstName, lastName } = profileOf(input)
  const { secondEmail, mobile, primary } = chooseContacts(user)
  const body: JsonObject = {
    profile: {
      ...(login && { login }),
      ...(email && { email }),
      ...(firstName && { firstName }),
      ...(lastName && { lastName }),
      ...(secondEmail && { secondEmail: secondEmail.email }),
      ...(mobile && { mobilePhone: mobile.number }),
      ...(primary && { primaryPhone: primary.number }),
      ...(user.timezone && { timezone: user.timezone }),
      ...(user.languages?.[0] && { preferredLanguage: user.languages[0].replace('_', '-') }),
    },
    ...(user.password && { credentials: { password: { value: user.password } } }),
    ...(user.groups?.length && { groupIds: user.groups.map((group) => group.id ?? '') }),
  }
  const activate = user.status === 'inactive' ? false : account.config.activate !== false
  const query = { activate, ...remoteQuery }
  return {
    request: { method: 'POST', path: '/api/v1/users', query, body: withRemoteData(body, input) },
    warnings: warningsOf(input),
  }
}

const isMobile = ({ type = '' }: { type?: string | undefined }): boolean => /^(mobile|cell)/i.test(type)

/** The one second address, the one mobile and the one other number that Okta keeps. */
function chooseContacts(user: UnifiedUserInput) {
  const secondEmail = user.emails?.find((entry) => entry.email !== primaryEmail(user))
  const mobile = user.phones?.find(isMobile)
  const primary = user.phones?.find((phone) => !isMobile(phone))
  return { secondEmail, mobile, primary }
}

function warningsOf(input: CreateInput): Warning[] {
  const { user } = input
  const { secondEmail, mobile, primary } = chooseContacts(user)
  const warnings: Warning[] = []
  const warn = (pointer: string, detail: string) => warnings.push({ code: 'not_sent', pointer, detail })
  if (profileOf(input).isLoginDerived)
    warnings.push({ code: 'derived', pointer: '/username', detail: 'login was taken from the primary e-mail.' })
  user.emails?.forEach((entry, index) => {
    if (entry !== secondEmail && entry.email !== primaryEmail(user))
      warn(`/emails/${index}`, 'Okta keeps one second address; this one was left out.')
  })
  user.phones?.forEach((phone, index) => {
    if (phone !== mobile && phone !== primary)
      warn(`/phones/${index}`, 'Okta keeps one mobile and one other number; this one was left out.')
    else if (phone.extension) warn(`/phones/${index}/extension`, 'Okta has no field for an extension.')
  })
  user.languages?.slice(1).forEach((_, index) => warn(`/languages/${index + 1}`, 'Okta keeps one preferred language.'))
  return warnings
}

/**
 * By login, never by `search`, whose index lags behind. The path also takes an id and a short name, so the answer is
 * compared.
 */
export function toFindRequest(input: CreateInput): RemoteRequest {
  return { method: 'GET', path: pathOf`/api/v1/users/${toNaturalKey(input).sent}` }
}
