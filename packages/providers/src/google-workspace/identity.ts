import { primaryEmail } from '@muster/contracts/unified-user'
import { primaryEmailPointer } from '../emails.ts'
import { firstText } from '../first-text.ts'
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

export function toNaturalKey(input: CreateInput): NaturalKey {
  return { field: 'primaryEmail', value: findAddress(input)?.value.toLowerCase() ?? '' }
}

export function isConflictResolution({ remoteQuery }: CreateInput): boolean {
  return String(remoteQuery.resolveConflictAccount) === 'true'
}
