import { randomBytes } from 'node:crypto'
import { webhookEventSchemas } from '@muster/contracts/webhook-event'
import { Keyring } from '@muster/store/crypto/keyring'
import { finishAttempt, startAttempt } from '@muster/domain/operation/state'
import type { Outcome } from '@muster/domain/outcome'
import type { OperationRecord } from '@muster/domain/operation/record'
import { openStore, type Store } from '@muster/store/store'
import type { EventRecord } from '@muster/domain/event'
import { endpointTestEvent, operationEvent } from '@muster/domain/event-of-change'
import { newEndpointRecord } from '@muster/domain/webhook-endpoint/record'
import { identifyEvent } from '@muster/store/webhooks/identify-event'
import { beforeAll, describe, expect, test } from 'vitest'
import { newAccount, newHead, newRequest, newState, useRedis } from '../../../../packages/store/test/redis.ts'
import { toWebhookEvent } from './webhook-event.ts'

const policy = { maxAttempts: 1, baseDelayMs: 1, maxDelayMs: 1 }
let store: Store
const connect = useRedis()
beforeAll(() => {
  store = openStore({
    redis: connect(),
    keyring: Keyring.parse(`test:${randomBytes(32).toString('base64')}`),
    retentionMs: 86_400_000,
    waitReplicas: 0,
  })
})

/** An operation that ended so, and its event. */
async function ended(end: Outcome): Promise<{ record: OperationRecord; event: EventRecord }> {
  const account = newAccount()
  await store.accounts.create(account, { type: 'api_token', api_token: 'x' })
  const head = newHead({ accountId: account.id, tenantId: account.tenantId, reference: 'ada@example.com' })
  await store.operations.accept({ head, state: newState(), request: newRequest(), fingerprint: head.id })
  const running = await store.operations.save(
    { head, state: newState(), version: 1 },
    startAttempt(newState(), Date.now()),
  )
  const state = finishAttempt(running.state, end, [], policy, Date.now())
  const record = await store.operations.save(
    running,
    state,
    end.outcome === 'succeeded' ? { user: { id: 'r1', first_name: 'Ada' }, remoteData: { id: 'r1' } } : undefined,
  )
  const event = operationEvent(head, running.state, state, record.version)
  if (!event) throw new Error('no event')
  return { record, event: identifyEvent(event) }
}
const succeeded: Outcome = { outcome: 'succeeded', how: 'created', remoteId: 'r1', warnings: [] }
const failed: Outcome = {
  outcome: 'failed',
  warnings: [],
  code: 'user_exists',
  message: 'Ada is there.',
  origin: 'provider',
  pointer: '/username',
}

describe('the body of a message', () => {
  test.each(['thin', 'full'] as const)(
    '%s: is of its schema, and carries the envelope of the event',
    async (payload) => {
      for (const end of [succeeded, failed]) {
        const { event } = await ended(end)
        const body = await toWebhookEvent(store, event, payload)
        expect(webhookEventSchemas[event.type].strict().parse(JSON.parse(JSON.stringify(body)))).toBeTruthy()
        expect(body).toMatchObject({
          id: event.id,
          type: event.type,
          version: 1,
          sequence: event.sequence,
          timestamp: new Date(event.at).toISOString(),
        })
      }
    },
  )

  test('thin has no result and no words; full has both', async () => {
    const [good, bad] = [await ended(succeeded), await ended(failed)]
    expect((await toWebhookEvent(store, good.event, 'thin')).data).toMatchObject({
      reference: 'ada@example.com',
      remote_id: 'r1',
      outcome: 'created',
      error: null,
    })
    expect((await toWebhookEvent(store, good.event, 'thin')).data).not.toHaveProperty('result')
    expect((await toWebhookEvent(store, good.event, 'full')).data).toMatchObject({ result: { first_name: 'Ada' } })
    expect((await toWebhookEvent(store, bad.event, 'thin')).data).toMatchObject({
      error: { code: 'user_exists', retryable: false },
    })
    expect(JSON.stringify(await toWebhookEvent(store, bad.event, 'thin'))).not.toContain('Ada is there')
    expect((await toWebhookEvent(store, bad.event, 'full')).data).toMatchObject({
      error: {
        code: 'user_exists',
        message: 'Ada is there.',
        pointer: '/username',
        hint: expect.any(String) as string,
      },
    })
  })

  test('of an erased operation: what happened, and no personal data', async () => {
    const { record, event } = await ended(succeeded)
    await store.eraseOperation(record, Date.now())
    for (const payload of ['thin', 'full'] as const) {
      const { data } = await toWebhookEvent(store, event, payload)
      expect(data).toMatchObject({
        operation_id: record.head.id,
        status: 'succeeded',
        outcome: 'created',
        reference: null,
        remote_id: null,
      })
      expect(data).not.toHaveProperty('result')
    }
  })

  test('of an operation that a retry has moved on: the state of the event, without the words of another', async () => {
    const { record, event } = await ended(failed)
    const again = await store.operations.save(record, {
      ...startAttempt({ ...record.state, status: 'queued', finishedAt: null, error: null }, Date.now()),
    })
    expect(again.state.status).toBe('running')
    const { data } = await toWebhookEvent(store, event, 'full')
    expect(data).toMatchObject({ status: 'failed', error: { code: 'user_exists' } })
    expect(JSON.stringify(data)).not.toContain('Ada is there')
  })

  test('of anything but an operation: as it was written', async () => {
    const endpoint = newEndpointRecord({ id: 'w', tenantId: 't', kind: 'registered' }, 0)
    const event = identifyEvent(endpointTestEvent(endpoint, 0))
    expect((await toWebhookEvent(store, event, 'full')).data).toEqual(event.data)
  })
})
