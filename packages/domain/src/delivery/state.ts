import type { DeliveryAttempt, DeliveryState, DeliveryStatus } from './record.ts'

/** What an attempt came to. `interrupted`: we broke it off, so it may have arrived, and does not count as a failure. */
export type DeliveryEnd =
  { kind: 'delivered' } | { kind: 'interrupted' } | { kind: 'failed' } | { kind: 'again'; delayMs: number }

export type DeliveryStep = DeliveryEnd['kind'] | 'replay'

/** Everything that can happen to a delivery; a step that is not listed is refused. */
export const deliveryTransitions: Record<DeliveryStatus, Partial<Record<DeliveryStep, DeliveryStatus>>> = {
  pending: { delivered: 'delivered', interrupted: 'pending', again: 'pending', failed: 'failed' },
  delivered: { replay: 'pending' },
  failed: { replay: 'pending' },
}

/** The first attempt and the latest ones are kept; all are counted. */
const KEPT_ATTEMPTS = 20

export const newDelivery = (now: number): DeliveryState => ({
  status: 'pending',
  updatedAt: now,
  finishedAt: null,
  nextAttemptAt: null,
  attemptCount: 0,
  failedAttempts: 0,
  run: 0,
  attempts: [],
})

/** Its endpoint has all pending deliveries it may: kept like any other that failed, to be replayed. */
export const refusedDelivery = (now: number): DeliveryState => ({
  ...newDelivery(now),
  status: 'failed',
  finishedAt: now,
  reason: 'too_many_pending',
})

export function finishDeliveryAttempt(
  state: DeliveryState,
  attempt: Omit<DeliveryAttempt, 'number'>,
  end: DeliveryEnd,
  now: number,
): DeliveryState {
  const status = nextStatus(state, end.kind)
  const attemptCount = state.attemptCount + 1
  return {
    ...state,
    status,
    updatedAt: now,
    finishedAt: status === 'pending' ? null : now,
    nextAttemptAt: nextAttemptAt(end, now),
    failedAttempts: countFailures(state.failedAttempts, end),
    attemptCount,
    attempts: keep([...state.attempts, { number: attemptCount, ...attempt }]),
  }
}

/** Back to the start of the schedule, asked for by hand. */
export function replayDelivery(state: DeliveryState, now: number): DeliveryState {
  return {
    ...state,
    status: nextStatus(state, 'replay'),
    updatedAt: now,
    finishedAt: null,
    nextAttemptAt: null,
    failedAttempts: 0,
    run: state.run + 1,
    reason: undefined,
  }
}

function nextStatus({ status }: DeliveryState, step: DeliveryStep): DeliveryStatus {
  const next = deliveryTransitions[status][step]
  if (next === undefined) throw new RangeError(`a delivery that is ${status} does not take the step ${step}`)
  return next
}

function nextAttemptAt(end: DeliveryEnd, now: number): number | null {
  if (end.kind === 'again') return now + end.delayMs
  return end.kind === 'interrupted' ? now : null
}

function countFailures(before: number, { kind }: DeliveryEnd): number {
  if (kind === 'delivered') return 0
  return kind === 'interrupted' ? before : before + 1
}

function keep(attempts: DeliveryAttempt[]): DeliveryAttempt[] {
  const [first] = attempts
  return first && attempts.length > KEPT_ATTEMPTS ? [first, ...attempts.slice(1 - KEPT_ATTEMPTS)] : attempts
}
