import { isJsonObject, mergeJson, type JsonObject } from '@muster/contracts/json'
import { primaryEmail } from '@muster/contracts/unified-user'
import { primaryEmailPointer } from '../mapping/emails.ts'
import { firstText } from '../mapping/first-text.ts'
import { readNaturalKey, remotePointer } from '../engine/natural-key.ts'
import type { CreateInput, NaturalKey } from '../provider.ts'

const profileOf = (input: CreateInput): JsonObject => {
  const profile = input.user.remote_data?.profile
  return isJsonObject(profile) ? profile : {}
}

/** What the default profile schema requires, each from where it may come. */
export function identityOf(input: CreateInput) {
  const { user } = input
  const profile = profileOf(input)
  const login = firstText(profile.login, user.username, primaryEmail(user))
  const email = firstText(profile.email, primaryEmail(user), user.username?.includes('@') ? user.username : undefined)
  const isLoginDerived = firstText(profile.login, user.username) === undefined
  return {
    login,
    email,
    firstName: firstText(profile.firstName, user.first_name),
    lastName: firstText(profile.lastName, user.last_name),
    isLoginDerived,
  }
}

/** The body as it will be sent. */
export const withRemoteData = (mapped: JsonObject, { user }: CreateInput): JsonObject =>
  mergeJson(mapped, user.remote_data ?? {})

/** Uniqueness ignores case and diacritics, and covers deactivated users. */
export function toNaturalKey(input: CreateInput): NaturalKey {
  const { login } = identityOf(input)
  const path = ['profile', 'login']
  const unified = input.user.username === undefined ? primaryEmailPointer(input) : '/username'
  return readNaturalKey(withRemoteData({ profile: login === undefined ? {} : { login } }, input), path, {
    pointer: remotePointer(input.user.remote_data, path) ?? unified,
    fold: foldLogin,
  })
}

export function foldLogin(login: string): string {
  return login.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()
}
