import { expect, test } from 'vitest'
import { planCooldown } from './cooldown.ts'

const NOW = 1_750_000_000_000
const HOUR = 3_600_000
const plan = (present: Parameters<typeof planCooldown>[0], forMs: number) =>
  planCooldown(present, { forMs, reason: 'The provider says so.' }, NOW)

test('a wait of up to an hour is taken as it is, and a short one is not worth a note', () => {
  expect(plan(null, 2_000)).toEqual({ cooldown: null, laneMs: 2_000 })
  expect(plan(undefined, HOUR)).toEqual({
    cooldown: { until: NOW + HOUR, reason: 'The provider says so.', probes: 0 },
    laneMs: HOUR,
  })
})

test('a longer one is tried at growing intervals, and never later than it ends', () => {
  const waits: number[] = []
  let present = plan(null, 24 * HOUR)
  for (let count = 0; count < 7; count += 1) {
    waits.push(present.laneMs / 60_000)
    present = plan(present.cooldown, 24 * HOUR)
  }
  expect(waits).toEqual([15, 30, 60, 120, 240, 240, 240])
  expect(plan(null, 24 * HOUR).cooldown?.nextProbeAt).toBe(NOW + HOUR / 4)
  expect(plan({ until: NOW + HOUR, reason: 'r', probes: 5 }, 1.5 * HOUR).laneMs).toBe(1.5 * HOUR)
  expect(plan({ until: NOW - 1, reason: 'r', probes: 5 }, 24 * HOUR).laneMs).toBe(15 * 60_000)
})
