import { limitsOf } from '@muster/providers/engine/limits'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/domain/account/record'

/** What the account's limit allows. */
export function createsPerSecond(account: AccountRecord): number {
  const { requests, perSeconds, callsPerCreate } = limitsOf(providerOf(account.provider), account.limits)
  return requests / perSeconds / callsPerCreate
}

/** Over which the share of what overtakes a batch is measured. */
export const OVERTAKERS_WINDOW_MS = 60_000
const SHORTEST_WINDOW_MS = 5_000
/** Where what overtakes takes all there is, nobody can tell: slow, but a figure. */
const LEAST_SHARE = 0.02

/** The part of the limit that single creates have lately left to batches. @param overtaking accepted in `windowMs` */
export function shareLeft(account: AccountRecord, overtaking: number, windowMs: number): number {
  const perSecond = (overtaking * 1000) / Math.max(SHORTEST_WINDOW_MS, windowMs)
  return Math.max(LEAST_SHARE, 1 - perSecond / createsPerSecond(account))
}

/**
 * Seconds until the last of so many operations would be done, by the account's limit, the share of it that is left to
 * them, and how long its lane rests (milliseconds); null while the account is on hold.
 */
export function estimateWaitSeconds(
  account: AccountRecord,
  openOperations: number,
  restMs: number,
  share = 1,
): number | null {
  if (account.status !== 'active') return null
  const perSecond = createsPerSecond(account) * share
  return Math.max(1, Math.ceil(fullRestMs(account, restMs) / 1000 + openOperations / perSecond))
}

/** A long rest is only interrupted by probes. */
export const fullRestMs = (account: AccountRecord, restMs: number, now = Date.now()): number =>
  Math.max(restMs, (account.cooldown?.until ?? 0) - now)
