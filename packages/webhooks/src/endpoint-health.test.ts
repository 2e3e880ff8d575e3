import { expect, test } from 'vitest'
import { afterFailure, MIN_FAILURES, type FailingTime } from './endpoint-health.ts'
import { DEFAULT_SCHEDULE, parseSchedule } from './schedule.ts'

const HOUR = 3_600_000
const T0 = 1_750_000_000_000
const options = { schedule: parseSchedule(DEFAULT_SCHEDULE), disableAfterMs: 120 * HOUR }
const healthy: FailingTime = { failingSince: null }

/** Failures at so many hours; whether the last disables. */
function fail(hours: readonly number[], from: FailingTime = healthy): { health: FailingTime; isToDisable: boolean } {
  return hours.reduce<{ health: FailingTime; isToDisable: boolean }>(
    ({ health }, hour) => afterFailure(health, T0 + hour * HOUR, options),
    { health: from, isToDisable: false },
  )
}

test('a message refused long ago and one failure today do not disable an endpoint', () => {
  expect(fail([0, 130])).toEqual({
    health: { failingSince: T0 + 130 * HOUR, failures: 1, lastFailureAt: T0 + 130 * HOUR },
    isToDisable: false,
    isWorthWriting: true,
  })
  const oneMessage = [0, 0.01, 0.1, 0.6, 2.6, 7.6, 17.6, 31.6, 51.6, 75.6]
  expect(fail([...oneMessage, 125]).isToDisable).toBe(false)
})

test('attempts that fail over the whole time do, as soon as it is over', () => {
  const daily = [0, 24, 48, 72, 96, 119.9]
  expect(fail(daily).isToDisable).toBe(false)
  expect(fail([...daily, 120]).isToDisable).toBe(true)
})

test('a few failures are not enough, however long apart they may lie', () => {
  const short = { schedule: parseSchedule('86400'), disableAfterMs: HOUR }
  let health = healthy
  for (let count = 1; count <= MIN_FAILURES; count += 1) {
    const after = afterFailure(health, T0 + count * HOUR, short)
    expect([count, after.isToDisable]).toEqual([count, count === MIN_FAILURES])
    health = after.health
  }
})

test('a record of before failures were counted begins again', () => {
  expect(fail([0], { failingSince: T0 - 200 * HOUR })).toMatchObject({ isToDisable: false, health: { failures: 1 } })
})

test('an endpoint that fails all the time is written once a minute', () => {
  const { health } = fail([0, 1, 2, 3, 4, 5])
  expect(afterFailure(health, T0 + 5 * HOUR + 59_000, options).isWorthWriting).toBe(false)
  expect(afterFailure(health, T0 + 5 * HOUR + 60_000, options).isWorthWriting).toBe(true)
})
