import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, newUser } from '../support/harness.ts'
import { answer, type Behaviour } from '../support/receiver.ts'
import { inTurn, onlyTests, startWebhookStage, type Endpoint, type WebhookStage } from '../support/webhook-stage.ts'

let stage: WebhookStage
let redis: Redis
beforeAll(async () => {
  stage = await startWebhookStage({
    environment: { MUSTER_WEBHOOK_SCHEDULE: '1', MUSTER_MAX_WEBHOOK_ENDPOINTS: '100' },
  })
  redis = new Redis(stage.muster.redis.url)
})
afterAll(async () => {
  redis.disconnect()
  await stage.close()
})

const replay = (deliveryId: string) => stage.client.request('POST', `/deliveries/${deliveryId}/replay`)
const replaySince = async (endpointId: string, body: object) =>
  (await stage.client.request<{ replayed: number }>('POST', `/webhook-endpoints/${endpointId}/replay`, { body })).body
    .replayed

/** An endpoint and its deliveries, all of which have failed. */
async function failed(path: string, count: number): Promise<{ endpoint: Endpoint; ids: string[] }> {
  stage.receiver.behave(answer(500), path)
  const endpoint = await stage.register(path, onlyTests)
  const ids: string[] = []
  for (let index = 0; index < count; index += 1) ids.push((await stage.send(endpoint.id)).id)
  const all = await stage.settled(endpoint.id, count)
  expect(all.every(({ status }) => status === 'failed')).toBe(true)
  return { endpoint, ids }
}

describe('a test delivery', () => {
  test('is sent to that endpoint alone, whatever its filters, and its Location leads to its log', async () => {
    const endpoint = await stage.register('/test/one', { events: ['operation.failed'] })
    await stage.register('/test/other')
    const sent = await stage.client.request<{ id: string; event_id: string }>(
      'POST',
      `/webhook-endpoints/${endpoint.id}/test`,
    )
    expect({ status: sent.status, location: sent.headers.get('location') }).toEqual({
      status: 202,
      location: `/deliveries/${sent.body.id}`,
    })
    const received = await stage.received('/test/one', 'webhook_endpoint.test')
    expect(received.id).toBe(sent.body.event_id)
    expect(await stage.delivery(sent.body.id)).toMatchObject({
      event_type: 'webhook_endpoint.test',
      operation_id: null,
      status: 'delivered',
    })
    expect(stage.receiver.at('/test/other')).toEqual([])
  })
})

describe('the log of deliveries', () => {
  test('is filtered by status, type and operation, and walked through page by page, newest first', async () => {
    const account = await stage.muster.connect('okta')
    const endpoint = await stage.register('/log', { integrated_account_ids: [account] })
    const { body: operation } = await stage.client.create<{ id: string }>(account, newUser('okta'))
    await stage.received('/log', 'operation.succeeded')
    stage.receiver.behave(answer(500), '/log')
    for (let count = 0; count < 4; count += 1) await stage.send(endpoint.id)
    await stage.settled(endpoint.id, 5)
    const all = await stage.deliveries(endpoint.id)
    const typesBy = async (query: string): Promise<string[]> =>
      (await stage.deliveries(endpoint.id, query)).map(({ event_type }) => event_type)
    expect(await typesBy('status=delivered')).toEqual(['operation.succeeded'])
    expect(await typesBy('status=failed')).toHaveLength(4)
    expect(await typesBy('event_type=webhook_endpoint.test&status=delivered')).toEqual([])
    expect(await typesBy(`operation_id=${operation.id}`)).toEqual(['operation.succeeded'])
    const walked: string[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: { body: { result: { id: string }[]; next_cursor: string | null } } = await stage.client.request(
        'GET',
        `/webhook-endpoints/${endpoint.id}/deliveries?limit=2${cursor && `&cursor=${cursor}`}`,
      )
      walked.push(...page.body.result.map(({ id }) => id))
      cursor = page.body.next_cursor
    }
    expect(walked).toEqual(all.map(({ id }) => id))
    expect(walked).toEqual([...walked].sort().reverse())
  })
})

describe('a replay', () => {
  test('of one: sent again under the same id, with the schedule started again, and its attempts stay in the log', async () => {
    const { ids } = await failed('/replay/one', 1)
    stage.receiver.behave(inTurn(answer(502), answer(204)), '/replay/one')
    expect((await replay(ids[0] ?? '')).status).toBe(202)
    const delivery = await stage.delivery(ids[0] ?? '')
    expect(delivery.attempts.map(({ number, reason }) => [number, reason])).toEqual([
      [1, 'status_500'],
      [2, 'status_500'],
      [3, 'status_502'],
      [4, null],
    ])
    expect(new Set(stage.receiver.at('/replay/one').map(({ id }) => id))).toEqual(new Set([delivery.event_id]))
    // What was delivered can be sent again too; what is pending cannot.
    const silence: Behaviour = () => undefined
    stage.receiver.behave(silence, '/replay/one')
    expect([(await replay(delivery.id)).status, (await replay(delivery.id)).status]).toEqual([202, 409])
  })

  test('of all that failed since a time: not of what was delivered, nor of what came before or after', async () => {
    const { endpoint, ids } = await failed('/replay/since', 3)
    stage.receiver.behave(answer(204), '/replay/since')
    const delivered = await stage.delivery((await stage.send(endpoint.id)).id)
    const [, second] = await Promise.all(ids.map((id) => stage.delivery(id)))
    const at = second?.created_at ?? ''
    expect(await replaySince(endpoint.id, { since: at, until: at })).toBe(1)
    expect(await stage.delivery(second?.id ?? '')).toMatchObject({ status: 'delivered', attempt_count: 3 })
    expect(await replaySince(endpoint.id, { since: new Date(Date.parse(at) - 60_000).toISOString() })).toBe(2)
    const all = await stage.settled(endpoint.id, 4)
    expect(all.every(({ status }) => status === 'delivered')).toBe(true)
    expect(all.find(({ id }) => id === delivered.id)?.attempt_count).toBe(1)
    expect(await replaySince(endpoint.id, { since: new Date(Date.parse(at) - 60_000).toISOString() })).toBe(0)
  })
})

describe('an endpoint that is removed', () => {
  test('is sent nothing more, and nothing of it is left in Redis: deliveries, lane, schedule', async () => {
    const account = await stage.muster.connect('okta')
    stage.receiver.behave(answer(503, { 'retry-after': '60' }), '/removed')
    const endpoint = await stage.register('/removed', { integrated_account_ids: [account] })
    const ids = [await stage.send(endpoint.id), await stage.send(endpoint.id)].map(({ id }) => id)
    await stage.receiver.until(({ path }) => path === '/removed', 2)
    for (const id of ids) await stage.delivery(id, ({ attempt_count }) => attempt_count === 1)
    expect((await stage.client.request('DELETE', `/webhook-endpoints/${endpoint.id}`)).status).toBe(204)
    for (const path of [
      `/webhook-endpoints/${endpoint.id}`,
      `/webhook-endpoints/${endpoint.id}/deliveries`,
      `/deliveries/${ids[0] ?? ''}`,
    ])
      expect((await stage.client.request('GET', path)).status).toBe(404)
    await stage.muster.finished((await stage.client.create<{ id: string }>(account, newUser('okta'))).body.id)
    const left = async (): Promise<unknown[]> => [
      ...(await redis.keys(`*${endpoint.id}*`)),
      ...(await Promise.all(ids.map((id) => redis.keys(`*${id}*`)))).flat(),
      ...((await redis.zscore('muster:lane-schedule', `webhook-${endpoint.id}`)) === null ? [] : ['on the schedule']),
    ]
    expect(await eventually(left, ({ length }) => length === 0)).toEqual([])
    expect(stage.receiver.at('/removed')).toHaveLength(2)
  })

  test('while a delivery is on its way: it leaves nothing behind either', async () => {
    let letGo: () => void = () => undefined
    stage.receiver.behave((_, response) => void (letGo = () => response.writeHead(500).end()), '/removed-late')
    const endpoint = await stage.register('/removed-late', onlyTests)
    const { id } = await stage.send(endpoint.id)
    await stage.receiver.until(({ path }) => path === '/removed-late')
    expect((await stage.client.request('DELETE', `/webhook-endpoints/${endpoint.id}`)).status).toBe(204)
    letGo()
    expect(
      await eventually(
        async () => [...(await redis.keys(`*${endpoint.id}*`)), ...(await redis.keys(`*${id}*`))],
        ({ length }) => length === 0,
      ),
    ).toEqual([])
    expect(stage.receiver.at('/removed-late')).toHaveLength(1)
  })
})

test('beyond its pending deliveries an endpoint gets failed ones, which are listed, and replayed once there is room', async () => {
  const small = await startWebhookStage({
    environment: { MUSTER_WEBHOOK_SCHEDULE: '8', MUSTER_MAX_PENDING_DELIVERIES: '2' },
  })
  try {
    small.receiver.behave(answer(500), '/bound')
    const endpoint = await small.register('/bound', onlyTests)
    for (let count = 0; count < 2; count += 1) await small.send(endpoint.id)
    const refused = await small.send(endpoint.id)
    expect(refused).toMatchObject({ status: 'failed', reason: 'too_many_pending', attempt_count: 0 })
    expect(await small.deliveries(endpoint.id, 'status=failed')).toMatchObject([{ id: refused.id }])
    const again = () => small.client.request('POST', `/deliveries/${refused.id}/replay`)
    const since = { since: '2020-01-01T00:00:00Z' }
    const all = () => small.client.request('POST', `/webhook-endpoints/${endpoint.id}/replay`, { body: since })
    for (const replayed of [again, all])
      expect(await replayed()).toMatchObject({ status: 429, body: { bound: 'pendingDeliveries', limit: 2 } })
    small.receiver.behave(answer(204), '/bound')
    expect((await eventually(again, ({ status }) => status !== 429)).status).toBe(202)
    expect(await small.delivery(refused.id)).toMatchObject({ status: 'delivered', reason: null })
  } finally {
    await small.close()
  }
}, 40_000)
