import { limitsOf } from '@muster/providers/limits'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/store/accounts'

/** Seconds until the last of so many operations would be done, by the account's limit and how long its lane rests (milliseconds); null while the account is on hold. */
export function estimateWaitSeconds(account: AccountRecord, openOperations: number, restMs: number): number | null {
  if (account.status !== 'active') return null
  const { requests, perSeconds, callsPerCreate } = limitsOf(providerOf(account.provider), account.limits)
  return Math.max(1, Math.ceil(restMs / 1000 + (openOperations * callsPerCreate * perSeconds) / requests))
}
