import { describe, expect, it } from 'vitest'
import { createRateLimiter } from '../src/framework/rate-limit.ts'

describe('a window', () => {
  it('lets the limit through, refuses the rest, and starts over when the window closes', () => {
    let at = 1000
    const limiter = createRateLimiter(() => at)
    const take = () => limiter.take('a', { requests: 2, per_seconds: 10 })
    expect([take(), take(), take()]).toMatchObject([
      { isExceeded: false, remaining: 1, resetAt: 11_000 },
      { isExceeded: false, remaining: 0 },
      { isExceeded: true, limit: 2, remaining: 0, resetAt: 11_000 },
    ])
    at = 11_000
    expect(take().isExceeded).toBe(false)
  })
})

describe('a token bucket', () => {
  it('lets a burst through once and then the rate: 20 in the first second, 30 in two', () => {
    let at = 0
    const limiter = createRateLimiter(() => at)
    const passedAt: number[] = []
    for (at = 0; at <= 2000; at += 10) {
      if (!limiter.take('org', { requests: 10, per_seconds: 1, burst: 10 }).isExceeded) passedAt.push(at)
    }
    expect(passedAt.filter((time) => time <= 1000)).toHaveLength(20)
    expect(passedAt).toHaveLength(30)
  })

  it('says when the next request passes', () => {
    let at = 0
    const limiter = createRateLimiter(() => at)
    const take = () => limiter.take('a', { requests: 2, per_seconds: 1, burst: 2 })
    take()
    take()
    const refused = take()
    expect(refused).toMatchObject({ isExceeded: true, resetAt: 500 })
    at = refused.resetAt
    expect(take().isExceeded).toBe(false)
  })
})
