import { limitsOf } from '@muster/providers/engine/limits'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/domain/account/record'

/** What the account's limit allows. */
export function createsPerSecond(account: AccountRecord): number {
  const { requests, perSeconds, callsPerCreate } = limitsOf(providerOf(account.provider), account.limits)
  return requests / perSeconds / callsPerCreate
}

/** Over this time it is measured how many creates overtake a batch. */
export const OVERTAKERS_WINDOW_MS = 60_000
const SHORTEST_WINDOW_MS = 5_000
/** Where single creates use up the limit, the estimate is long, but still a figure. */
const LEAST_SHARE = 0.02

/** The share of the limit that single creates have lately left to batches. @param overtaking accepted in `windowMs` */
export function shareLeft(account: AccountRecord, overtaking: number, windowMs: number): number {
  const perSecond = (overtaking * 1000) / Math.max(SHORTEST_WINDOW_MS, windowMs)
  return Math.max(LEAST_SHARE, 1 - perSecond / createsPerSecond(account))
}

/**
 * Seconds until the last of so many operations would be done, by the account's limit, their share of it, and the
 * cooldown of its lane, which ends with the next call; null while the account is on hold.
 */
export function estimateWaitSeconds(
  account: AccountRecord,
  openOperations: number,
  cooldownMs: number,
  share = 1,
): number | null {
  if (account.status !== 'active') return null
  const perSecond = createsPerSecond(account) * share
  return Math.max(1, Math.ceil(cooldownMs / 1000 + openOperations / perSecond))
}

/** No sooner than the latest of them may start. */
export const atLeastUntil = (seconds: number | null, latestAt: number | null, now = Date.now()): number | null =>
  seconds === null || latestAt === null ? seconds : Math.max(seconds, Math.ceil((latestAt - now) / 1000))
