import { primaryEmail } from '@muster/contracts/unified-user'
import type { CreateInput } from '../provider.ts'

export interface Address {
  value: string
  /** JSON pointer of where the request gave it. */
  pointer: string
}

/** What becomes `primaryEmail`: remote_data's own, else the primary address, else a username that is an address. */
export function findAddress({ user }: CreateInput): Address | undefined {
  const own = user.remote_data?.primaryEmail
  if (typeof own === 'string' && own !== '') return { value: own, pointer: '/remote_data/primaryEmail' }
  const primary = primaryEmail(user)
  if (primary) return { value: primary, pointer: `/emails/${user.emails?.findIndex((entry) => entry.email === primary) ?? 0}/email` }
  if (user.username?.includes('@')) return { value: user.username, pointer: '/username' }
  return undefined
}
