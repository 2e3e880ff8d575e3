import type { RemoteCall } from '@muster/contracts/operation'
import type { Outcome, UnknownOutcome } from '../outcome.ts'
import type { AttemptRecord, OperationState } from './record.ts'

/** The first attempt and the latest ones are kept; the count continues. */
const KEPT_ATTEMPTS = 20
const KEPT_CALLS = 12

export function addAttempt({ attempts, attemptCount }: OperationState, now: number): AttemptRecord[] {
  const attempt: AttemptRecord = {
    number: attemptCount + 1,
    startedAt: now,
    createSentAt: null,
    finishedAt: null,
    outcome: null,
    errorCode: null,
    calls: [],
  }
  const [first = attempt] = attempts
  return attempts.length < KEPT_ATTEMPTS
    ? [...attempts, attempt]
    : [first, ...attempts.slice(2 - KEPT_ATTEMPTS), attempt]
}

export const withLatest = ({ attempts }: OperationState, latest: AttemptRecord): AttemptRecord[] => [
  ...attempts.slice(0, -1),
  latest,
]

/** Where its create went is kept in `unknown`, where it matters. */
export function endAttempt(latest: AttemptRecord, end: Outcome, calls: RemoteCall[], now: number): AttemptRecord {
  const { sentTo: _, ...attempt } = latest
  return {
    ...attempt,
    // Taken back: nothing was sent.
    ...(end.outcome === 'interrupted' ? { createSentAt: null } : {}),
    finishedAt: now,
    outcome: end.outcome === 'expired' ? 'failed' : end.outcome,
    errorCode: 'code' in end ? end.code : null,
    calls: calls.slice(-KEPT_CALLS),
  }
}

/**
 * The attempt's create had no answer; unchanged where none was intended. Whose the user is counts from the intent; when
 * it must have turned up counts from `lostAt`, when the answer was given up: between the two the create may have been
 * executed at any moment.
 */
export function addUnknown(
  unknown: UnknownOutcome | null,
  { createSentAt, sentTo: latestSentTo }: AttemptRecord,
  lostAt: number,
): UnknownOutcome | null {
  if (createSentAt === null) return unknown
  const sentTo = unknown === null ? latestSentTo : unknown.sentTo
  return {
    firstSentAt: Math.min(unknown?.firstSentAt ?? createSentAt, createSentAt),
    lastSentAt: Math.max(unknown?.lastSentAt ?? lostAt, lostAt),
    ...(sentTo === undefined ? {} : { sentTo }),
  }
}

/** Its worker died: what it called, no one knows, but an intent stays one. */
export function interruptLatest(
  { unknown, attempts }: OperationState,
  now: number,
): Pick<OperationState, 'unknown' | 'attempts'> {
  const latest = attempts.at(-1)
  if (latest?.outcome !== null) return { unknown, attempts }
  const { sentTo: _, ...attempt } = latest
  return {
    // An intent is enough: whether the bytes left the machine, no one can tell any more.
    unknown: addUnknown(unknown, latest, now),
    attempts: [...attempts.slice(0, -1), { ...attempt, finishedAt: now, outcome: 'interrupted' }],
  }
}
