import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Outcome } from '../outcome.ts'
import type { OperationState } from './record.ts'
import { backoff, defaultRetryPolicy } from './retry-policy.ts'
import {
  cancel,
  dueAt,
  expire,
  finishAttempt,
  holdUnreadable,
  isExpired,
  isFinished,
  recordIntent,
  recoverFromCrash,
  RefusedTransitionError,
  requeue,
  startAttempt,
  suspendAttempt,
  transitions,
  withdrawIntent,
  type OperationEvent,
} from './state.ts'

const policy = { maxAttempts: 4, baseDelayMs: 1_000, maxDelayMs: 60_000 }
const T0 = 1_750_000_000_000
const failure = { code: 'provider_unavailable', message: 'It failed.' } as const
const queued: OperationState = {
  status: 'queued',
  statusReason: null,
  updatedAt: T0,
  startedAt: null,
  finishedAt: null,
  notBefore: null,
  expiresAt: T0 + 600_000,
  nextAttemptAt: null,
  run: 0,
  attemptCount: 0,
  usedAttempts: 0,
  attempts: [],
  warnings: [],
  outcome: null,
  remoteId: null,
  error: null,
  unknown: null,
}
const ends: Record<Outcome['outcome'], (now: number) => Outcome> = {
  succeeded: () => ({ outcome: 'succeeded', how: 'created', remoteId: 'r1', warnings: [] }),
  failed: () => ({ ...failure, outcome: 'failed', code: 'user_exists' }),
  retrying: () => ({ ...failure, outcome: 'retrying' }),
  unknown: (now) => ({ ...failure, outcome: 'unknown', code: 'timeout', at: now + 500 }),
  reconciling: (now) => ({ outcome: 'reconciling', at: now + 2_000 }),
  rate_limited: (now) => ({ ...failure, outcome: 'rate_limited', code: 'rate_limited', at: now + 7_000 }),
  held: () => ({ ...failure, outcome: 'held', code: 'credentials_rejected' }),
  interrupted: (now) => ({ outcome: 'interrupted', at: now + 3_000 }),
  expired: () => ({ outcome: 'expired' }),
}
const outcomes = Object.keys(ends) as Outcome['outcome'][]

type Step =
  | { do: 'start' | 'hold' | 'intent' | 'withdraw' | 'suspend' | 'crash' | 'cancel' | 'expire' | 'requeue' }
  | { do: 'end'; outcome: Outcome['outcome'] }
  | { do: 'wait'; ms: number }
const stray: fc.Arbitrary<Step> = fc.oneof(
  fc.constantFrom<Step>(
    { do: 'start' },
    { do: 'hold' },
    { do: 'intent' },
    { do: 'withdraw' },
    { do: 'suspend' },
    { do: 'crash' },
    { do: 'cancel' },
    { do: 'expire' },
    { do: 'requeue' },
  ),
  fc.constantFrom(...outcomes).map((outcome): Step => ({ do: 'end', outcome })),
  fc.integer({ min: 1, max: 700_000 }).map((ms): Step => ({ do: 'wait', ms })),
)
/** A whole attempt; strays alone would hardly ever come to a lost answer. */
const round: fc.Arbitrary<Step[]> = fc
  .tuple(
    fc.boolean(),
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom<Step>({ do: 'end', outcome: 'unknown' }, { do: 'crash' }) },
      { weight: 4, arbitrary: fc.constantFrom(...outcomes).map((outcome): Step => ({ do: 'end', outcome })) },
    ),
  )
  .map(([isIntended, end]): Step[] => [{ do: 'start' }, ...(isIntended ? [{ do: 'intent' } as const] : []), end])
/** Its create was refused unexecuted, or not sent yet, and its permit is long in coming. */
const suspension: fc.Arbitrary<Step[]> = fc
  .boolean()
  .map((isRefused): Step[] => [
    { do: 'start' },
    ...(isRefused ? ([{ do: 'intent' }, { do: 'withdraw' }] as const) : []),
    { do: 'suspend' },
  ])
const steps = fc
  .array(
    fc.oneof(
      round,
      suspension,
      stray.map((one) => [one]),
    ),
    { maxLength: 30 },
  )
  .map((parts) => parts.flat())

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze)
  return value
}

/** Undefined when the state machine refuses; any other error is a bug. */
function attempt(change: () => OperationState): OperationState | undefined {
  try {
    return freeze(change())
  } catch (error) {
    if (error instanceof RefusedTransitionError) return undefined
    throw error
  }
}

/** As the table of transitions names them. */
const events: Record<Exclude<Step['do'], 'wait'>, OperationEvent> = {
  start: 'start_attempt',
  intent: 'record_intent',
  suspend: 'suspend_attempt',
  withdraw: 'withdraw_intent',
  end: 'finish_attempt',
  crash: 'recover_from_crash',
  hold: 'hold_unreadable',
  expire: 'expire',
  cancel: 'cancel',
  requeue: 'requeue',
}

/** What an onlooker knows, who sees only what is done to the operation. */
interface Onlooker {
  isRunning: boolean
  isIntended: boolean
  intendedAt: number
  /** When the first create that was never answered was intended. */
  lostSince: number | null
  used: number
  /** In a row. */
  crashes: number
  isTerminal: boolean
  isSuspended: boolean
}

function apply(state: OperationState, does: Step, now: number): OperationState | undefined {
  switch (does.do) {
    case 'wait':
      return state
    case 'start':
      return attempt(() => startAttempt(state, now))
    case 'hold':
      return attempt(() => holdUnreadable(state, 'It does not open.', now))
    case 'crash':
      // The next owner of the lane finds it running, over an attempt that never ended.
      return state.status === 'running' ? attempt(() => recoverFromCrash(state, now)) : undefined
    case 'intent':
      return attempt(() => recordIntent(state, [{ code: 'derived', pointer: null, detail: 'd' }], now))
    case 'withdraw':
      return attempt(() => withdrawIntent(state, now))
    case 'suspend':
      return attempt(() => suspendAttempt(state, now))
    case 'end':
      return attempt(() => finishAttempt(state, ends[does.outcome](now), [], policy, now))
    case 'cancel':
      return attempt(() => cancel(state, now))
    case 'expire':
      return isExpired(state, now) ? freeze(expire(state, now)) : undefined
    case 'requeue':
      return attempt(() => requeue(state, now + 600_000, now))
  }
}

function watch(seen: Onlooker, does: Step, now: number): Onlooker {
  switch (does.do) {
    case 'wait':
    case 'hold':
      return seen
    case 'intent':
      return { ...seen, isIntended: true, intendedAt: now }
    case 'withdraw':
      return { ...seen, isIntended: false }
    case 'suspend':
      return { ...seen, isRunning: false, isSuspended: true }
    case 'start':
      return { ...seen, isRunning: true, isIntended: false, isSuspended: false }
    case 'crash': {
      const lostSince = seen.isIntended ? Math.min(seen.lostSince ?? Infinity, seen.intendedAt) : seen.lostSince
      return {
        ...seen,
        isRunning: false,
        isIntended: false,
        lostSince,
        crashes: seen.crashes + 1,
        isTerminal: seen.crashes + 1 >= 3,
      }
    }
    case 'end': {
      const { outcome } = does
      const used = seen.used + (outcome === 'retrying' || outcome === 'unknown' ? 1 : 0)
      const isLost = outcome === 'unknown' && seen.isIntended
      const lostSince =
        outcome === 'succeeded' ? null : isLost ? Math.min(seen.lostSince ?? Infinity, seen.intendedAt) : seen.lostSince
      return {
        ...seen,
        isRunning: false,
        isIntended: false,
        used,
        lostSince,
        crashes: outcome === 'retrying' || outcome === 'unknown' ? 0 : seen.crashes,
        isTerminal: ['succeeded', 'failed', 'expired'].includes(outcome) || used >= policy.maxAttempts,
      }
    }
    case 'cancel':
    case 'expire':
      return { ...seen, isTerminal: true }
    case 'requeue':
      return { ...seen, isTerminal: false, used: 0, crashes: 0 }
  }
}

describe('the life of an operation, in any order of events', () => {
  test('keeps its promises', () => {
    fc.assert(
      fc.property(steps, (all) => {
        let now = T0
        let state = freeze(queued)
        let seen: Onlooker = {
          isRunning: false,
          isIntended: false,
          intendedAt: 0,
          lostSince: null,
          used: 0,
          crashes: 0,
          isTerminal: false,
          isSuspended: false,
        }
        for (const does of all) {
          now += does.do === 'wait' ? does.ms : 10
          const next = apply(state, does, now)
          if (seen.isTerminal && does.do !== 'requeue' && does.do !== 'wait')
            expect(next, 'an end is the end').toBeUndefined()
          if (does.do === 'cancel' && (seen.isRunning || seen.lostSince !== null))
            expect(next, 'nothing that may have been sent is canceled').toBeUndefined()
          if (does.do === 'expire' && (seen.isRunning || seen.lostSince !== null))
            expect(next, 'nothing that may have been sent expires unseen').toBeUndefined()
          const event = does.do === 'wait' ? undefined : events[does.do]
          const follows = event && transitions[event][state.status]
          if (!follows && event) expect(next, `${event} is refused while ${state.status}`).toBeUndefined()
          if (!next) continue
          if (follows) expect(follows).toContain(next.status)
          const before = state
          seen = watch(seen, does, now)
          state = next

          expect(isFinished(state)).toBe(seen.isTerminal)
          expect(state.status === 'running').toBe(seen.isRunning)
          expect(state.unknown === null, 'unknown while a create has no answer').toBe(seen.lostSince === null)
          if (state.unknown) {
            expect(state.unknown.firstSentAt).toBe(seen.lostSince)
            expect(state.unknown.lastSentAt).toBeGreaterThanOrEqual(state.unknown.firstSentAt)
            expect(state.unknown.lastSentAt).toBeLessThanOrEqual(now)
          }
          expect(state.usedAttempts).toBe(seen.used)
          expect(state.usedAttempts).toBeLessThanOrEqual(policy.maxAttempts)
          expect(state.nextAttemptAt !== null).toBe(state.status === 'retrying' && !seen.isSuspended)
          expect(state.finishedAt !== null).toBe(isFinished(state))
          expect(state.error !== null).toBe(['failed', 'canceled', 'expired'].includes(state.status))
          expect(state.outcome !== null && state.remoteId !== null).toBe(state.status === 'succeeded')
          if (
            state.status === 'failed' &&
            state.usedAttempts === policy.maxAttempts &&
            seen.lostSince !== null &&
            does.do === 'end' &&
            does.outcome !== 'failed'
          )
            expect(state.error?.code).toBe('outcome_unknown')
          if (does.do === 'end' && state.status === 'retrying') expectWait(before, state, does.outcome, now)
          expectAttempts(state)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  function expectWait(before: OperationState, state: OperationState, outcome: Outcome['outcome'], now: number): void {
    const wait = (state.nextAttemptAt ?? 0) - now
    const fixed: Partial<Record<Outcome['outcome'], number>> = {
      reconciling: 2_000,
      rate_limited: 7_000,
      held: 0,
      interrupted: 3_000,
      ...(before.unknown === null ? { unknown: 500 } : {}),
    }
    if (fixed[outcome] !== undefined) expect(wait).toBe(fixed[outcome])
    else {
      expect(wait).toBeGreaterThanOrEqual(50)
      expect(wait).toBeLessThanOrEqual(policy.maxDelayMs + 50)
    }
    // The cooldown of a throttled account is kept with its lane, where it can be ended.
    expect(dueAt(state)).toBe(outcome === 'rate_limited' ? 0 : state.nextAttemptAt)
  }

  function expectAttempts(state: OperationState): void {
    const numbers = state.attempts.map((entry) => entry.number)
    expect(numbers.length).toBeLessThanOrEqual(20)
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
    if (state.attemptCount > 0)
      expect({ first: numbers[0], last: numbers.at(-1) }).toEqual({ first: 1, last: state.attemptCount })
    for (const entry of state.attempts)
      expect(entry.outcome === null).toBe(state.status === 'running' && entry.number === state.attemptCount)
    expect(state.warnings.length).toBeLessThanOrEqual(1)
  }

  test('the first attempt and the latest are kept, the count continues, and calls are bounded', () => {
    let state = queued
    const call = {
      purpose: 'create',
      method: 'POST',
      url: 'https://x',
      status: 429,
      duration_ms: 1,
      provider_request_id: null,
      error: null,
    }
    for (let number = 1; number <= 1_000; number += 1)
      state = finishAttempt(
        startAttempt(state, T0),
        ends.rate_limited(T0),
        Array.from({ length: 50 }, () => call),
        policy,
        T0,
      )
    expect(state.attempts.map((entry) => entry.number)).toEqual([
      1,
      ...Array.from({ length: 19 }, (_, index) => 982 + index),
    ])
    expect(state).toMatchObject({ attemptCount: 1_000, usedAttempts: 0, status: 'retrying' })
    expect(JSON.stringify(state).length).toBeLessThan(60_000)
  })

  test('a lost create settles from when it was given up, and is ours from its intent', () => {
    const running = recordIntent(startAttempt(queued, T0), [], T0 + 10)
    expect(finishAttempt(running, ends.unknown(T0 + 90_000), [], policy, T0 + 90_000).unknown).toEqual({
      firstSentAt: T0 + 10,
      lastSentAt: T0 + 90_000,
    })
    expect(recoverFromCrash(running, T0 + 60_000).unknown).toEqual({ firstSentAt: T0 + 10, lastSentAt: T0 + 60_000 })
  })

  test('a crash before the intent leaves nothing unknown, and no crash uses up an attempt', () => {
    const state = recoverFromCrash(startAttempt(recoverFromCrash(startAttempt(queued, T0), T0 + 1), T0 + 2), T0 + 3)
    expect(state).toMatchObject({ unknown: null, usedAttempts: 0, attemptCount: 2, status: 'retrying' })
    expect(state.attempts.map((entry) => entry.outcome)).toEqual(['interrupted', 'interrupted'])
  })

  test('what expired says what it had been waiting for', () => {
    const waiting = finishAttempt(startAttempt(queued, T0), ends.rate_limited(T0), [], policy, T0)
    expect(isExpired(waiting, queued.expiresAt - 1)).toBe(false)
    expect(isExpired(waiting, queued.expiresAt)).toBe(true)
    expect(expire(waiting, T0).error?.message).toContain('It failed.')
  })

  test('nothing is due before not_before, nor before next_attempt_at', () => {
    expect(dueAt({ ...queued, notBefore: T0 + 5 })).toBe(T0 + 5)
    expect(dueAt({ ...queued, status: 'retrying', notBefore: T0 + 5, nextAttemptAt: T0 + 9 })).toBe(T0 + 9)
    expect(dueAt(queued)).toBe(0)
  })
})

describe('a worker that dies', () => {
  const crash = (state: OperationState, random = 0.5) => recoverFromCrash(startAttempt(state, T0), T0, random)

  test('costs its operation no time at first, a little the second time, and the third time sets it aside', () => {
    const once = crash(queued)
    expect(once).toMatchObject({ status: 'retrying', nextAttemptAt: T0, usedAttempts: 0 })
    const twice = crash(once)
    expect(twice).toMatchObject({ status: 'retrying', nextAttemptAt: T0 + 5_000 })
    const thrice = crash(twice)
    expect(thrice).toMatchObject({ status: 'failed', error: { code: 'internal', origin: 'muster' } })
    expect(requeue(thrice, T0 + 60_000, T0)).toMatchObject({ status: 'queued', crashes: 0 })
  })

  test('after a create was sent leaves it unknown, and set aside it is still called so', () => {
    const sent = (state: OperationState) => recoverFromCrash(recordIntent(startAttempt(state, T0), [], T0), T0)
    expect(sent(queued).unknown).not.toBeNull()
    expect(sent(sent(sent(queued))).error?.code).toBe('outcome_unknown')
  })

  test('while an attempt waits for a permit does not count, and a create that was refused unexecuted is not unknown', () => {
    const waiting = suspendAttempt(startAttempt(queued, T0), T0)
    expect(waiting).toMatchObject({ status: 'queued', attemptCount: 0, attempts: [], unknown: null })
    expect(dueAt(waiting)).toBe(0)
    expect(cancel(waiting, T0).status).toBe('canceled')
    const refused = withdrawIntent(recordIntent(startAttempt(crash(queued), T0), [], T0), T0)
    expect(suspendAttempt(refused, T0)).toMatchObject({ status: 'retrying', attemptCount: 1, crashes: 1 })
    expect(() => suspendAttempt(recordIntent(startAttempt(queued, T0), [], T0), T0)).toThrow('sent')
    expect(recoverFromCrash(refused, T0).unknown).toBeNull()
  })

  test('is forgotten when an attempt comes to an end of its own, but not for a look-up between', () => {
    const ended = (outcome: 'retrying' | 'reconciling') =>
      finishAttempt(startAttempt(crash(crash(queued)), T0), ends[outcome](T0), [], policy, T0)
    expect(crash(ended('retrying')).status).toBe('retrying')
    expect(crash(ended('reconciling')).status).toBe('failed')
  })
})

describe('backoff', () => {
  test('is full jitter under a capped exponential, never at once and never beyond the cap', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 2_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (used, random) => {
          const delay = backoff(defaultRetryPolicy, used, random)
          expect(Number.isInteger(delay)).toBe(true)
          expect(delay).toBeGreaterThanOrEqual(50)
          expect(delay).toBeLessThanOrEqual(
            Math.min(defaultRetryPolicy.maxDelayMs, defaultRetryPolicy.baseDelayMs * 2 ** used) + 50,
          )
        },
      ),
    )
    expect(backoff(policy, 3, 0)).toBe(50)
    expect(backoff(policy, 3, 0.5)).toBe(4_050)
  })
})

describe('an operation of which something does not open', () => {
  test('waits as it is, says why, and forgets it when an attempt begins or it ends', () => {
    const held = holdUnreadable(queued, 'It does not open.', T0 + 5)
    expect(held).toEqual({ ...queued, statusReason: 'It does not open.', isUnreadable: true, updatedAt: T0 + 5 })
    expect(startAttempt(held, T0 + 6)).toMatchObject({ isUnreadable: false, statusReason: null, attemptCount: 1 })
    expect(cancel(held, T0 + 6).isUnreadable).toBe(false)
    expect(() => holdUnreadable(startAttempt(queued, T0), 'x', T0)).toThrow(RefusedTransitionError)
  })
})
