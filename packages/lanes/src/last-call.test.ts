import { expect, test } from 'vitest'
import { waitAfterCallMs } from './last-call.ts'

const aDay = { requests: 1, perSeconds: 86_400 }

test('a new owner waits what the last call left of the interval, and never longer than one', () => {
  const now = 1_750_000_000_000
  expect(waitAfterCallMs(null, aDay, now)).toBe(-Infinity)
  expect(waitAfterCallMs(now - 80_000_000, aDay, now)).toBe(86_400_000 * 1.03 - 80_000_000)
  expect(waitAfterCallMs(now - 2 * 86_400_000, aDay, now)).toBeLessThan(0)
  // Noted ahead, or by a clock that was wrong.
  expect(waitAfterCallMs(now + 5_000, { requests: 10, perSeconds: 1 }, now)).toBe(103)
})
