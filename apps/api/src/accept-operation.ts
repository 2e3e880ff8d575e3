import type { CreateUserQuery } from '@muster/contracts/create-user-parameters'
import type { Warning } from '@muster/contracts/operation'
import type { LaneSchedule } from '@muster/lanes/lane-schedule'
import type { CreateInput } from '@muster/providers/provider'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/store/accounts'
import { priorities, type OperationHead, type OperationRecord, type OperationState } from '@muster/store/operation-record'
import type { Acceptance } from '@muster/store/operations'
import type { Store } from '@muster/store/store'
import { v7 as uuidv7 } from 'uuid'
import { canonicalJson, toAccountContext } from './create-input.ts'

export interface AcceptOptions {
  account: AccountRecord
  input: CreateInput
  query: CreateUserQuery
  warnings: Warning[]
  idempotencyKey: string | null
  requestId: string
  now: number
  expiresAt: number
}

/** From a checked request to an operation that cannot be lost. When this resolves, it may be acknowledged. */
export async function acceptOperation(store: Store, schedule: LaneSchedule, options: AcceptOptions): Promise<{ kind: 'accepted'; record: OperationRecord } | Exclude<Acceptance, { kind: 'accepted' }>> {
  const { account, input, query, now } = options
  const hash = await store.hasher()
  const naturalKey = providerOf(account.provider).toNaturalKey(input, toAccountContext(account))
  const head: OperationHead = {
    id: uuidv7({ msecs: now }),
    tenantId: account.tenantId,
    accountId: account.id,
    provider: account.provider,
    batchId: null,
    reference: query.reference ?? null,
    requestId: options.requestId,
    createdAt: now,
    priority: priorities.single,
    naturalKeyHash: hash('natural-key', account.id, naturalKey.field, naturalKey.value),
    idempotencyHash: options.idempotencyKey === null ? null : hash('idempotency-key', account.tenantId, account.id, options.idempotencyKey),
    onConflict: query.on_conflict ?? 'fail',
    view: { format: query.truto_response_format ?? 'unified', ignoreRemoteData: query.truto_ignore_remote_data ?? false, excludeFields: query.truto_exclude_fields ?? [] },
  }
  const state: OperationState = {
    status: 'queued',
    statusReason: null,
    updatedAt: now,
    startedAt: null,
    finishedAt: null,
    notBefore: query.not_before === undefined ? null : Date.parse(query.not_before),
    expiresAt: options.expiresAt,
    nextAttemptAt: null,
    run: 0,
    attemptCount: 0,
    usedAttempts: 0,
    attempts: [],
    warnings: options.warnings,
    outcome: null,
    remoteId: null,
    error: null,
    unknown: null,
  }
  if (query.callback_url !== undefined) head.hasCallback = true
  const fingerprint = hash('fingerprint', canonicalJson(query), canonicalJson(input.user))
  // First the lane, then the work: the other way round, a crash could leave work in a lane that nobody opens.
  await schedule.wake(account.id)
  const acceptance = await store.operations.accept(head, state, input, fingerprint, query.callback_url)
  if (acceptance.kind !== 'accepted') return acceptance
  // It is safe already; this only makes it quick.
  schedule.wake(account.id).catch(() => undefined)
  return { kind: 'accepted', record: { head, state, version: 1 } }
}
