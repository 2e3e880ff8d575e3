import { primaryEmail } from '@muster/contracts/unified-user'
import { firstText } from '../first-text.ts'
import type { AccountContext, CreateInput, NaturalKey } from '../provider.ts'
import { networkIdOf, organizationIdOf, userTypeOf } from './target.ts'

export const emailOf = (input: CreateInput): string | undefined =>
  firstText(input.user.remote_data?.email, primaryEmail(input.user))
export const nameOf = (input: CreateInput): string | undefined =>
  firstText(input.user.remote_data?.name, input.user.name)

/**
 * An address is unique within an organization (admins) or network, so the same person can be created in two of them at
 * once.
 */
export function toNaturalKey(input: CreateInput, account: AccountContext): NaturalKey {
  const place = userTypeOf(input) === 'network' ? networkIdOf(input, account) : organizationIdOf(input, account)
  return { field: 'email', value: `${place ?? ''}/${(emailOf(input) ?? '').toLowerCase()}` }
}

/** The address that a record must have to be the user of this input. */
export function isAddressOf(input: CreateInput, email: string): boolean {
  return email.toLowerCase() === emailOf(input)?.toLowerCase()
}
