import type { AccountStatus, Credentials } from '@muster/contracts/integrated-account'
import { asSentence } from '@muster/contracts/sentence'
import { isSameCooldown } from './cooldown.ts'
import type { AccountRecord, Cooldown } from './record.ts'

/**
 * What can happen to an account, and which statuses it is possible in. Every function below returns the next record,
 * or undefined where the change does not apply: the account is in another status, or has other credentials by now.
 */
export const accountTransitions = {
  hold: { from: ['active'], to: ['needs_reauth', 'permission_denied'] },
  noteRecheck: { from: ['needs_reauth', 'permission_denied'], to: ['needs_reauth', 'permission_denied'] },
  release: { from: ['needs_reauth', 'permission_denied'], to: ['active'] },
  /** New credentials release a hold, and leave a pause as it is. */
  replaceCredentials: { from: ['active', 'needs_reauth', 'permission_denied', 'paused'], to: ['active', 'paused'] },
  pause: { from: ['active', 'needs_reauth', 'permission_denied'], to: ['paused'] },
  resume: { from: ['active', 'needs_reauth', 'permission_denied', 'paused'], to: ['active'] },
} as const satisfies Record<string, { from: readonly AccountStatus[]; to: readonly AccountStatus[] }>

type Change = AccountRecord | undefined
const isFrom = (transition: keyof typeof accountTransitions, { status }: Pick<AccountRecord, 'status'>): boolean =>
  accountTransitions[transition].from.some((from) => from === status)

const MAX_RECHECK_MS = 6 * 3_600_000
/** Refused again this soon after a check released it, an account is checked no sooner than before. */
const RELAPSE_MS = 24 * 3_600_000

const toTime = (at: number): string => new Date(at).toISOString()

export const isHeld = ({ status }: Pick<AccountRecord, 'status'>): boolean =>
  status === 'needs_reauth' || status === 'permission_denied'

/** When the credentials of an account on hold are checked next: each wait is twice as long as the one before. */
export function recheckAt(record: AccountRecord, firstRecheckMs: number): number {
  const { count, lastAt } = record.recheck ?? { count: 0, lastAt: record.statusSince }
  return lastAt + Math.min(MAX_RECHECK_MS, firstRecheckMs * 2 ** Math.min(count, 30))
}

function firstRecheckOf({ recheck, statusSince }: AccountRecord, now: number): AccountRecord['recheck'] {
  const isRelapse = recheck !== undefined && now - statusSince < RELAPSE_MS
  return { count: isRelapse ? recheck.count + 1 : 0, lastAt: now }
}

function inStatus(record: AccountRecord, status: AccountStatus, statusReason: string | null, now: number) {
  return { ...record, status, statusReason, statusSince: now, updatedAt: now }
}

/** The provider refused these credentials, or what they may do. */
export function hold(
  record: AccountRecord,
  refusal: { status: 'needs_reauth' | 'permission_denied'; reason: string; credentialsVersion: number },
  now: number,
): Change {
  if (!isFrom('hold', record) || record.credentialsVersion !== refusal.credentialsVersion) return undefined
  return { ...inStatus(record, refusal.status, refusal.reason, now), recheck: firstRecheckOf(record, now) }
}

/** A check did not succeed. @param reason null where it got no answer about the credentials. */
export function noteRecheck(
  record: AccountRecord,
  check: { reason: string | null; credentialsVersion: number },
  now: number,
): Change {
  if (!isFrom('noteRecheck', record) || record.credentialsVersion !== check.credentialsVersion) return undefined
  const reason =
    check.reason === null ? record.statusReason : `${asSentence(check.reason)} Checked again at ${toTime(now)}.`
  const recheck = { count: (record.recheck?.count ?? 0) + 1, lastAt: now }
  return { ...record, statusReason: reason, recheck, updatedAt: now }
}

/** A check succeeded: waiting operations run again. */
export function release(record: AccountRecord, credentialsVersion: number, now: number): Change {
  if (!isFrom('release', record) || record.credentialsVersion !== credentialsVersion) return undefined
  return inStatus(record, 'active', `A check call was answered at ${toTime(now)}.`, now)
}

/** A new start: nothing that the old credentials met counts against the new ones. */
export function replaceCredentials(record: AccountRecord, type: Credentials['type'], now: number): AccountRecord {
  const { recheck: _, ...kept } = record
  const next: AccountRecord = {
    ...kept,
    credentialType: type,
    credentialsVersion: record.credentialsVersion + 1,
    updatedAt: now,
  }
  return isHeld(record) ? inStatus(next, 'active', null, now) : next
}

export function pause(record: AccountRecord, now: number): Change {
  return isFrom('pause', record) ? inStatus(record, 'paused', 'Paused by hand.', now) : undefined
}

/** Ends a cooldown too: who resumes an account wants it to try now. */
export function resume(record: AccountRecord, now: number): Change {
  const next = record.cooldown ? { ...record, cooldown: null } : record
  if (record.status !== 'active') return inStatus(next, 'active', null, now)
  return next === record ? undefined : next
}

/** Beside the status: an active account may cool down. Written only when it says something new. */
export function setCooldown(record: AccountRecord, cooldown: Cooldown | null): Change {
  return isSameCooldown(record.cooldown ?? null, cooldown) ? undefined : { ...record, cooldown }
}
