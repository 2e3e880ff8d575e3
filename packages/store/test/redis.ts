import { randomBytes, randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, inject } from 'vitest'
import type { AccountRecord } from '../../domain/src/account/record.ts'
import { Keyring } from '../src/crypto/keyring.ts'
import type { CreateInput, OperationHead, OperationState } from '../../domain/src/operation/record.ts'
import { connectRedis, type Redis, type RedisRole } from '../src/redis/connect.ts'
import type { EventRecord } from '@muster/domain/event'
import {
  newEndpointRecord,
  type WebhookEndpointRecord,
  type WebhookEndpointSecrets,
} from '@muster/domain/webhook-endpoint/record'

export const newKeyring = (id = 'test'): Keyring => Keyring.parse(`${id}:${randomBytes(32).toString('base64')}`)

/**
 * A database of its own for each test file: the installation's hash key and the lists of tenants and accounts are one
 * for a whole database. Redis counts them out, so that no two files share one.
 * Connections are closed when the file is done.
 */
export function useRedis(): (role?: RedisRole) => Redis {
  const open: Redis[] = []
  let database: number | undefined
  const connectTo = (number: number, role: RedisRole): Redis => {
    const redis = connectRedis(`${inject('redisUrl')}/${number}`, role, () => undefined)
    open.push(redis)
    return redis
  }
  beforeAll(async () => {
    database = await connectTo(0, 'worker').incr('test-databases')
  })
  afterAll(() => open.forEach((redis) => redis.disconnect()))
  return (role = 'worker') => {
    if (database === undefined) throw new Error('Connect in a hook or a test: the database is not known before.')
    return connectTo(database, role)
  }
}

export function newAccount(more: Partial<AccountRecord> = {}): AccountRecord {
  const now = Date.now()
  return {
    id: randomUUID(),
    tenantId: randomUUID(),
    provider: 'okta',
    name: 'Acme',
    status: 'active',
    statusReason: null,
    statusSince: now,
    credentialType: 'api_token',
    credentialsVersion: 1,
    config: {},
    limits: {},
    createdAt: now,
    updatedAt: now,
    ...more,
  }
}

export function newHead(more: Partial<OperationHead> & Pick<OperationHead, 'accountId' | 'tenantId'>): OperationHead {
  return {
    id: uuidv7(),
    provider: 'okta',
    batchId: null,
    reference: null,
    requestId: 'r',
    createdAt: Date.now(),
    priority: 0,
    naturalKeyHash: randomUUID(),
    idempotencyHash: null,
    onConflict: 'fail',
    view: { format: 'unified', ignoreRemoteData: false, excludeFields: [] },
    ...more,
  }
}

export function newState(more: Partial<OperationState> = {}): OperationState {
  const now = Date.now()
  return {
    status: 'queued',
    statusReason: null,
    updatedAt: now,
    startedAt: null,
    finishedAt: null,
    notBefore: null,
    expiresAt: now + 86_400_000,
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
    ...more,
  }
}

export const newRequest = (): CreateInput => ({
  user: {
    username: 'ada',
    password: 'Correct-Horse-9',
    remote_data: { profile: { pin_token: 'canary-token', city: 'London' } },
  },
  remoteQuery: { activate: 'true', api_key: 'canary-key' },
})

export const newEndpoint = (more: Partial<WebhookEndpointRecord> = {}): WebhookEndpointRecord => ({
  ...newEndpointRecord({ id: randomUUID(), tenantId: randomUUID(), kind: 'registered' }, Date.now()),
  ...more,
})

export const newSecrets = (more: Partial<WebhookEndpointSecrets> = {}): WebhookEndpointSecrets => ({
  url: 'https://hooks.example.com/canary-of-the-address',
  secrets: [{ secret: 'whsec_canaryOfTheSecret', createdAt: Date.now(), expiresAt: null }],
  signingKey: null,
  ...more,
})

type OperationEvent = Extract<EventRecord, { operationId: string }>

export function newEvent(more: Partial<OperationEvent> = {}): OperationEvent {
  const at = more.at ?? Date.now()
  const [accountId, operationId] = [more.accountId ?? randomUUID(), more.operationId ?? uuidv7()]
  return {
    id: uuidv7({ msecs: at }),
    type: 'operation.succeeded',
    at,
    tenantId: randomUUID(),
    accountId,
    provider: 'okta',
    operationId,
    sequence: 3,
    data: {
      operation_id: operationId,
      status: 'succeeded',
      integrated_account_id: accountId,
      provider: 'okta',
      batch_id: null,
      outcome: 'created',
      error: null,
    },
    hasCallback: false,
    ...more,
  }
}
