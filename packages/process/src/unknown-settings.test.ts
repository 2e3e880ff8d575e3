import { expect, test } from 'vitest'
import { findUnknownSettings } from './unknown-settings.ts'

test('a misspelt setting is named with the nearest known one, and never with its value', () => {
  const found = findUnknownSettings({
    MUSTER_MAX_LANE: 'hunter2',
    MUSTER_RETENTON_DAYS: '30',
    MUSTER_FROM_A_NEWER_VERSION: '1',
    MUSTER_MAX_LANES: '5',
    MUSTER_WORKER_PORT: '1',
    MUSTER_MAX_OPEN_BATCHES: '5',
    HOME: '/root',
  })
  expect(found).toEqual([
    'MUSTER_FROM_A_NEWER_VERSION',
    'MUSTER_MAX_LANE (nearest: MUSTER_MAX_LANES)',
    'MUSTER_RETENTON_DAYS (nearest: MUSTER_RETENTION_DAYS)',
  ])
})

test('what Kubernetes adds for a service is no setting', () => {
  expect(
    findUnknownSettings({
      MUSTER_SERVICE_HOST: '10.0.0.1',
      MUSTER_API_SERVICE_PORT_HTTP: '80',
      MUSTER_PORT_8080_TCP: 'tcp://10.0.0.1:8080',
      MUSTER_PORT_8080_TCP_ADDR: '10.0.0.1',
    }),
  ).toEqual([])
})
