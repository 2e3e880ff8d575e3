import { errorCodes } from '@muster/contracts/error-codes'
import type { OperationError, RemoteCall, TerminalStatus, Warning } from '@muster/contracts/operation'
import type { Failure, Outcome } from '../outcome.ts'
import { addAttempt, addUnknown, endAttempt, interruptLatest, withLatest } from './attempts.ts'
import type { AttemptRecord, OperationState, StoredStatus } from './record.ts'
import { backoff, type RetryPolicy } from './retry-policy.ts'

/** A worker that dies this often in a row over one operation does so because of it. */
const MAX_CRASHES = 3
/** After the second crash those that were under way with the culprit must not all be so again at its next turn. */
const CRASH_SPREAD_MS = 10_000

export type OperationEvent =
  | 'start_attempt'
  | 'suspend_attempt'
  | 'record_intent'
  | 'withdraw_intent'
  | 'finish_attempt'
  | 'recover_from_crash'
  | 'hold_unreadable'
  | 'expire'
  | 'cancel'
  | 'requeue'

/**
 * Event, status before it, statuses that may follow. Where nothing stands, the event is refused.
 * docs/operation-states.md shows the same, and a test compares them.
 */
export const transitions: Readonly<
  Record<OperationEvent, Readonly<Partial<Record<StoredStatus, readonly StoredStatus[]>>>>
> = {
  start_attempt: { queued: ['running'], retrying: ['running'] },
  suspend_attempt: { running: ['queued', 'retrying'] },
  record_intent: { running: ['running'] },
  withdraw_intent: { running: ['running'] },
  finish_attempt: { running: ['succeeded', 'failed', 'expired', 'retrying'] },
  recover_from_crash: { running: ['retrying', 'failed'] },
  hold_unreadable: { queued: ['queued'], retrying: ['retrying'] },
  expire: { queued: ['expired'], retrying: ['expired'] },
  cancel: { queued: ['canceled'], retrying: ['canceled'] },
  requeue: { failed: ['queued'], canceled: ['queued'], expired: ['queued'] },
}

export type Refusal = 'finished' | 'running' | 'not_failed' | 'sent'

/** A transition that the state does not allow. */
export class RefusedTransitionError extends Error {
  override readonly name = 'RefusedTransitionError'
  readonly reason: Refusal
  constructor(reason: Refusal) {
    super(reason)
    this.reason = reason
  }
}

function check(event: OperationEvent, { status }: OperationState): void {
  if (transitions[event][status]) return
  throw new RefusedTransitionError(event === 'requeue' ? 'not_failed' : status === 'running' ? 'running' : 'finished')
}

/** The attempt under way. */
function latestOf({ attempts }: OperationState): AttemptRecord {
  const latest = attempts.at(-1)
  if (!latest) throw new RefusedTransitionError('finished')
  return latest
}

export const isFinished = (state: OperationState): boolean =>
  ['succeeded', 'failed', 'canceled', 'expired'].includes(state.status)

/** For how long that lasts is its lane's to say, and can be ended. */
export const isRateLimited = ({ status, attempts }: OperationState): boolean =>
  status === 'retrying' && attempts.at(-1)?.outcome === 'rate_limited'

/** The job came up before its time (a crash between the record and the queue): nothing to do until then. */
export function dueAt(state: OperationState): number {
  const nextAt = state.status === 'retrying' && !isRateLimited(state) ? (state.nextAttemptAt ?? 0) : 0
  return Math.max(state.notBefore ?? 0, nextAt)
}

/**
 * Past its time, and nothing of it can have been created. What may have been created is looked up first, however late.
 */
export function isExpired(state: OperationState, now: number): boolean {
  return !isFinished(state) && state.status !== 'running' && state.unknown === null && state.expiresAt <= now
}

/** One that runs already, since its worker died, recovers first. */
export function startAttempt(state: OperationState, now: number): OperationState {
  check('start_attempt', state)
  return {
    ...readable(state),
    status: 'running',
    statusReason: null,
    updatedAt: now,
    startedAt: state.startedAt ?? now,
    nextAttemptAt: null,
    attemptCount: state.attemptCount + 1,
    attempts: addAttempt(state, now),
  }
}

/**
 * In the middle of its attempt it waits for a permit, perhaps for long, and nothing is sent: a worker that dies
 * meanwhile does not die because of it. `startAttempt` follows.
 */
export function suspendAttempt(state: OperationState, now: number): OperationState {
  check('suspend_attempt', state)
  if (latestOf(state).createSentAt !== null) throw new RefusedTransitionError('sent')
  const attempts = state.attempts.slice(0, -1)
  return {
    ...state,
    status: attempts.length === 0 ? 'queued' : 'retrying',
    statusReason: 'Waits until the limit of its account leaves room for a call.',
    updatedAt: now,
    attemptCount: state.attemptCount - 1,
    attempts,
  }
}

/** Written before the create is sent; the reason that a crash cannot make a second user. */
export function recordIntent(state: OperationState, warnings: Warning[], now: number, sentTo?: string): OperationState {
  check('record_intent', state)
  const intended = { ...latestOf(state), createSentAt: now, ...(sentTo === undefined ? {} : { sentTo }) }
  return { ...addWarnings(state, warnings), updatedAt: now, attempts: withLatest(state, intended) }
}

/** The create was refused without being executed, and waits for a permit to be sent once more. */
export function withdrawIntent(state: OperationState, now: number): OperationState {
  check('withdraw_intent', state)
  return { ...state, updatedAt: now, attempts: withLatest(state, { ...latestOf(state), createSentAt: null }) }
}

export function finishAttempt(
  state: OperationState,
  end: Outcome,
  calls: RemoteCall[],
  policy: RetryPolicy,
  now: number,
): OperationState {
  check('finish_attempt', state)
  const latest = latestOf(state)
  const next: OperationState = {
    ...state,
    updatedAt: now,
    // Only an attempt that came as far as those that died proves anything: a look-up does not.
    crashes: end.outcome === 'retrying' || end.outcome === 'unknown' ? 0 : (state.crashes ?? 0),
    attempts: withLatest(state, endAttempt(latest, end, calls, now)),
  }
  switch (end.outcome) {
    case 'succeeded': {
      const { how, remoteId, warnings } = end
      const succeeded = finish(addWarnings(next, warnings), 'succeeded', now)
      return { ...succeeded, outcome: how, remoteId, error: null, unknown: null }
    }
    case 'failed':
      return fail(addWarnings(next, end.warnings ?? []), end, now)
    case 'expired':
      return toExpired(next, now)
    case 'reconciling':
      return wait(next, end.at, 'Looking the user up after a lost answer.')
    case 'interrupted':
      return wait(next, end.at, 'Handed back before it was sent: its worker stopped, or the account cools down.')
    case 'rate_limited':
      return wait(next, end.at ?? now, end.message)
    case 'held':
      return wait(next, now, end.message)
    case 'retrying':
      return end.at === undefined ? tryAgain(next, end, policy, now) : wait(next, end.at, end.message)
    case 'unknown': {
      // The first look-up comes at the provider's own time; later ones back off like everything else.
      const at = state.unknown === null ? (end.at ?? now) : undefined
      return tryAgain({ ...next, unknown: addUnknown(state.unknown, latest, now) }, end, policy, now, at)
    }
  }
}

/**
 * Its worker died. The first time it continues at once; the third time in a row it is set aside as a dead letter, so
 * that it cannot take the workers down for ever. @param random in [0, 1).
 */
export function recoverFromCrash(state: OperationState, now: number, random = Math.random()): OperationState {
  check('recover_from_crash', state)
  const crashes = (state.crashes ?? 0) + 1
  const interrupted: OperationState = { ...state, updatedAt: now, crashes, ...interruptLatest(state, now) }
  if (crashes < MAX_CRASHES)
    return wait(interrupted, crashes === 1 ? now : now + Math.floor(random * CRASH_SPREAD_MS), 'Its worker died.')
  const code = interrupted.unknown === null ? 'internal' : 'outcome_unknown'
  const message = `The worker died ${crashes} times in a row while it ran this operation, so it was set aside.`
  return fail(interrupted, { code, message, origin: 'muster' }, now)
}

/** Something that it needs does not open. It waits as it is, says why, and loses nothing: no attempt has begun. */
export function holdUnreadable(state: OperationState, reason: string, now: number): OperationState {
  check('hold_unreadable', state)
  return { ...state, statusReason: reason, isUnreadable: true, updatedAt: now }
}

/** Where `isExpired`. */
export function expire(state: OperationState, now: number): OperationState {
  check('expire', state)
  return toExpired(state, now)
}

/** Only what cannot have been sent. */
export function cancel(state: OperationState, now: number): OperationState {
  check('cancel', state)
  if (state.unknown !== null) throw new RefusedTransitionError('sent')
  const error = toError({ code: 'canceled', message: 'Canceled before anything was sent.', origin: 'client' })
  return { ...finish(state, 'canceled', now), error }
}

/** A dead letter goes back to its lane. What is unknown about it stays so: its next attempt begins with a look-up. */
export function requeue(state: OperationState, expiresAt: number, now: number): OperationState {
  check('requeue', state)
  if (state.erasedAt !== undefined) throw new RefusedTransitionError('not_failed')
  return {
    ...state,
    status: 'queued',
    statusReason: null,
    updatedAt: now,
    finishedAt: null,
    notBefore: null,
    expiresAt,
    nextAttemptAt: null,
    run: state.run + 1,
    usedAttempts: 0,
    crashes: 0,
    error: null,
    remoteId: null,
  }
}

function wait(state: OperationState, nextAttemptAt: number, statusReason: string): OperationState {
  return { ...state, status: 'retrying', statusReason, nextAttemptAt }
}

/** One attempt is used up. @param at instead of the policy's delay. */
function tryAgain(
  state: OperationState,
  failure: Failure,
  policy: RetryPolicy,
  now: number,
  at?: number,
): OperationState {
  const used = { ...state, usedAttempts: state.usedAttempts + 1 }
  if (used.usedAttempts < policy.maxAttempts)
    return wait(used, at ?? now + backoff(policy, used.usedAttempts), failure.message)
  return fail(used, { ...failure, code: state.unknown === null ? failure.code : 'outcome_unknown' }, now)
}

type Reason = Pick<Failure, 'code' | 'message'> & Partial<Failure>

function fail(state: OperationState, failure: Reason, now: number): OperationState {
  return { ...finish(state, 'failed', now), remoteId: failure.remoteId ?? null, error: toError(failure) }
}

function toExpired(state: OperationState, now: number): OperationState {
  const waitedFor = state.statusReason === null ? '' : ` It was waiting: ${state.statusReason}`
  const message = `Its expires_at passed before the user was created.${waitedFor}`
  return { ...finish(state, 'expired', now), error: toError({ code: 'expired', message, origin: 'muster' }) }
}

function toError({ code, message, origin, outcome, pointer, response }: Reason): OperationError {
  const { retryable, hint } = errorCodes[code]
  return {
    code,
    message,
    origin: origin ?? (outcome === 'unknown' ? 'muster' : 'provider'),
    retryable,
    pointer: pointer ?? null,
    provider_status: response?.status ?? null,
    raw_response: response?.body ?? null,
    hint,
  }
}

function finish(state: OperationState, status: TerminalStatus, now: number): OperationState {
  return {
    ...readable(state),
    status,
    statusReason: null,
    updatedAt: now,
    finishedAt: now,
    nextAttemptAt: null,
  }
}

const readable = (state: OperationState): OperationState =>
  state.isUnreadable ? { ...state, isUnreadable: false } : state

function addWarnings(state: OperationState, added: Warning[]): OperationState {
  const known = new Set(state.warnings.map((warning) => JSON.stringify(warning)))
  const warnings = [...state.warnings, ...added.filter((warning) => !known.has(JSON.stringify(warning)))]
  return { ...state, warnings }
}
