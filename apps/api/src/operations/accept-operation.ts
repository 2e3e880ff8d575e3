import type { CreateUserQuery } from '@muster/contracts/create-user-parameters'
import type { Warning } from '@muster/contracts/operation'
import { accountLane } from '@muster/domain/lane-id'
import type { LaneSchedule } from '@muster/lanes/lane-schedule'
import type { CreateInput, NaturalKey } from '@muster/providers/provider'
import type { AccountRecord } from '@muster/domain/account/record'
import { hashNaturalKey, type Hasher } from '@muster/store/crypto/hash-key'
import {
  priorities,
  type OperationHead,
  type OperationRecord,
  type OperationState,
} from '@muster/domain/operation/record'
import type { Acceptance, NewOperation } from '@muster/store/operations/operations'
import type { Store } from '@muster/store/store'
import { v7 as uuidv7 } from 'uuid'
import { canonicalJson } from './create-input.ts'

export interface AcceptOptions {
  account: AccountRecord
  input: CreateInput
  query: CreateUserQuery
  warnings: Warning[]
  idempotencyKey: string | null
  requestId: string
  now: number
  expiresAt: number
  /** By `checkCreate`. */
  naturalKey: NaturalKey
  /** Of a row of a batch. */
  item?: { id: string; batchId: string }
}

export const idempotencyHashOf = (hash: Hasher, account: AccountRecord, key: string): string =>
  hash('idempotency-key', account.tenantId, account.id, key)

export function toNewOperation(hash: Hasher, options: AcceptOptions): NewOperation {
  const { input, query, idempotencyKey } = options
  // Only an idempotency key needs it.
  const fingerprint =
    idempotencyKey === null ? '' : hash('fingerprint', canonicalJson(query), canonicalJson(input.user))
  return {
    head: toHead(hash, options),
    state: toFirstState(options),
    request: input,
    fingerprint,
    ...(query.callback_url === undefined ? {} : { callbackUrl: query.callback_url }),
  }
}

function toHead(
  hash: Hasher,
  { account, query, naturalKey, idempotencyKey, requestId, now, item }: AcceptOptions,
): OperationHead {
  return {
    id: item?.id ?? uuidv7({ msecs: now }),
    tenantId: account.tenantId,
    accountId: account.id,
    provider: account.provider,
    batchId: item?.batchId ?? null,
    reference: query.reference ?? null,
    requestId,
    createdAt: now,
    priority: item ? priorities.bulk : priorities.single,
    naturalKeyHash: hashNaturalKey(hash, account.id, naturalKey),
    idempotencyHash: idempotencyKey === null ? null : idempotencyHashOf(hash, account, idempotencyKey),
    onConflict: query.on_conflict ?? 'fail',
    view: {
      format: query.truto_response_format ?? 'unified',
      ignoreRemoteData: query.truto_ignore_remote_data ?? false,
      excludeFields: query.truto_exclude_fields ?? [],
    },
    ...(query.callback_url === undefined ? {} : { hasCallback: true }),
  }
}

const toFirstState = ({ query, warnings, now, expiresAt }: AcceptOptions): OperationState => ({
  status: 'queued',
  statusReason: null,
  updatedAt: now,
  startedAt: null,
  finishedAt: null,
  notBefore: startOf(query),
  expiresAt,
  nextAttemptAt: null,
  run: 0,
  attemptCount: 0,
  usedAttempts: 0,
  attempts: [],
  warnings,
  outcome: null,
  remoteId: null,
  error: null,
  unknown: null,
})

/** What the estimate of a 202 is made of, as it was when the operation was accepted. */
export interface LaneLoad {
  open: number
  cooldownMs: number
}

type Accepted = { kind: 'accepted'; record: OperationRecord; load: LaneLoad | undefined }

/** Stores the operation; when this resolves as accepted, it cannot be lost and may be acknowledged. */
export async function acceptOperation(
  store: Store,
  schedule: LaneSchedule,
  options: AcceptOptions,
): Promise<Accepted | Exclude<Acceptance, { kind: 'accepted' }>> {
  const operation = toNewOperation(await store.hasher(), options)
  const lane = accountLane(options.account.id)
  const cooling = schedule.cooldownMs(lane).catch(() => 0)
  // The lane first: in the other order, a crash could leave work in a lane that no worker opens.
  const acceptance = await store.operations.accept(operation, () => schedule.wake(lane))
  if (acceptance.kind !== 'accepted') return acceptance
  // The operation is safe already; this only makes it start sooner.
  schedule.wake(lane).catch(() => undefined)
  const { open } = acceptance
  return {
    kind: 'accepted',
    record: { head: operation.head, state: operation.state, version: 1 },
    load: open === undefined ? undefined : { open, cooldownMs: await cooling },
  }
}

/** When it may start, in Unix milliseconds; null: at once. */
export const startOf = ({ not_before }: Pick<CreateUserQuery, 'not_before'>): number | null =>
  not_before === undefined ? null : Date.parse(not_before)
