import { primaryEmail } from '@muster/contracts/unified-user'
import { firstText } from '../first-text.ts'
import type { AccountContext, CreateInput, NaturalKey } from '../provider.ts'

export const remoteText = (input: CreateInput, key: string): string | undefined =>
  firstText(input.user.remote_data?.[key])

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
  return { field: 'Username', value: (usernameOf(input, account) ?? '').toLowerCase() }
}
