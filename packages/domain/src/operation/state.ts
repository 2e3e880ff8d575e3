import { errorCodes } from '@muster/contracts/error-codes'
import type { OperationError, RemoteCall, Warning } from '@muster/contracts/operation'
import type { Failure, Outcome, UnknownOutcome } from '../outcome.ts'
import type { AttemptRecord, OperationState } from './record.ts'

/** The first attempt and the latest ones are kept; the count goes on. */
const KEPT_ATTEMPTS = 20
const KEPT_CALLS = 12

export interface RetryPolicy {
  /** Attempts that may fail before the operation does. Rate limits and holds do not count. */
  maxAttempts: number
  baseDelayMs: number
  maxDelayMs: number
}

/**
 * About an hour and a half in all: long enough for a provider's outage, and each delay is full jitter up to a quarter
 * of an hour.
 */
export const defaultRetryPolicy: RetryPolicy = { maxAttempts: 20, baseDelayMs: 1_000, maxDelayMs: 15 * 60_000 }

/** Capped exponential backoff with full jitter. @param random in [0, 1). */
export function backoff(policy: RetryPolicy, usedAttempts: number, random = Math.random()): number {
  return Math.floor(random * Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** usedAttempts)) + 50
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

export const isFinished = (state: OperationState): boolean =>
  ['succeeded', 'failed', 'canceled', 'expired'].includes(state.status)

/** The job came up before its time (a crash between the record and the queue): nothing to do until then. */
export function dueAt(state: OperationState): number {
  // How long a throttled account rests is its lane's to say, and can be ended.
  const isThrottled = state.attempts.at(-1)?.outcome === 'rate_limited'
  const nextAt = state.status === 'retrying' && !isThrottled ? (state.nextAttemptAt ?? 0) : 0
  return Math.max(state.notBefore ?? 0, nextAt)
}

/**
 * Past its time, and nothing of it can have been created. What may have been created is looked up first, however late.
 */
export function isExpired(state: OperationState, now: number): boolean {
  return !isFinished(state) && state.status !== 'running' && state.unknown === null && state.expiresAt <= now
}

/** queued, retrying → running. One that runs already, since its worker died, recovers first. */
export function startAttempt(state: OperationState, now: number): OperationState {
  if (isFinished(state)) throw new RefusedTransitionError('finished')
  if (state.status === 'running') throw new RefusedTransitionError('running')
  const attempt: AttemptRecord = {
    number: state.attemptCount + 1,
    startedAt: now,
    createSentAt: null,
    finishedAt: null,
    outcome: null,
    errorCode: null,
    calls: [],
  }
  return {
    ...state,
    status: 'running',
    statusReason: null,
    ...(state.isUnreadable ? { isUnreadable: false } : {}),
    updatedAt: now,
    startedAt: state.startedAt ?? now,
    nextAttemptAt: null,
    attemptCount: attempt.number,
    attempts: keep([...state.attempts, attempt]),
  }
}

/** Something that it needs does not open. It waits as it is, says why, and loses nothing: no attempt has begun. */
export function holdUnreadable(state: OperationState, reason: string, now: number): OperationState {
  if (isFinished(state)) throw new RefusedTransitionError('finished')
  if (state.status === 'running') throw new RefusedTransitionError('running')
  return { ...state, statusReason: reason, isUnreadable: true, updatedAt: now }
}

function interruptAttempt(state: OperationState, now: number): OperationState {
  const latest = state.attempts.at(-1)
  if (!latest || latest.outcome !== null) return state
  return {
    ...state,
    // Having been sent off is enough: whether the bytes left the machine, nobody can tell any more.
    unknown: latest.createSentAt === null ? state.unknown : addUnknown(state, latest, latest.createSentAt, now),
    attempts: [...state.attempts.slice(0, -1), { ...withoutAddress(latest), finishedAt: now, outcome: 'interrupted' }],
  }
}

/** A worker that dies this often in a row over one operation does so because of it. */
const MAX_CRASHES = 3
/** After the second crash those that were under way with the culprit must not all be so again at its next turn. */
const CRASH_SPREAD_MS = 10_000

/**
 * running → retrying: its worker died. The first time it goes on at once; the third time in a row it is set aside as a
 * dead letter, so that it cannot take the workers down for ever. @param random in [0, 1).
 */
export function recoverFromCrash(state: OperationState, now: number, random = Math.random()): OperationState {
  if (state.status !== 'running') throw new RefusedTransitionError('finished')
  const crashes = (state.crashes ?? 0) + 1
  const interrupted: OperationState = { ...interruptAttempt(state, now), updatedAt: now, crashes }
  if (crashes >= MAX_CRASHES) {
    const code = interrupted.unknown === null ? 'internal' : 'outcome_unknown'
    return fail(
      interrupted,
      {
        outcome: 'failed',
        code,
        message: `The worker died ${crashes} times in a row while it ran this operation, so it was set aside.`,
        origin: 'muster',
      },
      now,
    )
  }
  return {
    ...interrupted,
    status: 'retrying',
    statusReason: 'Its worker died.',
    nextAttemptAt: crashes === 1 ? now : now + Math.floor(random * CRASH_SPREAD_MS),
  }
}

/**
 * Whose the user is counts from the intent; when it must have turned up counts from `lostAt`, when the answer was given
 * up: between the two the create was on its way, and may have been executed at any moment.
 */
function addUnknown(
  { unknown }: OperationState,
  attempt: AttemptRecord,
  intendedAt: number,
  lostAt: number,
): UnknownOutcome {
  const sentTo = unknown === null ? attempt.sentTo : unknown.sentTo
  return {
    firstSentAt: Math.min(unknown?.firstSentAt ?? intendedAt, intendedAt),
    lastSentAt: Math.max(unknown?.lastSentAt ?? lostAt, lostAt),
    ...(sentTo === undefined ? {} : { sentTo }),
  }
}

/** Of an attempt that has ended, it is kept where its outcome is unknown. */
function withoutAddress(attempt: AttemptRecord): AttemptRecord {
  const { sentTo: _, ...kept } = attempt
  return kept
}

/** Written before the create is sent; the reason that a crash cannot make a second user. */
export function recordIntent(state: OperationState, warnings: Warning[], now: number, sentTo?: string): OperationState {
  const latest = state.attempts.at(-1)
  if (state.status !== 'running' || !latest) throw new RefusedTransitionError('finished')
  return {
    ...state,
    updatedAt: now,
    warnings: addWarnings(state.warnings, warnings),
    attempts: [
      ...state.attempts.slice(0, -1),
      { ...latest, createSentAt: now, ...(sentTo === undefined ? {} : { sentTo }) },
    ],
  }
}

/** The create was refused without being executed, and waits for a permit to be sent once more. */
export function withdrawIntent(state: OperationState, now: number): OperationState {
  const latest = state.attempts.at(-1)
  if (state.status !== 'running' || !latest) throw new RefusedTransitionError('finished')
  return { ...state, updatedAt: now, attempts: [...state.attempts.slice(0, -1), { ...latest, createSentAt: null }] }
}

/**
 * running → queued or retrying: in the middle of its attempt it waits for a permit, perhaps for long, and nothing is
 * sent. A worker that dies meanwhile does not die because of it. `startAttempt` follows.
 */
export function suspendAttempt(state: OperationState, now: number): OperationState {
  const latest = state.attempts.at(-1)
  if (state.status !== 'running' || !latest) throw new RefusedTransitionError('finished')
  if (latest.createSentAt !== null) throw new RefusedTransitionError('sent')
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

/** running → retrying or an end. */
export function finishAttempt(
  state: OperationState,
  end: Outcome,
  calls: RemoteCall[],
  policy: RetryPolicy,
  now: number,
): OperationState {
  const latest = state.attempts.at(-1)
  if (state.status !== 'running' || !latest) throw new RefusedTransitionError('finished')
  const attempt: AttemptRecord = {
    ...withoutAddress(latest),
    finishedAt: now,
    outcome: end.outcome === 'expired' ? 'failed' : end.outcome,
    errorCode: 'code' in end ? end.code : null,
    calls: calls.slice(-KEPT_CALLS),
  }
  // Only an attempt that came as far as those that died proves anything: a look-up does not.
  const crashes = end.outcome === 'retrying' || end.outcome === 'unknown' ? 0 : (state.crashes ?? 0)
  const next: OperationState = {
    ...state,
    updatedAt: now,
    crashes,
    attempts: [...state.attempts.slice(0, -1), attempt],
  }
  const wait = (at: number, statusReason: string, used: number): OperationState => ({
    ...next,
    status: 'retrying',
    statusReason,
    nextAttemptAt: at,
    usedAttempts: state.usedAttempts + used,
  })

  switch (end.outcome) {
    case 'succeeded':
      return {
        ...finish(next, 'succeeded', now),
        outcome: end.how,
        remoteId: end.remoteId,
        warnings: addWarnings(state.warnings, end.warnings),
        error: null,
        unknown: null,
      }
    case 'failed':
      return { ...fail(next, end, now), warnings: addWarnings(state.warnings, end.warnings ?? []) }
    case 'expired':
      return expire(next, now)
    case 'reconciling':
      return wait(end.at, 'Looking the user up after a lost answer.', 0)
    case 'rate_limited':
      return wait(end.at ?? now, end.message, 0)
    case 'held':
      return wait(now, end.message, 0)
    case 'interrupted':
      // Nothing was sent, so the intent of this attempt is taken back.
      return {
        ...wait(end.at, 'Handed back before it was sent: its worker stopped, or the account rests.', 0),
        attempts: [...state.attempts.slice(0, -1), { ...attempt, createSentAt: null }],
      }
    case 'retrying':
    case 'unknown': {
      if (end.outcome === 'retrying' && end.at !== undefined) return wait(end.at, end.message, 0)
      const isUnknown = end.outcome === 'unknown'
      const unknown =
        isUnknown && latest.createSentAt !== null ? addUnknown(state, latest, latest.createSentAt, now) : state.unknown
      const used = state.usedAttempts + 1
      if (used >= policy.maxAttempts) {
        const code = unknown === null ? end.code : 'outcome_unknown'
        return fail({ ...next, unknown, usedAttempts: used }, { ...end, code }, now)
      }
      // The first look-up comes at the provider's own time; later ones back off like everything else.
      const at = isUnknown && state.unknown === null ? (end.at ?? now) : now + backoff(policy, used)
      return { ...wait(at, end.message, 1), unknown }
    }
  }
}

function fail(state: OperationState, failure: Failure, now: number): OperationState {
  return { ...finish(state, 'failed', now), remoteId: failure.remoteId ?? null, error: toError(failure) }
}

function toError(failure: Omit<Failure, 'outcome'> & Partial<Failure>): OperationError {
  return {
    code: failure.code,
    message: failure.message,
    origin: failure.origin ?? (failure.outcome === 'unknown' ? 'muster' : 'provider'),
    retryable: errorCodes[failure.code].retryable,
    pointer: failure.pointer ?? null,
    provider_status: failure.response?.status ?? null,
    raw_response: failure.response?.body ?? null,
    hint: errorCodes[failure.code].hint,
  }
}

function finish(
  state: OperationState,
  status: 'succeeded' | 'failed' | 'canceled' | 'expired',
  now: number,
): OperationState {
  return {
    ...state,
    status,
    statusReason: null,
    ...(state.isUnreadable ? { isUnreadable: false } : {}),
    updatedAt: now,
    finishedAt: now,
    nextAttemptAt: null,
  }
}

export function expire(state: OperationState, now: number): OperationState {
  const waitedFor = state.statusReason === null ? '' : ` It was waiting: ${state.statusReason}`
  return {
    ...finish(state, 'expired', now),
    error: toError({
      code: 'expired',
      message: `Its expires_at passed before the user was created.${waitedFor}`,
      origin: 'muster',
    }),
  }
}

/** Only what cannot have been sent. */
export function cancel(state: OperationState, now: number): OperationState {
  if (isFinished(state)) throw new RefusedTransitionError('finished')
  if (state.status === 'running') throw new RefusedTransitionError('running')
  if (state.unknown !== null) throw new RefusedTransitionError('sent')
  return {
    ...finish(state, 'canceled', now),
    error: toError({ code: 'canceled', message: 'Canceled before anything was sent.', origin: 'client' }),
  }
}

/** A dead letter goes back to its lane. What is unknown about it stays so: its next attempt begins with a look-up. */
export function requeue(state: OperationState, expiresAt: number, now: number): OperationState {
  if (state.status === 'succeeded' || !isFinished(state) || state.erasedAt !== undefined)
    throw new RefusedTransitionError('not_failed')
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

function addWarnings(present: Warning[], added: Warning[]): Warning[] {
  const known = new Set(present.map((warning) => JSON.stringify(warning)))
  return [...present, ...added.filter((warning) => !known.has(JSON.stringify(warning)))]
}

function keep(attempts: AttemptRecord[]): AttemptRecord[] {
  const [first] = attempts
  return first && attempts.length > KEPT_ATTEMPTS ? [first, ...attempts.slice(1 - KEPT_ATTEMPTS)] : attempts
}
