import type { AccountRecord } from '@muster/domain/account/record'
import { expect, test } from 'vitest'
import { estimateWaitSeconds, atLeastUntil, shareLeft } from './estimated-wait.ts'

const account: AccountRecord = {
  id: 'a',
  tenantId: 't',
  provider: 'okta',
  name: 'n',
  status: 'active',
  statusReason: null,
  statusSince: 0,
  credentialType: 'api_token',
  credentialsVersion: 1,
  config: {},
  limits: { requests: 2, per_seconds: 1 },
  createdAt: 0,
  updatedAt: 0,
}

test('the share that is left to a batch is what single creates did not take, and never nothing', () => {
  expect(shareLeft(account, 0, 60_000)).toBe(1)
  expect(shareLeft(account, 60, 60_000)).toBe(0.5)
  expect(shareLeft(account, 600, 60_000)).toBe(0.02)
  // Of a batch that has just begun a few creates say little.
  expect(shareLeft(account, 1, 10)).toBe(0.9)
})

test('the estimate counts the share, and the cooldown until the next probe of it', () => {
  expect(estimateWaitSeconds(account, 30, 0)).toBe(15)
  expect(estimateWaitSeconds(account, 30, 0, 0.5)).toBe(30)
  expect(estimateWaitSeconds(account, 30, 10_000, 0.5)).toBe(40)
  const cooling = { ...account, cooldown: { until: Date.now() + 3_600_000, reason: 'r', probes: 0 } }
  expect(estimateWaitSeconds(cooling, 30, 900_000)).toBe(915)
  expect(estimateWaitSeconds({ ...account, status: 'paused' }, 30, 0)).toBeNull()
})

test('nothing is done before the latest of it may start', () => {
  const now = Date.now()
  expect(atLeastUntil(15, now + 3_600_000, now)).toBe(3_600)
  expect(atLeastUntil(15, now + 1_000, now)).toBe(15)
  expect(atLeastUntil(15, null, now)).toBe(15)
  expect(atLeastUntil(null, now + 3_600_000, now)).toBeNull()
})
