import { mergeJson, type JsonObject } from '@muster/contracts/json'
import { primaryEmail } from '@muster/contracts/unified-user'
import { primaryEmailPointer } from '../mapping/emails.ts'
import { firstText } from '../mapping/first-text.ts'
import { readNaturalKey } from '../engine/natural-key.ts'
import type { AccountContext, CreateInput, NaturalKey } from '../provider.ts'

/** The fields of User that mean something here, in Salesforce's own spelling. */
const fields = [
  'Username Email FirstName LastName Alias CommunityNickname TimeZoneSidKey LocaleSidKey EmailEncodingKey',
  'LanguageLocaleKey ProfileId UserRoleId Phone Extension MobilePhone Fax IsActive',
].flatMap((line) => line.split(' '))
const spellings = new Map(fields.map((name) => [name.toLowerCase(), name]))
const spell = (name: string): string => spellings.get(name.toLowerCase()) ?? name

/**
 * Salesforce takes the names of fields in any case. Here each has one spelling, so that a field stands once in the body,
 * and whatever reads it finds it.
 */
export function remoteDataOf({ user }: CreateInput): JsonObject {
  return Object.fromEntries(Object.entries(user.remote_data ?? {}).map(([name, value]) => [spell(name), value]))
}

/** Names of fields that remote_data gives a second time, in another case. */
export function repeatedFields({ user }: CreateInput): string[] {
  const seen = new Set<string>()
  return Object.keys(user.remote_data ?? {}).filter((name) => {
    const isRepeated = seen.has(name.toLowerCase())
    seen.add(name.toLowerCase())
    return isRepeated
  })
}

/** Where remote_data gives the field, as it spells it. */
export function remoteFieldPointer({ user }: CreateInput, field: string): string | undefined {
  const name = Object.keys(user.remote_data ?? {}).find((given) => given.toLowerCase() === field.toLowerCase())
  return name === undefined ? undefined : `/remote_data/${name}`
}

export const remoteText = (input: CreateInput, field: string): string | undefined =>
  firstText(remoteDataOf(input)[field])

/** The body as it will be sent. */
export const withRemoteData = (mapped: JsonObject, input: CreateInput): JsonObject =>
  mergeJson(mapped, remoteDataOf(input))

/** Sent unless remote_data has another. */
const emailOf = (input: CreateInput): string | undefined => primaryEmail(input.user) ?? remoteText(input, 'Email')

export function usernameOf(input: CreateInput, account: AccountContext): string | undefined {
  const given = remoteText(input, 'Username') ?? input.user.username
  if (given) return given
  const email = emailOf(input)
  return email && `${email}${firstText(account.config.username_suffix) ?? ''}`
}

/** Unique over all Salesforce orgs, without regard to case; stored in lower case, and never freed. */
export function toNaturalKey(input: CreateInput, account: AccountContext): NaturalKey {
  const username = usernameOf(input, account)
  const unified = input.user.username === undefined ? primaryEmailPointer(input) : '/username'
  return readNaturalKey(withRemoteData(username === undefined ? {} : { Username: username }, input), ['Username'], {
    pointer: remoteFieldPointer(input, 'Username') ?? unified,
    fold: (sent) => sent.toLowerCase(),
  })
}
