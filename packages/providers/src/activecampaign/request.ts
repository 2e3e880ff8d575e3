import { compose } from '@muster/contracts/clean-text'
import { isJsonObject, mergeJson, type JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import { primaryEmail, type UnifiedUserInput, type UnifiedUserInputField } from '@muster/contracts/unified-user'
import { readNaturalKey, remotePointer } from '../engine/natural-key.ts'
import { pathOf } from '../engine/remote-request.ts'
import { warnOfFurtherEmails } from '../mapping/emails.ts'
import { firstText } from '../mapping/first-text.ts'
import type { CreateInput, CreatePlan, NaturalKey, RemoteRequest } from '../provider.ts'

const tidy = (text: string | undefined): string => text?.trim().replace(/\s+/g, ' ') ?? ''

/** What was given wins; what was not comes out of `name`, which is cut at its first space. */
function namesOf(user: UnifiedUserInput): { firstName: string; lastName: string } {
  const [name, first, last] = [tidy(user.name), tidy(user.first_name), tidy(user.last_name)]
  if (last && !first && name.endsWith(` ${last}`)) return { firstName: name.slice(0, -last.length - 1), lastName: last }
  const cut = first && name.startsWith(`${first} `) ? first.length : name.indexOf(' ')
  const [before, after] = cut < 0 ? [name, ''] : [name.slice(0, cut), name.slice(cut + 1)]
  return { firstName: first || before, lastName: last || after }
}

/**
 * Everything but the wrapper is in `user`, so that is where remote_data goes; a whole body is recognized by its
 * wrapper.
 */
function mergeRemoteData(mapped: JsonObject, remoteData: JsonObject = {}): JsonObject {
  return isJsonObject(remoteData.user)
    ? mergeJson({ user: mapped }, remoteData)
    : { user: mergeJson(mapped, remoteData) }
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
  const body = mergeRemoteData(mapped, user.remote_data)
  const sent = isJsonObject(body.user) ? body.user : {}
  // Without the spaces around it, wherever it comes from: what is sent must be what a look-up can ask for.
  return typeof sent.username === 'string' ? mergeJson(body, { user: { username: sent.username.trim() } }) : body
}

/** The user object as it will be sent, remote_data included. */
function sentUser(input: CreateInput): JsonObject {
  const { user } = toBody(input)
  return isJsonObject(user) ? user : {}
}

export const emailOf = (input: CreateInput): string | undefined => firstText(sentUser(input).email)

/**
 * Unique in the account. Whether case counts is not documented: it is folded, so that two that may be equal are never
 * in progress at once.
 */
export function toNaturalKey(input: CreateInput): NaturalKey {
  const pointer = remotePointer(input.user.remote_data, ['username']) ?? '/username'
  return readNaturalKey(input, toBody(input), ['user', 'username'], { pointer, fold: foldUsername })
}

export function foldUsername(username: string): string {
  return compose(username).toLowerCase()
}

/** ActiveCampaign's fields of each required one. */
const sentAs: Readonly<Partial<Record<UnifiedUserInputField, readonly string[]>>> = {
  name: ['firstName', 'lastName'],
  emails: ['email'],
  password: ['password'],
  username: ['username'],
  group: ['group'],
}

/** By remote_data, and the name by its parts. */
export function isGivenElsewhere(field: UnifiedUserInputField, input: CreateInput): boolean {
  const sent = sentUser(input)
  return (sentAs[field] ?? []).some((name) => firstText(sent[name]) !== undefined || typeof sent[name] === 'number')
}

export function validate(input: CreateInput): InputProblem[] {
  const problems: InputProblem[] = []
  const { firstName, lastName, group } = sentUser(input)
  const problem = (pointer: string, code: string, detail: string) => problems.push({ pointer, code, detail })
  // Without a username that can be looked up, a lost answer would look the same as a user that was not created.
  if (toNaturalKey(input).sent === '')
    problem('/username', 'required', 'ActiveCampaign needs a username (remote_data must not take it away).')
  if (firstName === '' && lastName === '') problem('/name', 'required', 'ActiveCampaign needs a name.')
  if (group !== undefined && group !== null && !/^\d+$/.test(String(group)))
    problem('/group', 'invalid_value', 'ActiveCampaign takes one group, by its number.')
  return problems
}

export function toCreateRequest(input: CreateInput): CreatePlan {
  const { user, remoteQuery: query } = input
  return {
    request: { method: 'POST', path: '/api/3/users', query, body: toBody(input) },
    warnings: [...warnOfNames(user), ...warnOfFurtherEmails(user, 'ActiveCampaign')],
  }
}

function warnOfNames(user: UnifiedUserInput): Warning[] {
  const warnings: Warning[] = []
  const { firstName, lastName } = namesOf(user)
  const name = tidy(user.name)
  const isGuessed = (tidy(user.first_name) === '' || tidy(user.last_name) === '') && name.split(' ').length !== 2
  if (name && name.toLowerCase() !== `${firstName} ${lastName}`.trim().toLowerCase()) {
    const detail = `ActiveCampaign has no full name: "${firstName}" and "${lastName}" were sent, and name was left out.`
    warnings.push({ code: 'not_sent', pointer: '/name', detail })
  } else if (isGuessed) {
    const detail = `name was sent as first name "${firstName}" and last name "${lastName}"; give first_name and last_name to cut it elsewhere.`
    warnings.push({ code: 'derived', pointer: '/name', detail })
  }
  if (user.username !== undefined && user.username !== user.username.trim())
    warnings.push({ code: 'derived', pointer: '/username', detail: 'The spaces around the username were left out.' })
  return warnings
}

export function toFindRequest(input: CreateInput): RemoteRequest {
  return { method: 'GET', path: pathOf`/api/3/users/username/${toNaturalKey(input).sent}` }
}

export function toFindByEmailRequest(email: string): RemoteRequest {
  return { method: 'GET', path: pathOf`/api/3/users/email/${email}` }
}
