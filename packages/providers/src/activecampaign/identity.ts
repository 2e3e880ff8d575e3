import { isJsonObject, mergeJson, type JsonObject } from '@muster/contracts/json'
import { primaryEmail, type UnifiedUserInput } from '@muster/contracts/unified-user'
import { firstText } from '../mapping/first-text.ts'
import { readNaturalKey, remotePointer } from '../engine/natural-key.ts'
import type { CreateInput, NaturalKey } from '../provider.ts'

/**
 * Everything but the wrapper lives in `user`, so that is where remote_data goes; a whole body is recognized by its
 * wrapper.
 */
function mergeRemoteData(mapped: JsonObject, remoteData: JsonObject = {}): JsonObject {
  return isJsonObject(remoteData.user)
    ? mergeJson({ user: mapped }, remoteData)
    : { user: mergeJson(mapped, remoteData) }
}

export const tidy = (text: string | undefined): string => text?.trim().replace(/\s+/g, ' ') ?? ''

/** What was given wins; what was not comes out of `name`, which is cut at its first space. */
export function namesOf(user: UnifiedUserInput): { firstName: string; lastName: string } {
  const [name, first, last] = [tidy(user.name), tidy(user.first_name), tidy(user.last_name)]
  if (last && !first && name.endsWith(` ${last}`)) return { firstName: name.slice(0, -last.length - 1), lastName: last }
  const cut = first && name.startsWith(`${first} `) ? first.length : name.indexOf(' ')
  const [before, after] = cut < 0 ? [name, ''] : [name.slice(0, cut), name.slice(cut + 1)]
  return { firstName: first || before, lastName: last || after }
}

export function toBody({ user }: CreateInput): JsonObject {
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
export function sentUser(input: CreateInput): JsonObject {
  const { user } = toBody(input)
  return isJsonObject(user) ? user : {}
}

export const emailOf = (input: CreateInput): string | undefined => firstText(sentUser(input).email)

/**
 * Unique in the account. Whether case counts is not documented: it is folded, so that two that may be equal are never
 * under way at once.
 */
export function toNaturalKey(input: CreateInput): NaturalKey {
  const remoteData = input.user.remote_data
  return readNaturalKey(toBody(input), ['user', 'username'], {
    pointer: remotePointer(remoteData, ['user', 'username']) ?? remotePointer(remoteData, ['username']) ?? '/username',
    fold: foldUsername,
  })
}

export function foldUsername(username: string): string {
  return username.normalize('NFC').toLowerCase()
}
