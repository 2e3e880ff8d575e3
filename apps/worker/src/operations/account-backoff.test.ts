import type { Outcome } from '@muster/domain/outcome'
import { expect, test } from 'vitest'
import { AccountBackoff } from './account-backoff.ts'

const outage: Outcome = { outcome: 'unknown', code: 'timeout', message: 'No answer.' }
const rateLimit: Outcome = { outcome: 'rate_limited', code: 'rate_limited', message: 'Too many.' }
const refusal: Outcome = { outcome: 'failed', code: 'user_exists', message: 'There already.' }

test('a rate limit lasts as long as the provider asks, or longer each time', () => {
  const backoff = new AccountBackoff()
  expect(backoff.after('a', { ...rateLimit, retryAfterMs: 7_000 })).toBe(7_000)
  const waits = Array.from({ length: 9 }, () => backoff.after('b', { ...rateLimit, retryAfterMs: 0 }))
  const least = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]
  for (const [index, wait] of waits.entries()) {
    expect(wait).toBeGreaterThanOrEqual(least[index] ?? 0)
    expect(wait).toBeLessThan((least[index] ?? 0) + 1_000)
  }
})

test('a lane slows down after five outages in a row, and not for ever', () => {
  const backoff = new AccountBackoff()
  const waits = Array.from({ length: 10 }, () => backoff.after('a', outage))
  expect(waits).toEqual([0, 0, 0, 0, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000])
  expect(backoff.after('a', { outcome: 'reconciling', at: 0 })).toBe(0)
  expect(backoff.after('a', { ...outage, retryAfterMs: 30_000 })).toBe(30_000)
})

test('any answer of the provider itself begins the count again, for that account', () => {
  const backoff = new AccountBackoff()
  for (let count = 0; count < 5; count += 1) {
    backoff.after('a', outage)
    backoff.after('b', outage)
  }
  expect(backoff.after('a', refusal)).toBe(0)
  expect(backoff.after('a', outage)).toBe(0)
  expect(backoff.after('b', outage)).toBe(2_000)
})
