import { limitsOf } from '@muster/providers/limits'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/store/accounts'

/** Seconds until an operation accepted now would be done, by what is ahead of it and the account's limit; null while the account is on hold. */
export function estimateWaitSeconds(account: AccountRecord, openOperations: number): number | null {
  if (account.status !== 'active') return null
  const { requests, perSeconds, callsPerCreate } = limitsOf(providerOf(account.provider), account.limits)
  return Math.max(1, Math.ceil((openOperations * callsPerCreate * perSeconds) / requests))
}
