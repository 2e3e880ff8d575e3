import { mergeJson, type JsonObject } from '@muster/contracts/json'
import { primaryEmail } from '@muster/contracts/unified-user'
import { primaryEmailPointer } from '../mapping/emails.ts'
import { firstText } from '../mapping/first-text.ts'
import { readNaturalKey, remotePointer } from '../engine/natural-key.ts'
import type { CreateInput, NaturalKey } from '../provider.ts'

export interface Address {
  value: string
  /** JSON pointer of where the request gave it. */
  pointer: string
}

/** What becomes `primaryEmail`: remote_data's own, else the primary address, else a username that is an address. */
export function findAddress(input: CreateInput): Address | undefined {
  const { user } = input
  const own = firstText(user.remote_data?.primaryEmail)
  if (own !== undefined) return { value: own, pointer: '/remote_data/primaryEmail' }
  const primary = primaryEmail(user)
  if (primary) return { value: primary, pointer: primaryEmailPointer(input) }
  if (user.username?.includes('@')) return { value: user.username, pointer: '/username' }
  return undefined
}

/** The body as it will be sent. */
export const withRemoteData = (mapped: JsonObject, { user }: CreateInput): JsonObject =>
  mergeJson(mapped, user.remote_data ?? {})

/** What is mapped is sent in lower case, as Google keeps it. */
export const mapAddress = (address: Address | undefined): JsonObject =>
  address ? { primaryEmail: foldAddress(address.value) } : {}

export function toNaturalKey(input: CreateInput): NaturalKey {
  const address = findAddress(input)
  const path = ['primaryEmail']
  return readNaturalKey(withRemoteData(mapAddress(address), input), path, {
    pointer: remotePointer(input.user.remote_data, path) ?? address?.pointer ?? '/emails',
    fold: foldAddress,
  })
}

export const foldAddress = (address: string): string => address.toLowerCase()

export function isConflictResolution({ remoteQuery }: CreateInput): boolean {
  return String(remoteQuery.resolveConflictAccount) === 'true'
}
