import { endpointLane } from '@muster/domain/lane-id'
import { defaultLimits } from '@muster/contracts/bounds'
import { randomUUID } from 'node:crypto'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { newEndpoint, newEvent, newKeyring, newSecrets, useRedis } from '../../test/redis.ts'
import { deliveryIdOf, type DeliveryRecord } from '@muster/domain/delivery/record'
import { finishDeliveryAttempt } from '@muster/domain/delivery/state'
import { createDeliveries, StaleDeliveryError, type Deliveries } from './deliveries.ts'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'
import type { WebhookEndpointRecord } from '@muster/domain/webhook-endpoint/record'
import { createWebhookEndpoints } from './webhook-endpoints.ts'

const connect = useRedis()
const keyring = newKeyring()
const T0 = 1_750_000_000_000
const DAY_MS = 86_400_000
let redis: Redis
let deliveries: Deliveries
let endpoint: WebhookEndpointRecord
beforeAll(() => {
  redis = connect()
  deliveries = createDeliveries({ redis, keyring, retentionMs: 7 * DAY_MS })
})
beforeEach(async () => {
  endpoint = newEndpoint()
  await createWebhookEndpoints({ redis, keyring }).create(endpoint, newSecrets())
})

const attempt = { startedAt: T0, durationMs: 5, status: 500, reason: 'status_500', reply: null }
const read = async (id: string): Promise<DeliveryRecord> => {
  const record = await deliveries.read(endpoint.id, id)
  if (!record) throw new Error('no delivery')
  return record
}

describe('a delivery', () => {
  test('is made once, however often and by however many processes it is handed over; a delivered one does not start again', async () => {
    const event = newEvent()
    const ids = await Promise.all(Array.from({ length: 10 }, () => deliveries.create(endpoint, event, undefined, T0)))
    expect(new Set(ids).size).toBe(1)
    const record = await read(ids[0] ?? '')
    await deliveries.recordAttempt(record, finishDeliveryAttempt(record.state, attempt, { kind: 'delivered' }, T0))
    await deliveries.create(endpoint, event, undefined, T0)
    expect((await read(record.id)).state.status).toBe('delivered')
    expect(await deliveries.countPending(endpoint.id)).toBe(0)
    expect(await redis.zrange(keys.outbox(endpointLane(endpoint.id)), 0, '-1')).toEqual([`+${record.id}`])
  })

  test('to an endpoint that is gone is not made', async () => {
    const [event, goneId] = [newEvent(), randomUUID()]
    expect(await deliveries.create({ id: goneId, tenantId: endpoint.tenantId }, event, undefined, T0)).toBeUndefined()
    expect(
      await redis.exists(keys.delivery(goneId, deliveryIdOf(event.id, goneId)), keys.outbox(endpointLane(goneId))),
    ).toBe(0)
  })

  test('is written only over the latest version', async () => {
    const record = await read((await deliveries.create(endpoint, newEvent(), undefined, T0)) ?? '')
    const state = finishDeliveryAttempt(record.state, attempt, { kind: 'failed' }, T0)
    const saved = await deliveries.recordAttempt(record, state)
    await expect(deliveries.recordAttempt(record, state)).rejects.toThrow(StaleDeliveryError)
    expect((await read(record.id)).state.attemptCount).toBe(1)
    const [one, other] = await Promise.all([deliveries.replay(saved, T0), deliveries.replay(saved, T0)])
    expect([one, other].filter((replayed) => replayed !== undefined)).toHaveLength(1)
  })

  test('that is replayed gets another job, since that of the run before may not be gone yet', async () => {
    const record = await read((await deliveries.create(endpoint, newEvent(), undefined, T0)) ?? '')
    const failed = await deliveries.recordAttempt(
      record,
      finishDeliveryAttempt(record.state, attempt, { kind: 'failed' }, T0),
    )
    expect(await deliveries.replay(failed, T0 + 5)).toMatchObject({
      state: { status: 'pending', run: 1, failedAttempts: 0, attemptCount: 1, finishedAt: null },
    })
    expect(await redis.zrange(keys.outbox(endpointLane(endpoint.id)), 0, '-1')).toContain(`+${record.id}-1`)
    expect(await deliveries.countPending(endpoint.id)).toBe(1)
  })

  test('that its endpoint has no room for has failed, is kept and listed, and can be replayed when there is room', async () => {
    const few = createDeliveries({
      redis,
      keyring,
      retentionMs: 7 * DAY_MS,
      limits: { ...defaultLimits, pendingDeliveries: 5 },
    })
    const ids = await Promise.all(
      Array.from({ length: 20 }, () => few.create(endpoint, newEvent(), 'https://hooks.example.com/x', T0)),
    )
    const records = await few.readMany(endpoint.id, await few.listIds(endpoint.id, null, 100))
    expect(records.map(({ id }) => id).sort()).toEqual(ids.sort())
    const [failed, waiting] = ['failed', 'pending'].map((status) =>
      records.filter(({ state }) => state.status === status),
    )
    expect({ failed: failed?.length, waiting: waiting?.length, pending: await few.countPending(endpoint.id) }).toEqual({
      failed: 15,
      waiting: 5,
      pending: 5,
    })
    const [refused, first] = [failed?.[0], waiting?.[0]]
    if (!refused || !first) throw new Error('none was refused')
    expect(refused.state).toMatchObject({ reason: 'too_many_pending', finishedAt: T0, attemptCount: 0 })
    expect(await redis.zcard(keys.outbox(endpointLane(endpoint.id)))).toBe(5)
    expect(await redis.pttl(keys.delivery(endpoint.id, refused.id))).toBeLessThanOrEqual(7 * DAY_MS)
    await expect(few.replay(refused, T0)).rejects.toThrow('5 pending deliveries of one webhook endpoint')
    // What waits already is tried again, whatever else does.
    await few.recordAttempt(first, finishDeliveryAttempt(first.state, attempt, { kind: 'again', delayMs: 1 }, T0))
    await few.recordAttempt(
      await read(first.id),
      finishDeliveryAttempt(first.state, attempt, { kind: 'delivered' }, T0),
    )
    const replayed = await few.replay(refused, T0)
    expect(replayed?.state).toMatchObject({ status: 'pending', run: 1 })
    expect(await few.readUrl(refused)).toBe('https://hooks.example.com/x')
    expect(await redis.zrange(keys.outbox(endpointLane(endpoint.id)), 0, '-1')).toContain(`+${refused.id}-1`)
  })

  test('keeps the address that came with the request, and what receivers answer, sealed', async () => {
    const id = (await deliveries.create(endpoint, newEvent(), 'https://hooks.example.com/canary', T0)) ?? ''
    const record = await read(id)
    await deliveries.recordAttempt(
      record,
      finishDeliveryAttempt(record.state, { ...attempt, reply: 'canary@example.com' }, { kind: 'failed' }, T0),
    )
    const values = Object.values(await redis.hgetallBuffer(keys.delivery(endpoint.id, id))).map((value) =>
      value.toString('latin1'),
    )
    expect(values.filter((value) => value.includes('canary'))).toEqual([])
    const kept = await read(id)
    expect(await deliveries.readUrl(kept)).toBe('https://hooks.example.com/canary')
    expect(kept.state.attempts[0]?.reply).toBe('canary@example.com')
    expect((await deliveries.readMany(endpoint.id, [id]))[0]?.state.attempts[0]?.reply).toBe('canary@example.com')
  })

  test('waits for as long as the longest schedule, and is kept for the retention once it has ended', async () => {
    const record = await read((await deliveries.create(endpoint, newEvent(), undefined, T0)) ?? '')
    const ttl = () => redis.pttl(keys.delivery(endpoint.id, record.id))
    expect(await ttl()).toBeGreaterThan(36 * DAY_MS)
    await deliveries.recordAttempt(record, finishDeliveryAttempt(record.state, attempt, { kind: 'delivered' }, T0))
    expect(await ttl()).toBeLessThanOrEqual(7 * DAY_MS)
  })

  test('what has left is taken out of the index; of what is removed nothing stays', async () => {
    const ids = await Promise.all(
      Array.from({ length: 5 }, (_, index) => deliveries.create(endpoint, newEvent({ at: T0 + index }), undefined, T0)),
    )
    await redis.del(keys.delivery(endpoint.id, ids[1] ?? ''), keys.delivery(endpoint.id, ids[3] ?? ''))
    await deliveries.trimIndex(endpoint.id)
    expect(await deliveries.listIds(endpoint.id, null, 10)).toEqual([ids[4], ids[2], ids[0]])
    expect(await deliveries.countPending(endpoint.id)).toBe(3)
    await deliveries.removeAll(endpoint.id)
    expect(await redis.keys(`muster:{${endpointLane(endpoint.id)}}:*`)).toEqual([keys.webhookEndpoint(endpoint.id)])
    for (const id of [ids[0], ids[2], ids[4]]) expect(await redis.exists(keys.deliveryLocator(id ?? ''))).toBe(0)
  })
})
