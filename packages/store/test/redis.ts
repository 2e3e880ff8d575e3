import { randomBytes, randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, inject } from 'vitest'
import type { AccountRecord } from '../src/accounts/accounts.ts'
import { Keyring } from '../src/crypto/keyring.ts'
import type { CreateInput, OperationHead, OperationState } from '../../domain/src/operation/record.ts'
import { connectRedis, type Redis, type RedisRole } from '../src/redis/connect.ts'
import type { StoredEvent } from '../src/webhooks/stored-event.ts'
import type { WebhookEndpointRecord, WebhookEndpointSecrets } from '../src/webhooks/webhook-endpoints.ts'

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

export function newEndpoint(more: Partial<WebhookEndpointRecord> = {}): WebhookEndpointRecord {
  const now = Date.now()
  return {
    id: randomUUID(),
    tenantId: randomUUID(),
    kind: 'registered',
    description: null,
    events: null,
    accountIds: null,
    providers: null,
    payload: 'thin',
    rate: null,
    concurrency: null,
    status: 'active',
    statusReason: null,
    statusSince: now,
    failingSince: null,
    createdAt: now,
    updatedAt: now,
    ...more,
  }
}

export const newSecrets = (more: Partial<WebhookEndpointSecrets> = {}): WebhookEndpointSecrets => ({
  url: 'https://hooks.example.com/canary-of-the-address',
  secrets: [{ secret: 'whsec_canaryOfTheSecret', createdAt: Date.now(), expiresAt: null }],
  signingKey: null,
  ...more,
})

export function newEvent(more: Partial<StoredEvent> = {}): StoredEvent {
  const at = more.at ?? Date.now()
  return {
    id: uuidv7({ msecs: at }),
    type: 'operation.succeeded',
    at,
    tenantId: randomUUID(),
    accountId: randomUUID(),
    provider: 'okta',
    operationId: uuidv7(),
    sequence: 3,
    data: { status: 'succeeded' },
    hasCallback: false,
    ...more,
  }
}
