import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DEFAULT_SCHEDULE, delayAfter, parseSchedule } from './schedule.ts'

const [SECOND, MINUTE, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000]
const standard = parseSchedule(DEFAULT_SCHEDULE)
const unspread = { random: () => 0.5 }

test('the default is the example of Standard Webhooks: ten attempts in 75 h 35 min 5 s', () => {
  const delays = Array.from({ length: 10 }, (_, failed) => delayAfter(standard, failed + 1, unspread))
  expect(delays).toEqual([
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
    undefined,
  ])
  expect(standard.reduce((sum, delay) => sum + delay)).toBe(75 * HOUR + 35 * MINUTE + 5 * SECOND)
})

describe('the wait after a failed attempt', () => {
  test('is none before there was one', () => expect(delayAfter(standard, 0)).toBe(0))

  test('ends with the schedule', () => {
    expect(delayAfter(standard, 9)).toBeDefined()
    for (const failed of [10, 11, 1_000]) expect(delayAfter(standard, failed, { retryAfterMs: MINUTE })).toBeUndefined()
  })

  test('is spread by a fifth to either side', () => {
    expect(delayAfter(standard, 2, { random: () => 0 })).toBe(4 * MINUTE)
    expect(delayAfter(standard, 2, { random: () => 1 })).toBe(6 * MINUTE)
    const waits = new Set(Array.from({ length: 20 }, () => delayAfter(standard, 9)))
    expect(waits.size).toBeGreaterThan(10)
  })

  test('is longer when the receiver asks for it, never shorter', () => {
    expect(delayAfter(standard, 1, { ...unspread, retryAfterMs: 90 * SECOND })).toBe(90 * SECOND)
    expect(delayAfter(standard, 3, { ...unspread, retryAfterMs: 90 * SECOND })).toBe(30 * MINUTE)
  })

  test('is a day at most for a receiver that asks for more', () => {
    expect(delayAfter(standard, 1, { retryAfterMs: 30 * DAY })).toBe(DAY)
    expect(delayAfter(standard, 1, { retryAfterMs: Number.POSITIVE_INFINITY })).toBe(DAY)
  })

  test('is what was planned where the receiver asks for nonsense', () => {
    for (const retryAfterMs of [Number.NaN, -1, 0, undefined])
      expect(delayAfter(standard, 1, { ...unspread, retryAfterMs })).toBe(5 * SECOND)
  })

  test('is never negative and never off by more than a fifth, whatever is asked', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.oneof(fc.double(), fc.constant(undefined)),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (failed, retryAfterMs, random) => {
          const planned = standard[failed - 1] ?? Number.NaN
          const wait = delayAfter(standard, failed, { retryAfterMs, random: () => random }) ?? -1
          expect(Number.isSafeInteger(wait)).toBe(true)
          expect(wait).toBeGreaterThanOrEqual(0.8 * planned)
          expect(wait).toBeLessThanOrEqual(Math.max(1.2 * planned, DAY))
        },
      ),
    )
  })
})

describe('a schedule in a setting', () => {
  test('is read in seconds, blanks or not', () => {
    expect(parseSchedule('5, 300 ,604800')).toEqual([5 * SECOND, 5 * MINUTE, 7 * DAY])
    expect(parseSchedule('1')).toEqual([SECOND])
    expect(parseSchedule(Array(50).fill('1').join(','))).toHaveLength(50)
  })

  test.each([
    '',
    ',',
    '5,',
    '0',
    '-5',
    '1.5',
    '5s',
    '1e3',
    '604801',
    '99999999999',
    '5;300',
    'NaN',
    Array(51).fill('1').join(','),
  ])('is refused as "%s"', (text) => {
    expect(() => parseSchedule(text)).toThrow(RangeError)
    expect(() => parseSchedule(text)).toThrow(
      '1 to 50 whole numbers of seconds between 1 and 604800 (7 days), separated by commas',
    )
  })
})
