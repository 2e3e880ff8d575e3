import { setTimeout as pause } from 'node:timers/promises'
import { BoundReachedError, bounds, defaultLimits } from '@muster/contracts/bounds'
import { afterEach, expect, test } from 'vitest'
import { createHeldRequests, type HeldRequests } from './held-requests.ts'

const open: HeldRequests[] = []
afterEach(() => open.splice(0).forEach((held) => held.stop()))

/** Redis as a set of the keys that have not been revoked. */
function hold(revoked: Set<string> = new Set(), areValid?: () => Promise<boolean[]>): HeldRequests {
  const held = createHeldRequests({
    tenants: { areValid: areValid ?? (async (found) => found.map(({ id }) => !revoked.has(id))) },
    limits: { ...defaultLimits, dryRuns: 2, progressStreams: bounds.progressStreams.perProcess },
    everyMs: 5,
  })
  open.push(held)
  return held
}
const ignore = (): void => undefined
const of = (tenantId: string, id = tenantId) => ({ id, tenantId })

test('a tenant holds as many as it may, of each kind for itself; one that ends makes room', () => {
  const held = hold()
  const leave = held.enter('dryRuns', of('a'), ignore)
  held.enter('dryRuns', of('a'), ignore)
  expect(() => held.enter('dryRuns', of('a'), ignore)).toThrow(BoundReachedError)
  held.enter('dryRuns', of('b'), ignore)
  held.enter('uploads', of('a'), ignore)
  leave()
  leave()
  held.enter('dryRuns', of('a'), ignore)
  expect(() => held.enter('dryRuns', of('a'), ignore)).toThrow(
    expect.objectContaining({ bound: 'dryRuns', limit: 2, retryAfterSeconds: 5 }) as Error,
  )
})

test('a process holds no more than it can, however many tenants there are', () => {
  const held = hold()
  const { perProcess } = bounds.progressStreams
  for (let count = 0; count < perProcess; count += 1) held.enter('progressStreams', of(`t${count}`), ignore)
  expect(() => held.enter('progressStreams', of('one more'), ignore)).toThrow(
    `The limit of this process is reached: ${perProcess} streams of progress`,
  )
})

test('what came with a key ends when it is revoked; what came with another does not', async () => {
  const revoked = new Set<string>()
  const held = hold(revoked)
  const ended: string[] = []
  const first = new Promise<void>((resolve) => held.enter('waits', of('a', 'k1'), () => (ended.push('k1'), resolve())))
  held.enter('waits', of('a', 'k2'), () => void ended.push('k2'))
  held.enter('waits', of('b', 'k3'), ignore)()
  revoked.add('k1').add('k3')
  await first
  expect(new Set(ended)).toEqual(new Set(['k1']))
})

test('while the store is away nothing ends, and it is asked again afterwards', async () => {
  let asked = 0
  const ended = new Promise<void>((resolve) => {
    const held = hold(new Set(), async () => {
      asked += 1
      if (asked < 3) throw new Error('Redis is away')
      return [false]
    })
    held.enter('waits', of('a'), resolve)
  })
  await Promise.race([ended, pause(5_000)])
  expect(asked).toBe(3)
})
