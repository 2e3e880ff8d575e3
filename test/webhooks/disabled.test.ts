import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DISABLED_BY_HAND } from '../../packages/domain/src/webhook-endpoint/state.ts'
import { newUser, eventually } from '../support/harness.ts'
import { answer } from '../support/receiver.ts'
import { onlyTests, startWebhookStage, type WebhookStage } from '../support/webhook-stage.ts'

/** Two seconds instead of five days. */
const DISABLE_AFTER_HOURS = 2 / 3_600

let stage: WebhookStage
beforeAll(async () => {
  stage = await startWebhookStage({
    environment: {
      MUSTER_WEBHOOK_DISABLE_AFTER_HOURS: String(DISABLE_AFTER_HOURS),
      MUSTER_WEBHOOK_SCHEDULE: '1,1,1,1,1,1,1,1',
      MUSTER_MAX_WEBHOOK_ENDPOINTS: '100',
    },
  })
})
afterAll(() => stage.close())

const disabled = async (endpointId: string) =>
  eventually(
    () => stage.endpoint(endpointId),
    ({ status }) => status === 'disabled',
  )
const create = async (account: string): Promise<void> =>
  void (await stage.muster.finished((await stage.client.create<{ id: string }>(account, newUser('okta'))).body.id))

describe('an endpoint is disabled', () => {
  test('by 410: with the reason, reported to the other endpoints and not to itself, and no attempt follows', async () => {
    stage.receiver.behave(answer(410), '/gone')
    await stage.register('/witness', { events: ['webhook_endpoint.disabled'] })
    const endpoint = await stage.register('/gone', onlyTests)
    const delivery = await stage.delivery((await stage.send(endpoint.id)).id)
    expect(delivery).toMatchObject({ status: 'failed', attempt_count: 1, attempts: [{ status: 410, reason: 'gone' }] })
    expect(await disabled(endpoint.id)).toMatchObject({ status_reason: 'The receiver answered 410 Gone.' })
    const message = await stage.received('/witness', 'webhook_endpoint.disabled')
    expect(message.event.data).toEqual({
      webhook_endpoint_id: endpoint.id,
      reason: 'The receiver answered 410 Gone.',
      links: { self: `/webhook-endpoints/${endpoint.id}` },
    })
    expect(stage.receiver.at('/gone').map(({ event }) => event.type)).toEqual(['webhook_endpoint.test'])
  })

  test('when every delivery has failed for so long; made active again it sends what waited', async () => {
    const account = await stage.muster.connect('okta')
    await stage.register('/failing/witness', { events: ['webhook_endpoint.disabled'] })
    const endpoint = await stage.register('/failing', { integrated_account_ids: [account] })
    stage.receiver.behave(answer(500), '/failing')
    await create(account)
    expect(
      (
        await eventually(
          () => stage.endpoint(endpoint.id),
          ({ failing_since }) => failing_since !== null,
        )
      ).status,
    ).toBe('active')
    const present = await disabled(endpoint.id)
    expect(present.status_reason).toMatch(/^Every delivery has failed since .*; the latest: status_500\.$/)
    expect((await stage.received('/failing/witness', 'webhook_endpoint.disabled')).event.data).toMatchObject({
      reason: present.status_reason,
    })
    const attempts = stage.receiver.at('/failing').length
    await create(account)
    await create(account)
    const waiting = await eventually(
      () => stage.deliveries(endpoint.id, 'status=pending'),
      ({ length }) => length === 3,
    )
    expect(waiting.map(({ attempt_count }) => attempt_count).sort()).toEqual([0, 0, expect.any(Number)])
    expect(stage.receiver.at('/failing')).toHaveLength(attempts)
    stage.receiver.behave(answer(204), '/failing')
    const active = await stage.client.request('PATCH', `/webhook-endpoints/${endpoint.id}`, {
      body: { status: 'active' },
    })
    expect(active.body).toMatchObject({ status: 'active', status_reason: null, failing_since: null })
    const all = await stage.settled(endpoint.id, 3)
    expect(all.map(({ status }) => status)).toEqual(['delivered', 'delivered', 'delivered'])
    expect(new Set(stage.receiver.at('/failing').map(({ id }) => id)).size).toBe(3)
  })

  test('a success in between starts the time again', async () => {
    const endpoint = await stage.register('/flaky', onlyTests)
    stage.receiver.behave(answer(500), '/flaky')
    await stage.send(endpoint.id)
    const first = await eventually(
      () => stage.endpoint(endpoint.id),
      ({ failing_since }) => failing_since !== null,
    )
    stage.receiver.behave(answer(204), '/flaky')
    await stage.settled(endpoint.id)
    await eventually(
      () => stage.endpoint(endpoint.id),
      ({ failing_since }) => failing_since === null,
    )
    stage.receiver.behave(answer(500), '/flaky')
    await stage.send(endpoint.id)
    const second = await eventually(
      () => stage.endpoint(endpoint.id),
      ({ failing_since }) => failing_since !== null,
    )
    expect(second.failing_since).not.toBe(first.failing_since)
    expect(second.status).toBe('active')
  })

  test('not by one failure of today, after one of long ago and nothing in between', async () => {
    const endpoint = await stage.register('/quiet', onlyTests)
    const redis = new Redis(stage.muster.redis.url)
    try {
      const key = `muster:{webhook-${endpoint.id}}:endpoint`
      const record = JSON.parse((await redis.hget(key, 'record')) ?? '{}') as object
      const longAgo = Date.now() - 6 * 86_400_000
      await redis.hset(key, 'record', JSON.stringify({ ...record, failingSince: longAgo, lastFailureAt: longAgo }))
    } finally {
      redis.disconnect()
    }
    stage.receiver.behave(answer(500), '/quiet')
    await stage.send(endpoint.id)
    const present = await eventually(
      () => stage.endpoint(endpoint.id),
      ({ status, failing_since }) =>
        status === 'disabled' || Date.parse(String(failing_since)) > Date.now() - 86_400_000,
    )
    stage.receiver.behave(answer(204), '/quiet')
    expect(present.status).toBe('active')
    expect((await stage.settled(endpoint.id)).map(({ status }) => status)).toEqual(['delivered'])
  })

  test('by hand: no event, what comes meanwhile waits, and a test is refused', async () => {
    const account = await stage.muster.connect('okta')
    await stage.register('/hand/witness', { events: ['webhook_endpoint.disabled', 'webhook_endpoint.test'] })
    const endpoint = await stage.register('/hand', { integrated_account_ids: [account] })
    const { body } = await stage.client.request('PATCH', `/webhook-endpoints/${endpoint.id}`, {
      body: { status: 'disabled' },
    })
    expect(body).toMatchObject({ status: 'disabled', status_reason: DISABLED_BY_HAND })
    expect((await stage.client.request('POST', `/webhook-endpoints/${endpoint.id}/test`)).status).toBe(409)
    await create(account)
    await eventually(
      () => stage.deliveries(endpoint.id, 'status=pending'),
      ({ length }) => length === 1,
    )
    await stage.client.request('PATCH', `/webhook-endpoints/${endpoint.id}`, { body: { status: 'active' } })
    await stage.settled(endpoint.id)
    expect(stage.receiver.at('/hand').map(({ event }) => event.type)).toEqual(['operation.succeeded'])
    expect(stage.receiver.at('/hand/witness')).toEqual([])
  })
})
