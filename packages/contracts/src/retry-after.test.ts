import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseRetryAfter, serverTime } from './retry-after.ts'

const NOW = Date.parse('2026-03-01T10:00:00Z')
const at = (value: string, date?: string) => parseRetryAfter({ 'retry-after': value, ...(date ? { date } : {}) }, NOW)

describe('Retry-After', () => {
  test.each<[string, number]>([
    ['0', 0],
    ['7', 7_000],
    [' 120 ', 120_000],
    ['1.5', 1_500],
    ['999999999', 86_400_000],
    ['Sun, 01 Mar 2026 10:00:30 GMT', 30_000],
    [String(NOW / 1000 + 42), 42_000],
    [String(NOW + 42_000), 42_000],
  ])('"%s" is %d ms', (value, expected) => expect(at(value)).toBe(expected))

  test.each(['', '-5', 'soon', '1e3', 'Sun, 01 Mar 2026 09:59:00 GMT', '1000000000', '0x10', 'NaN', 'Infinity'])(
    '"%s" says nothing',
    (value) => expect(at(value)).toBeUndefined(),
  )

  test("a date is read by the provider's clock, so that clocks need not agree", () => {
    expect(at('Sun, 01 Mar 2026 12:00:30 GMT', 'Sun, 01 Mar 2026 12:00:00 GMT')).toBe(30_000)
    expect(at(String(NOW / 1000 + 7_230), 'Sun, 01 Mar 2026 12:00:00 GMT')).toBe(30_000)
    expect(serverTime({ date: 'Sun, 01 Mar 2026 12:00:00 GMT' }, NOW)).toBe(NOW + 7_200_000)
    expect(serverTime({ date: 'yesterday' }, NOW)).toBe(NOW)
    expect(serverTime({}, NOW)).toBe(NOW)
  })

  test('whatever it says, the wait is between nothing and a day', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.integer().map(String),
          fc.double().map(String),
          fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
        ),
        fc.string(),
        (value, date) => {
          const wait = at(value, date)
          if (wait !== undefined) expect(wait >= 0 && wait <= 86_400_000).toBe(true)
        },
      ),
    )
  })
})
