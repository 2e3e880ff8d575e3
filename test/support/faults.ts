import { randomBytes, randomUUID } from 'node:crypto'
import { providerIds, type ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import { providerOf } from '../../packages/providers/src/registry.ts'
import { hashNaturalKey } from '../../packages/store/src/crypto/hash-key.ts'
import { Keyring } from '../../packages/store/src/crypto/keyring.ts'
import {
  priorities,
  type OperationHead,
  type OperationRecord,
  type OperationState,
} from '../../packages/domain/src/operation/record.ts'
import { connectRedis } from '../../packages/store/src/redis/connect.ts'
import { openStore, type Store } from '../../packages/store/src/store.ts'
import { newUser, type Ledger, type Muster } from './harness.ts'
import { sampleOf } from './samples.ts'

/** How long a job that its worker lost is kept from others: `lockDuration` in lane.ts. */
export const JOB_LOCK_MS = 10_000
/** Of these a user found after a lost answer counts as adopted. */
export const withoutCreationTime = providerIds.filter((provider) => sampleOf(provider).hidesCreationTime)
export const isLong = process.env.MUSTER_LONG_TESTS === '1'

export interface Operation extends Record<string, unknown> {
  id: string
  status: string
  status_reason: string | null
  outcome: string | null
  attempt_count: number
  next_attempt_at: string | null
  attempts: {
    number: number
    outcome: string | null
    error_code: string | null
    create_sent_at: string | null
    calls: { purpose: string; status: number | null }[]
  }[]
  warnings: { code: string }[]
  error: { code: string; raw_response: unknown } | null
}

/** The keys that a Muster of a test seals with, so that the test can write to its store as the API would. */
export const createSealingKey = (): string => `test:${randomBytes(32).toString('base64')}`

/** The store behind a running Muster, for what no route does yet or what the API would have done had it not died. */
export function openStoreOf(muster: Muster, sealingKey: string): { store: Store; close(): void } {
  const redis = connectRedis(muster.redis.url, 'worker', () => undefined)
  return {
    store: openStore({ redis, keyring: Keyring.parse(sealingKey), retentionMs: 86_400_000, waitReplicas: 0 }),
    close: () => redis.disconnect(),
  }
}

/** RFC 9562: 48 bits of Unix milliseconds, then chance. */
const toUuidv7 = (at: number): string =>
  at
    .toString(16)
    .padStart(12, '0')
    .replace(/^(.{8})/, '$1-') + randomUUID().slice(13).replace(/^-./, '-7')

/** Accepted as the API does it, without the wake that follows: the API has died in between. */
export async function acceptWithoutWake(
  store: Store,
  account: { id: string; provider: ProviderId; tenantId: string },
  priority: number = priorities.single,
): Promise<string> {
  const now = Date.now()
  const id = toUuidv7(now)
  const user = newUser(account.provider)
  const { config, credentialType } = (await store.accounts.read(account.id)) ?? {
    config: {},
    credentialType: 'api_key',
  }
  const naturalKey = providerOf(account.provider).toNaturalKey({ user, remoteQuery: {} }, { config, credentialType })
  const head: OperationHead = {
    id,
    tenantId: account.tenantId,
    accountId: account.id,
    provider: account.provider,
    batchId: null,
    reference: null,
    requestId: randomUUID(),
    createdAt: now,
    priority,
    naturalKeyHash: hashNaturalKey(await store.hasher(), account.id, naturalKey),
    idempotencyHash: null,
    onConflict: 'fail',
    view: { format: 'unified', ignoreRemoteData: false, excludeFields: [] },
  }
  const state: OperationState = {
    status: 'queued',
    statusReason: null,
    updatedAt: now,
    startedAt: null,
    finishedAt: null,
    notBefore: null,
    expiresAt: now + 3_600_000,
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
  const accepted = await store.operations.accept({
    head,
    state,
    request: { user, remoteQuery: {} },
    fingerprint: randomUUID(),
  })
  if (accepted.kind !== 'accepted') throw new Error(`not accepted: ${accepted.kind}`)
  return id
}

export async function readRecord(store: Store, accountId: string, operationId: string): Promise<OperationRecord> {
  const record = await store.operations.read(accountId, operationId)
  if (!record) throw new Error(`no operation ${operationId}`)
  return record
}

/** Logins with more than one user. */
export function createdTwice(ledger: Ledger): string[] {
  const keys = ledger.created.map((entry) => entry.key)
  return keys.filter((key, index) => keys.indexOf(key) !== index)
}

/** Submits users one after another, a few at a time; resolves with the operations' ids. */
export async function submit(
  muster: Muster,
  accountId: string,
  provider: ProviderId,
  count: number,
  more: (index: number) => Record<string, unknown> = () => ({}),
): Promise<string[]> {
  const ids: string[] = []
  for (let from = 0; from < count; from += 10) {
    const answers = await Promise.all(
      Array.from({ length: Math.min(10, count - from) }, (_, index) =>
        muster.create<{ id: string }>(accountId, { ...newUser(provider), ...more(from + index) }),
      ),
    )
    for (const answer of answers) {
      if (answer.status !== 202) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`)
      ids.push(answer.body.id)
    }
  }
  return ids
}

export const finishedAll = (muster: Muster, ids: readonly string[], timeoutMs = 60_000): Promise<Operation[]> =>
  Promise.all(ids.map(async (id) => (await muster.finished(id, timeoutMs)) as Operation))

/** A figure worth knowing, in the test's output. */
export const tell = (name: string, figures: Record<string, unknown>): void =>
  void process.stdout.write(`measured: ${name} ${JSON.stringify(figures)}\n`)
