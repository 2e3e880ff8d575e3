import { mergeJson, type JsonObject } from '@muster/contracts/json'
import { primaryEmail } from '@muster/contracts/unified-user'
import { primaryEmailPointer } from '../mapping/emails.ts'
import { firstText } from '../mapping/first-text.ts'
import { readNaturalKey, remotePointer } from '../engine/natural-key.ts'
import type { AccountContext, CreateInput, NaturalKey } from '../provider.ts'

export const remoteDataOf = (input: CreateInput): JsonObject => input.user.remote_data ?? {}

/** The body as it will be sent. */
export const withRemoteData = (mapped: JsonObject, input: CreateInput): JsonObject =>
  mergeJson(mapped, remoteDataOf(input))

/** What is mapped, wherever it comes from. */
export const usernameOf = (input: CreateInput): string | undefined =>
  firstText(remoteDataOf(input).username, input.user.username, primaryEmail(input.user))
export const emailOf = (input: CreateInput): string | undefined =>
  firstText(remoteDataOf(input).email, primaryEmail(input.user))
export const passwordOf = (input: CreateInput): string | undefined =>
  firstText(remoteDataOf(input).password, input.user.password)

/**
 * Usernames are unique over all customers of Files.com. Whether case counts is not documented; folding only ever finds
 * more.
 */
export function toNaturalKey(input: CreateInput): NaturalKey {
  const username = usernameOf(input)
  const path = ['username']
  const unified = input.user.username === undefined ? primaryEmailPointer(input) : '/username'
  return readNaturalKey(withRemoteData(username === undefined ? {} : { username }, input), path, {
    pointer: remotePointer(input.user.remote_data, path) ?? unified,
    fold: foldUsername,
  })
}

export function foldUsername(username: string): string {
  return username.normalize('NFC').toLowerCase()
}

/** Needed with `sso`: which of the site's identity providers. */
export function ssoStrategyOf(input: CreateInput, account: AccountContext): number | undefined {
  const id = remoteDataOf(input).sso_strategy_id ?? account.config.sso_strategy_id
  return typeof id === 'number' ? id : undefined
}

/**
 * Always sent: what the vendor makes of a user with neither a method nor a password is not documented.
 * With `email_signup` it mails the person a link to choose a password; with `none` nobody can log in as the user.
 */
export function authenticationMethodOf(input: CreateInput, account: AccountContext): string {
  const remote = remoteDataOf(input)
  const given = firstText(remote.authentication_method)
  if (given !== undefined) return given
  if (input.user.status === 'invited') return 'email_signup'
  if (passwordOf(input) !== undefined) return 'password'
  if (firstText(remote.imported_password_hash) !== undefined) return 'password_with_imported_hash'
  if (typeof remote.sso_strategy_id === 'number') return 'sso'
  return firstText(account.config.authentication_method) ?? (emailOf(input) === undefined ? 'none' : 'email_signup')
}
