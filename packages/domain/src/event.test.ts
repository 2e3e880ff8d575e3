import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { eventSourceText, parseEventSource, wantsEvent, type EventRecord, type EventSourceRef } from './event.ts'
import { endpointTestEvent } from './event-of-change.ts'
import { newEndpointRecord, type WebhookEndpointRecord } from './webhook-endpoint/record.ts'

const T0 = 1_750_000_000_000
const [account, other] = ['account-a', 'account-b']
const source: EventSourceRef = { kind: 'account', id: account }
const registered = newEndpointRecord({ id: 'endpoint', tenantId: 'tenant', kind: 'registered' }, T0)
const envelope = { id: 'event', at: T0, tenantId: 'tenant', sequence: 1, hasCallback: false }
const failed: EventRecord = {
  ...envelope,
  type: 'operation.failed',
  accountId: account,
  provider: 'okta',
  operationId: 'operation',
  data: {
    operation_id: 'operation',
    status: 'failed',
    integrated_account_id: account,
    provider: 'okta',
    batch_id: null,
    outcome: null,
    error: null,
  },
}
const progress: EventRecord = {
  ...envelope,
  type: 'batch.progress',
  accountId: null,
  provider: null,
  operationId: null,
  batchId: 'batch',
  data: {
    batch_id: 'batch',
    status: 'running',
    status_reason: null,
    counts: {
      total: 1,
      rejected: 0,
      queued: 1,
      running: 0,
      retrying: 0,
      succeeded: 0,
      failed: 0,
      canceled: 0,
      expired: 0,
    },
    links: { self: '/batches/batch', results: '/batches/batch/results' },
  },
}

describe('an event source', () => {
  test('is read back as what it was made of', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.constantFrom('account', 'batch', 'endpoint'), (id, kind: EventSourceRef['kind']) => {
        expect(parseEventSource(eventSourceText({ kind, id }))).toEqual({ kind, id })
      }),
    )
  })

  test('is stored as it has always been', () => {
    const texts = (['account', 'batch', 'endpoint'] as const).map((kind) => eventSourceText({ kind, id: 'x' }))
    expect(texts).toEqual(['x', 'batch-x', 'webhook-x'])
  })
})

describe('an endpoint wants', () => {
  test.each<[string, Partial<WebhookEndpointRecord>, EventRecord, boolean]>([
    ['every event, without filters', {}, failed, true],
    ['one of its types', { events: ['operation.failed'] }, failed, true],
    ['no other type', { events: ['operation.succeeded'] }, failed, false],
    ['no progress of batches unless it names that type', {}, progress, false],
    ['progress of batches where it names that type', { events: ['batch.progress'] }, progress, true],
    ['one of its accounts', { accountIds: [account] }, failed, true],
    ['no other account', { accountIds: [other] }, failed, false],
    ['what is about no account', { accountIds: [other], events: ['batch.progress'] }, progress, true],
    ['its provider', { providers: ['okta'] }, failed, true],
    ['no other provider', { providers: ['salesforce'] }, failed, false],
    [
      'nothing that only most filters pass',
      { providers: ['okta'], accountIds: [account], events: ['operation.held'] },
      failed,
      false,
    ],
    ['events while it is disabled', { status: 'disabled' }, failed, true],
    ['nothing, being one of callback addresses', { kind: 'callback' }, failed, false],
    ['nothing meant for another one alone', {}, { ...failed, onlyEndpointId: 'another' }, false],
    ['what is meant for it alone', { events: [] }, { ...failed, onlyEndpointId: 'endpoint' }, true],
  ])('%s', (_, settings, event, expected) => {
    expect(wantsEvent({ ...registered, ...settings }, event, source)).toBe(expected)
  })

  test('nothing of live accounts when it is of mode test', () => {
    const ofTest: WebhookEndpointRecord = { ...registered, mode: 'test' }
    expect(wantsEvent(ofTest, failed, source)).toBe(false)
    expect(wantsEvent(ofTest, failed, source, 'test')).toBe(true)
    expect(wantsEvent(registered, failed, source, 'test')).toBe(true)
  })

  test('nothing about itself but a test', () => {
    const own: EventSourceRef = { kind: 'endpoint', id: registered.id }
    const { onlyEndpointId, ...about } = { ...endpointTestEvent(registered, T0), id: 'event' }
    expect(onlyEndpointId).toBe(registered.id)
    const disabled: EventRecord = { ...about, type: 'webhook_endpoint.disabled' } as EventRecord
    expect(wantsEvent(registered, disabled, own)).toBe(false)
    expect(wantsEvent({ ...registered, id: 'another' }, disabled, own)).toBe(true)
  })
})
