import { isJsonObject, mergeJson, type JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import { primaryEmail, type UnifiedUserInput } from '@muster/contracts/unified-user'
import type { AccountContext, CreateInput, CreatePlan, NaturalKey, RemoteRequest } from '../provider.ts'

/** Everything but the wrapper lives in `user`, so that is where remote_data goes; a whole body is recognized by its wrapper. */
function mergeRemoteData(mapped: JsonObject, remoteData: JsonObject = {}): JsonObject {
  return isJsonObject(remoteData.user) ? mergeJson({ user: mapped }, remoteData) : { user: mergeJson(mapped, remoteData) }
}

const tidy = (text: string | undefined): string => text?.trim().replace(/\s+/g, ' ') ?? ''

/** What was given wins; what was not comes out of `name`, which is cut at its first space. */
function namesOf(user: UnifiedUserInput): { firstName: string; lastName: string } {
  const [name, first, last] = [tidy(user.name), tidy(user.first_name), tidy(user.last_name)]
  if (last && !first && name.endsWith(` ${last}`)) return { firstName: name.slice(0, -last.length - 1), lastName: last }
  const cut = first && name.startsWith(`${first} `) ? first.length : name.indexOf(' ')
  const [before, after] = cut < 0 ? [name, ''] : [name.slice(0, cut), name.slice(cut + 1)]
  return { firstName: first || before, lastName: last || after }
}

function toBody({ user }: CreateInput): JsonObject {
  const email = primaryEmail(user)
  const mapped: JsonObject = {
    ...(user.username !== undefined && { username: user.username }),
    ...(email !== undefined && { email }),
    ...namesOf(user),
    ...(user.password !== undefined && { password: user.password }),
    // A number here, though answers hold strings.
    ...(user.group !== undefined && { group: user.group }),
  }
  return mergeRemoteData(mapped, user.remote_data)
}

/** The user object as it will be sent, remote_data included. */
function sentUser(input: CreateInput): JsonObject {
  const { user } = toBody(input)
  return isJsonObject(user) ? user : {}
}

const usernameOf = (input: CreateInput): string => {
  const { username } = sentUser(input)
  return typeof username === 'string' ? username.trim() : ''
}

export function validate(input: CreateInput): InputProblem[] {
  const problems: InputProblem[] = []
  const sent = sentUser(input)
  // Without a username that can be looked up, a lost answer could never be told from a user that was not created.
  if (usernameOf(input) === '') problems.push({ pointer: '/username', code: 'required', detail: 'ActiveCampaign needs a username (remote_data must not take it away).' })
  if (sent.firstName === '' && sent.lastName === '') problems.push({ pointer: '/name', code: 'required', detail: 'ActiveCampaign needs a name.' })
  const { group } = sent
  if (group !== undefined && group !== null && !/^\d+$/.test(String(group))) {
    problems.push({ pointer: '/group', code: 'invalid_value', detail: 'ActiveCampaign takes one group, by its number.' })
  }
  return problems
}

/** Unique in the account. Whether case counts is not documented: it is folded, so that two that may be equal are never under way at once. */
export function toNaturalKey(input: CreateInput): NaturalKey {
  return { field: 'username', value: usernameOf(input).normalize('NFC').toLowerCase() }
}

export function toCreateRequest(input: CreateInput, _account: AccountContext): CreatePlan {
  const { user } = input
  const body = toBody(input)
  const warnings: Warning[] = []

  const { firstName, lastName } = namesOf(user)
  const name = tidy(user.name)
  const isGuessed = (tidy(user.first_name) === '' || tidy(user.last_name) === '') && name.split(' ').length !== 2
  if (name && name.toLowerCase() !== `${firstName} ${lastName}`.trim().toLowerCase()) {
    warnings.push({ code: 'not_sent', pointer: '/name', detail: `ActiveCampaign has no full name: "${firstName}" and "${lastName}" were sent, and name was left out.` })
  } else if (isGuessed) {
    const detail = `name was sent as first name "${firstName}" and last name "${lastName}"; give first_name and last_name to cut it elsewhere.`
    warnings.push({ code: 'derived', pointer: '/name', detail })
  }
  const primary = primaryEmail(user)
  user.emails?.forEach(({ email }, index) => {
    if (email !== primary) warnings.push({ code: 'not_sent', pointer: `/emails/${index}`, detail: 'ActiveCampaign keeps one address; this one was left out.' })
  })

  return { request: { method: 'POST', path: '/api/3/users', query: input.remoteQuery, body }, warnings }
}

export function toFindRequest(input: CreateInput): RemoteRequest {
  return { method: 'GET', path: `/api/3/users/username/${encodeURIComponent(usernameOf(input))}` }
}
