import { mergeJson, type JsonObject } from '@muster/contracts/json'
import { primaryEmail } from '@muster/contracts/unified-user'
import { primaryEmailPointer } from '../mapping/emails.ts'
import { firstText } from '../mapping/first-text.ts'
import { readNaturalKey, remotePointer } from '../engine/natural-key.ts'
import type { AccountContext, CreateInput, NaturalKey } from '../provider.ts'
import { networkIdOf, organizationIdOf, userTypeOf } from './target.ts'

export const emailOf = (input: CreateInput): string | undefined =>
  firstText(input.user.remote_data?.email, primaryEmail(input.user))
export const nameOf = (input: CreateInput): string | undefined =>
  firstText(input.user.remote_data?.name, input.user.name)

/** The body as it will be sent. */
export const withRemoteData = (mapped: JsonObject, { user }: CreateInput): JsonObject =>
  mergeJson(mapped, user.remote_data ?? {})

/**
 * An address is unique within an organization (admins) or network, so the same person can be created in two of them at
 * once.
 */
export function toNaturalKey(input: CreateInput, account: AccountContext): NaturalKey {
  const place = userTypeOf(input) === 'network' ? networkIdOf(input, account) : organizationIdOf(input, account)
  const email = emailOf(input)
  const path = ['email']
  return readNaturalKey(withRemoteData(email === undefined ? {} : { email }, input), path, {
    pointer: remotePointer(input.user.remote_data, path) ?? primaryEmailPointer(input),
    fold: (address) => `${place ?? ''}/${foldAddress(address)}`,
  })
}

const foldAddress = (address: string): string => address.toLowerCase()

/** The address that a record must have to be the user of this input: the list is of one place. */
export function isAddressOf(input: CreateInput, account: AccountContext, email: string): boolean {
  return foldAddress(email) === foldAddress(toNaturalKey(input, account).sent)
}
