import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DeliveryState, DeliveryStatus } from './record.ts'
import { deliveryIdOf } from './record.ts'
import {
  deliveryTransitions,
  finishDeliveryAttempt,
  newDelivery,
  refusedDelivery,
  replayDelivery,
  type DeliveryEnd,
  type DeliveryStep,
} from './state.ts'

const T0 = 1_750_000_000_000
const attempt = { startedAt: T0, durationMs: 5, status: 500, reason: 'status_500', reply: null }
const pending = newDelivery(T0)
const ends: Record<DeliveryEnd['kind'], DeliveryEnd> = {
  delivered: { kind: 'delivered' },
  interrupted: { kind: 'interrupted' },
  failed: { kind: 'failed' },
  again: { kind: 'again', delayMs: 5_000 },
}
const steps: DeliveryStep[] = ['delivered', 'interrupted', 'failed', 'again', 'replay']
const states: Record<DeliveryStatus, DeliveryState> = {
  pending,
  delivered: finishDeliveryAttempt(pending, attempt, ends.delivered, T0),
  failed: finishDeliveryAttempt(pending, attempt, ends.failed, T0),
}
const take = (state: DeliveryState, step: DeliveryStep, now: number): DeliveryState =>
  step === 'replay' ? replayDelivery(state, now) : finishDeliveryAttempt(state, attempt, ends[step], now)

describe('a delivery', () => {
  test.each(Object.values(states).flatMap((state) => steps.map((step) => [state.status, step, state] as const)))(
    'that is %s takes the step %s as the table says',
    (status, step, state) => {
      const next = deliveryTransitions[status][step]
      if (next === undefined) expect(() => take(state, step, T0)).toThrow(RangeError)
      else expect(take(state, step, T0).status).toBe(next)
    },
  )

  test('that was delivered has ended, and waits for nothing', () => {
    const before = { ...pending, nextAttemptAt: T0, failedAttempts: 2, attemptCount: 2 }
    expect(finishDeliveryAttempt(before, { ...attempt, status: 204, reason: null }, ends.delivered, T0 + 9)).toEqual({
      ...before,
      status: 'delivered',
      updatedAt: T0 + 9,
      finishedAt: T0 + 9,
      nextAttemptAt: null,
      failedAttempts: 0,
      attemptCount: 3,
      attempts: [{ number: 3, ...attempt, status: 204, reason: null }],
    })
  })

  test('that is to be sent again stays pending until then, one failure further in the schedule', () => {
    expect(finishDeliveryAttempt(pending, attempt, ends.again, T0)).toEqual({
      ...pending,
      nextAttemptAt: T0 + 5_000,
      failedAttempts: 1,
      attemptCount: 1,
      attempts: [{ number: 1, ...attempt }],
    })
  })

  test('that failed for the last time has ended', () => {
    expect(
      finishDeliveryAttempt({ ...pending, failedAttempts: 9, attemptCount: 9 }, attempt, ends.failed, T0),
    ).toMatchObject({ status: 'failed', finishedAt: T0, nextAttemptAt: null, failedAttempts: 10, attemptCount: 10 })
  })

  test('that we broke off is due at once, and has not failed', () => {
    expect(finishDeliveryAttempt(pending, attempt, ends.interrupted, T0 + 3)).toMatchObject({
      status: 'pending',
      nextAttemptAt: T0 + 3,
      failedAttempts: 0,
      attemptCount: 1,
    })
  })

  test('that its endpoint had no room for has failed without an attempt, and can be replayed', () => {
    const refused = refusedDelivery(T0)
    expect(refused).toMatchObject({ status: 'failed', reason: 'too_many_pending', finishedAt: T0, attemptCount: 0 })
    expect(replayDelivery(refused, T0 + 1)).toEqual({ ...pending, updatedAt: T0 + 1, run: 1 })
  })

  test('keeps the first of many attempts and the latest, and counts all', () => {
    let state = pending
    for (let count = 0; count < 100; count += 1) state = finishDeliveryAttempt(state, attempt, ends.again, T0)
    expect(state.attemptCount).toBe(100)
    const latest = Array.from({ length: 19 }, (_, index) => 82 + index)
    expect(state.attempts.map(({ number }) => number)).toEqual([1, ...latest])
  })

  test('whatever happens to it: an end has a time, a wait has none, and only replays start a run', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...steps), { maxLength: 40 }), (taken) => {
        let [state, replays, attempts] = [pending, 0, 0]
        taken.forEach((step, index) => {
          if (deliveryTransitions[state.status][step] === undefined) return
          const now = T0 + index
          state = take(state, step, now)
          if (step === 'replay') replays += 1
          else attempts += 1
          expect(state.finishedAt === null).toBe(state.status === 'pending')
          if (state.status !== 'pending') expect(state.nextAttemptAt).toBeNull()
          if (step === 'replay' || step === 'delivered') expect(state.failedAttempts).toBe(0)
          expect(state).toMatchObject({ run: replays, attemptCount: attempts, updatedAt: now })
          expect(state.attempts.length).toBeLessThanOrEqual(20)
        })
      }),
    )
  })
})

describe('the id of a delivery', () => {
  test('is a UUIDv7 with the time of the event, made of event and endpoint, and differs for each of them', () => {
    const events = Array.from(
      { length: 200 },
      (_, n) => `01975b7c-${n.toString(16).padStart(4, '0')}-7000-8000-000000000000`,
    )
    const ids = events.flatMap((id) => [deliveryIdOf(id, 'endpoint-a'), deliveryIdOf(id, 'endpoint-b')])
    expect(new Set(ids).size).toBe(400)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(ids[0]?.slice(0, 13)).toBe(events[0]?.slice(0, 13))
    expect(deliveryIdOf(events[0] ?? '', 'endpoint-a')).toBe(ids[0])
  })
})
