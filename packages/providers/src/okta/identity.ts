import { isJsonObject, type JsonObject } from '@muster/contracts/json'
import { primaryEmail } from '@muster/contracts/unified-user'
import { firstText } from '../first-text.ts'
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

/** Uniqueness ignores case and diacritics, and covers deactivated users. */
export function toNaturalKey(input: CreateInput): NaturalKey {
  return { field: 'login', value: foldLogin(identityOf(input).login ?? '') }
}

export function foldLogin(login: string): string {
  return login
    .normalize('NFD')
    .replace(/\p{Diacritic}/gu, '')
    .toLowerCase()
}
