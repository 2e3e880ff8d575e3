import { limitsOf } from '@muster/providers/limits'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/store/accounts'

/** What the account's limit allows. */
export function createsPerSecond(account: AccountRecord): number {
  const { requests, perSeconds, callsPerCreate } = limitsOf(providerOf(account.provider), account.limits)
  return requests / perSeconds / callsPerCreate
}

/**
 * Seconds until the last of so many operations would be done, by the account's limit and how long its lane rests
 * (milliseconds); null while the account is on hold.
 */
export function estimateWaitSeconds(account: AccountRecord, openOperations: number, restMs: number): number | null {
  if (account.status !== 'active') return null
  return Math.max(1, Math.ceil(fullRestMs(account, restMs) / 1000 + openOperations / createsPerSecond(account)))
}

/** A long rest is only interrupted by probes. */
export const fullRestMs = (account: AccountRecord, restMs: number, now = Date.now()): number =>
  Math.max(restMs, (account.cooldown?.until ?? 0) - now)
