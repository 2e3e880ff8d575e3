import { describe, expect, test } from 'vitest'
import { accountEvent, endpointEvent, operationEvent } from './event-of-change.ts'
import type { OperationHead, OperationState } from './operation/record.ts'
import type { Outcome } from './outcome.ts'
import {
  cancel,
  expire,
  finishAttempt,
  recordIntent,
  recoverFromCrash,
  requeue,
  startAttempt,
} from './operation/state.ts'
import { newEndpointRecord } from './webhook-endpoint/record.ts'
import { setEndpointStatus } from './webhook-endpoint/state.ts'

const T0 = 1_750_000_000_000
const policy = { maxAttempts: 1, baseDelayMs: 1_000, maxDelayMs: 1_000 }
const patient = { ...policy, maxAttempts: 5 }
const failure = {
  code: 'provider_unavailable',
  message: 'ada@example.com could not be made.',
  response: { status: 503, body: { login: 'ada' } },
} as const
const queued: OperationState = {
  status: 'queued',
  statusReason: null,
  updatedAt: T0,
  startedAt: null,
  finishedAt: null,
  notBefore: null,
  expiresAt: T0 + 60_000,
  nextAttemptAt: null,
  run: 0,
  attemptCount: 0,
  usedAttempts: 0,
  attempts: [],
  warnings: [],
  outcome: null,
  remoteId: null,
  error: null,
  unknown: null,
}
const running = startAttempt(queued, T0)
const waiting = finishAttempt(running, { ...failure, outcome: 'retrying' }, [], patient, T0)
const failed = finishAttempt(running, { ...failure, outcome: 'failed', warnings: [] }, [], policy, T0)
const poisoned: OperationState = { ...recordIntent(running, [], T0), crashes: 2 }
const end = (outcome: Outcome, from = running, by = patient): OperationState => finishAttempt(from, outcome, [], by, T0)
const head: OperationHead = {
  id: 'o',
  tenantId: 't',
  accountId: 'a',
  provider: 'okta',
  batchId: null,
  reference: 'ada@example.com',
  requestId: 'r',
  createdAt: T0,
  priority: 0,
  naturalKeyHash: 'hash',
  idempotencyHash: null,
  onConflict: 'fail',
  view: { format: 'unified', ignoreRemoteData: false, excludeFields: [] },
  hasCallback: true,
}

describe('a write of an operation emits', () => {
  test.each<[string, OperationState, OperationState, string | undefined]>([
    ['queued → running', queued, running, undefined],
    ['the intent', running, recordIntent(running, [], T0), undefined],
    [
      'running → succeeded',
      running,
      end({ outcome: 'succeeded', how: 'created', remoteId: 'r', warnings: [] }),
      'operation.succeeded',
    ],
    ['running → failed', running, failed, 'operation.failed'],
    ['running → retrying', running, waiting, undefined],
    ['its last attempt fails', running, end({ ...failure, outcome: 'retrying' }, running, policy), 'operation.failed'],
    ['a lost answer', running, end({ ...failure, outcome: 'unknown', at: T0 }), undefined],
    [
      'a lost answer, for good',
      running,
      end({ ...failure, outcome: 'unknown', at: T0 }, running, policy),
      'operation.failed',
    ],
    ['a look-up too early', running, end({ outcome: 'reconciling', at: T0 }), undefined],
    ['a rate limit', running, end({ ...failure, outcome: 'rate_limited', at: T0 }), undefined],
    ['a hold', running, end({ ...failure, outcome: 'held' }), 'operation.held'],
    ['handed back', running, end({ outcome: 'interrupted', at: T0 }), undefined],
    ['its time passes while it runs', running, end({ outcome: 'expired' }), 'operation.expired'],
    ['its time passes while it waits', waiting, expire(waiting, T0), 'operation.expired'],
    [
      'held → running',
      end({ ...failure, outcome: 'held' }),
      startAttempt(end({ ...failure, outcome: 'held' }), T0),
      undefined,
    ],
    [
      'held → expired',
      end({ ...failure, outcome: 'held' }),
      expire(end({ ...failure, outcome: 'held' }), T0),
      'operation.expired',
    ],
    ['queued → canceled', queued, cancel(queued, T0), 'operation.canceled'],
    ['its worker died', running, recoverFromCrash(running, T0), undefined],
    ['its workers died, for good', poisoned, recoverFromCrash(poisoned, T0), 'operation.failed'],
    ['failed → queued again', failed, requeue(failed, T0, T0), undefined],
    ['written again after its end', failed, { ...failed, updatedAt: T0 + 1 }, undefined],
  ])('%s', (_, before, state, type) => {
    expect(operationEvent(head, before, state, 7)?.type).toBe(type)
  })

  test('ids, states and codes, and no personal data; an end goes to the callback, a hold does not', () => {
    const event = operationEvent(head, running, failed, 7)
    expect(event).toMatchObject({
      at: T0,
      tenantId: 't',
      accountId: 'a',
      provider: 'okta',
      operationId: head.id,
      sequence: 7,
      hasCallback: true,
    })
    expect(event?.data).toEqual({
      operation_id: head.id,
      status: 'failed',
      integrated_account_id: 'a',
      provider: 'okta',
      batch_id: null,
      outcome: null,
      error: { code: 'provider_unavailable', retryable: true },
    })
    expect(JSON.stringify(event)).not.toContain('ada')
    expect(operationEvent(head, running, end({ ...failure, outcome: 'held' }), 7)).toMatchObject({
      hasCallback: false,
      data: { status: 'held', error: null },
    })
  })
})

describe('a write of an account emits', () => {
  const at = (status: 'active' | 'paused' | 'needs_reauth' | 'permission_denied') =>
    ({
      id: 'a',
      tenantId: 't',
      provider: 'okta',
      status,
      statusReason: status === 'active' ? null : 'Because.',
      updatedAt: T0,
    }) as const
  test.each([
    ['active', 'needs_reauth', 'integrated_account.needs_reauth'],
    ['active', 'permission_denied', 'integrated_account.needs_reauth'],
    ['needs_reauth', 'active', 'integrated_account.resumed'],
    ['permission_denied', 'active', 'integrated_account.resumed'],
    ['paused', 'active', 'integrated_account.resumed'],
    ['active', 'paused', undefined],
    ['needs_reauth', 'paused', undefined],
    ['active', 'active', undefined],
  ] as const)('%s → %s', (before, after, type) => {
    const event = accountEvent(at(before), at(after), 3)
    expect(event?.type).toBe(type)
    if (event)
      expect(event).toMatchObject({
        sequence: 3,
        accountId: 'a',
        operationId: null,
        hasCallback: false,
        data: { status: after, status_reason: after === 'active' ? null : 'Because.' },
      })
  })
})

describe('a write of an endpoint emits', () => {
  const active = newEndpointRecord({ id: 'e', tenantId: 't', kind: 'registered' }, T0)
  const gone = { ...active, status: 'disabled' as const, statusReason: 'The receiver answered 410 Gone.' }

  test('its end when its receiver disabled it', () => {
    expect(endpointEvent(active, gone, 2)).toMatchObject({
      type: 'webhook_endpoint.disabled',
      sequence: 2,
      accountId: null,
      data: { webhook_endpoint_id: 'e', reason: 'The receiver answered 410 Gone.' },
    })
  })

  test('nothing when its owner disabled or enabled it, or when its status stays', () => {
    expect(endpointEvent(active, setEndpointStatus(active, 'disable', T0), 2)).toBeUndefined()
    expect(endpointEvent(gone, setEndpointStatus(gone, 'enable', T0), 2)).toBeUndefined()
    expect(endpointEvent(gone, gone, 2)).toBeUndefined()
  })
})
