import { deliveryIdOf } from '@muster/domain/delivery/record'
import type { EventRecord, EventSourceRef } from '@muster/domain/event'
import { endpointLane } from '@muster/domain/lane-id'
import { defaultLimits } from '@muster/contracts/bounds'
import { randomUUID } from 'node:crypto'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { newEndpoint, newEvent, newKeyring, newSecrets, useRedis } from '../../test/redis.ts'
import type { Deliveries } from './deliveries.ts'
import { dispatchEvents } from './dispatch-events.ts'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'
import { openStore, type Store } from '../store.ts'
import { UnreadableError } from '../crypto/unreadable.ts'
import type { WebhookEndpointRecord } from '@muster/domain/webhook-endpoint/record'

const connect = useRedis()
let redis: Redis
let store: Store
let tenantId: string
let source: EventSourceRef
beforeAll(() => {
  redis = connect()
  store = openStore({ redis, keyring: newKeyring(), retentionMs: 86_400_000, waitReplicas: 0 })
})
beforeEach(() => {
  tenantId = randomUUID()
  source = { kind: 'account', id: randomUUID() }
})

const dispatch = async (woken: string[] = []): Promise<Set<string>> => {
  await store.dispatchEvents(source, Date.now, async (lane) => void woken.push(lane))
  return new Set(woken)
}
async function register(more: Partial<WebhookEndpointRecord> = {}): Promise<WebhookEndpointRecord> {
  const record = newEndpoint({ tenantId, ...more })
  await store.webhookEndpoints.create(record, newSecrets())
  return record
}
async function happen(count: number, more: Parameters<typeof newEvent>[0] = {}): Promise<EventRecord[]> {
  const events = Array.from({ length: count }, () => newEvent({ tenantId, accountId: source.id, ...more }))
  for (const event of events) await redis.zadd(keys.eventOutbox(source), event.at, JSON.stringify(event))
  return events
}
const deliveriesOf = async ({ id }: WebhookEndpointRecord): Promise<string[]> =>
  (await store.deliveries.listIds(id, null, 10_000)).sort()

describe('handing events to endpoints', () => {
  test('each wanted event becomes one delivery to each endpoint, its lane is woken, and the outbox is empty', async () => {
    const [first, second] = [await register(), await register({ status: 'disabled' })]
    const choosy = await register({ events: ['operation.failed'] })
    const events = await happen(250)
    expect(await dispatch()).toEqual(new Set([endpointLane(first.id), endpointLane(second.id)]))
    for (const endpoint of [first, second])
      expect(await deliveriesOf(endpoint)).toEqual(events.map(({ id }) => deliveryIdOf(id, endpoint.id)).sort())
    expect(await deliveriesOf(choosy)).toEqual([])
    expect(await redis.exists(keys.eventOutbox(source))).toBe(0)
  })

  test('repeated after a crash, or by several processes side by side, it changes nothing', async () => {
    const endpoint = await register()
    const events = await happen(30)
    const entries = await redis.zrange(keys.eventOutbox(source), 0, '-1')
    await Promise.all(Array.from({ length: 5 }, () => dispatch()))
    // As a process leaves them that died before it took them out of the outbox.
    for (const entry of entries) await redis.zadd(keys.eventOutbox(source), 0, entry)
    await dispatch()
    expect(await deliveriesOf(endpoint)).toEqual(events.map(({ id }) => deliveryIdOf(id, endpoint.id)).sort())
    expect(await redis.zcard(keys.outbox(endpointLane(endpoint.id)))).toBe(30)
  })

  test('cut off anywhere, it leaves what is not handed over yet in the outbox', async () => {
    const endpoint = await register()
    const events = await happen(20)
    let left = 7
    const dying: Deliveries = {
      ...store.deliveries,
      create: (...args) => {
        left -= 1
        return left < 0 ? Promise.reject(new Error('the process died')) : store.deliveries.create(...args)
      },
    }
    const dependencies = {
      redis,
      endpoints: store.webhookEndpoints,
      deliveries: dying,
      readCallback: async () => undefined,
      readMode: async () => undefined,
      wake: async () => undefined,
      now: Date.now,
    }
    await expect(dispatchEvents(dependencies, source)).rejects.toThrow('died')
    expect(await deliveriesOf(endpoint)).toHaveLength(7)
    expect(await redis.zcard(keys.eventOutbox(source))).toBe(20)
    await dispatch()
    expect(await deliveriesOf(endpoint)).toEqual(events.map(({ id }) => deliveryIdOf(id, endpoint.id)).sort())
  })

  test('what is of another tenant, or meant for one endpoint only, goes nowhere else', async () => {
    const [own, other] = [await register(), await register()]
    const stranger = await register({ tenantId: randomUUID() })
    const [event] = await happen(1, { onlyEndpointId: own.id })
    await dispatch()
    expect(await deliveriesOf(own)).toEqual([deliveryIdOf(event?.id ?? '', own.id)])
    for (const endpoint of [other, stranger]) expect(await deliveriesOf(endpoint)).toEqual([])
  })

  test('a lane is woken with the first of a long outbox, not after its last', async () => {
    const endpoint = await register()
    await happen(250)
    const leftAtWakes: number[] = []
    await store.dispatchEvents(
      source,
      Date.now,
      async () => void leftAtWakes.push(await redis.zcard(keys.eventOutbox(source))),
    )
    expect(leftAtWakes[0]).toBe(250)
    expect(leftAtWakes.length).toBeGreaterThanOrEqual(10)
    expect(await deliveriesOf(endpoint)).toHaveLength(250)
  })

  test('one whose callback address does not open stays, however many, and holds up no other', async () => {
    const endpoint = await register()
    const unreadable = new UnreadableError('operation:7:callback', 'it is damaged')
    const stuck = await happen(30, { hasCallback: true, at: 1 })
    const events = await happen(30)
    const dependencies = {
      redis,
      endpoints: store.webhookEndpoints,
      deliveries: store.deliveries,
      readCallback: async () => Promise.reject(unreadable),
      readMode: async () => undefined,
      wake: async () => undefined,
      now: Date.now,
    }
    await expect(dispatchEvents(dependencies, source)).rejects.toBe(unreadable)
    expect(await redis.zcard(keys.eventOutbox(source))).toBe(30)
    expect(await deliveriesOf(endpoint)).toEqual(
      [...stuck, ...events].map(({ id }) => deliveryIdOf(id, endpoint.id)).sort(),
    )
  })

  test('one whose callback host was removed waits while the tenant has all hosts it may, and holds up no other', async () => {
    const limits = { ...defaultLimits, callbackHosts: 2 }
    const few = openStore({ redis, keyring: newKeyring(), retentionMs: 86_400_000, waitReplicas: 0, limits })
    const callbacks = ['https://a.example/', 'https://b.example/']
    const hosts = await Promise.all(
      callbacks.map((url) => few.webhookEndpoints.ensureCallbackEndpoint(tenantId, url, Date.now())),
    )
    const endpoint = await register()
    const [stuck] = await happen(1, { hasCallback: true, at: 1 })
    await happen(5)
    const dependencies = {
      redis,
      endpoints: few.webhookEndpoints,
      deliveries: few.deliveries,
      readCallback: async () => 'https://c.example/',
      readMode: async () => undefined,
      wake: async () => undefined,
      now: Date.now,
    }
    await expect(dispatchEvents(dependencies, source)).rejects.toThrow('2 hosts of callback addresses')
    expect(await redis.zrange(keys.eventOutbox(source), 0, '-1')).toEqual([JSON.stringify(stuck)])
    expect(await deliveriesOf(endpoint)).toHaveLength(6)
    if (hosts[0]) await few.webhookEndpoints.remove(hosts[0])
    await dispatchEvents(dependencies, source)
    expect(await redis.exists(keys.eventOutbox(source))).toBe(0)
    const made = await few.webhookEndpoints.ensureCallbackEndpoint(tenantId, 'https://c.example/', Date.now())
    expect(await deliveriesOf(made)).toEqual([deliveryIdOf(stuck?.id ?? '', made.id)])
  })

  test('without any endpoint, events leave the outbox all the same', async () => {
    await happen(3)
    expect(await dispatch()).toEqual(new Set())
    expect(await redis.exists(keys.eventOutbox(source))).toBe(0)
  })
})
