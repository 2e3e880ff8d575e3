import type { EventSourceRef } from '@muster/domain/event'
import { createLaneSchedule } from '@muster/lanes/lane-schedule'
import { keys } from '@muster/store/redis/keys'
import { openStore } from '@muster/store/store'
import { newEndpointRecord } from '@muster/domain/webhook-endpoint/record'
import { randomUUID } from 'node:crypto'
import { afterEach, expect, test, vi } from 'vitest'
import { newAccount, newKeyring, useRedis } from '../../../../packages/store/test/redis.ts'
import { startJanitor } from './janitor.ts'

const connect = useRedis()
afterEach(() => void vi.useRealTimers())

test('what goes wrong with the batch and the account of one tenant keeps no other from being looked after', async () => {
  const redis = connect()
  const store = openStore({ redis, keyring: newKeyring(), retentionMs: 60_000, waitReplicas: 0 })
  const tenantId = await store.tenants.ensure(`tenant-${randomUUID()}`)
  const account = newAccount({ tenantId })
  await store.accounts.create(account, { type: 'api_token', api_token: 'x' })
  const endpoint = newEndpointRecord({ id: randomUUID(), tenantId, kind: 'registered' }, Date.now())
  await store.webhookEndpoints.create(endpoint, { url: 'https://hooks.example/', secrets: [], signingKey: null })
  const source: EventSourceRef = { kind: 'endpoint', id: endpoint.id }
  await redis.zadd(keys.eventOutbox(source), '1', 'an event')
  await redis.sadd(keys.openBatches, randomUUID())

  vi.useFakeTimers({ toFake: ['setInterval'] })
  const errors: Error[] = []
  const heard = new Promise<void>((resolve) => {
    const janitor = startJanitor({
      store,
      redis,
      schedule: createLaneSchedule(redis),
      clock: { now: Date.now },
      workerId: 'w',
      retentionMs: 60_000,
      onEvent({ kind, id }) {
        if (kind !== source.kind || id !== source.id) return
        janitor.stop()
        resolve()
      },
      superviseBatch: () => Promise.reject(new Error('of this batch alone')),
      recheckAccount() {
        throw new Error('of this account alone')
      },
      onError: (error) => errors.push(error),
    })
  })
  vi.advanceTimersByTime(5_000)
  await heard
  const said = errors.map(({ message }) => message)
  expect(said).toEqual(expect.arrayContaining(['of this account alone', 'of this batch alone']))
})
