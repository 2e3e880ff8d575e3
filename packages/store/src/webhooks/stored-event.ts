import type { JsonObject } from '@muster/contracts/json'
import type { AccountEventData, BatchCounts, BatchEventData, WebhookEventType } from '@muster/contracts/webhook-event'
import type { ProviderId } from '@muster/contracts/provider-ids'
import { v7 as uuidv7 } from 'uuid'
import type { AccountRecord } from '../accounts/accounts.ts'
import type { BatchRecord } from '@muster/domain/batch/record'
import type { OperationHead, OperationState } from '@muster/domain/operation/record'
import { isFinished } from '@muster/domain/operation/state'

/**
 * What happened, as it is written with the change itself. Nobody's personal data: what names a person is read from the
 * operation when it is sent, and gone when that is erased.
 */
export interface StoredEvent {
  id: string
  type: WebhookEventType
  /** Unix milliseconds. */
  at: number
  tenantId: string
  /** null: about no account, so no filter leaves it out. */
  accountId: string | null
  provider: ProviderId | null
  operationId: string | null
  batchId?: string
  /** The version of the record that it is about. */
  sequence: number
  data: JsonObject
  /**
   * It is an end, and is told besides to an address that came with the request, sealed with the record that the event
   * is about.
   */
  hasCallback: boolean
  /** Told to nobody else: a test, or the delivery of one endpoint. */
  onlyEndpointId?: string
}

/** What a write of the operation tells to the world; undefined for most. */
export function toOperationEvent(
  head: OperationHead,
  before: OperationState,
  state: OperationState,
  version: number,
): StoredEvent | undefined {
  const type = toOperationEventType(before, state)
  if (!type) return undefined
  const data: JsonObject = {
    operation_id: head.id,
    status: type === 'operation.held' ? 'held' : state.status,
    integrated_account_id: head.accountId,
    provider: head.provider,
    batch_id: head.batchId,
    outcome: state.outcome,
    error: state.error && { code: state.error.code, retryable: state.error.retryable },
  }
  return {
    id: uuidv7({ msecs: state.updatedAt }),
    type,
    at: state.updatedAt,
    tenantId: head.tenantId,
    accountId: head.accountId,
    provider: head.provider,
    operationId: head.id,
    sequence: version,
    data,
    hasCallback: isFinished(state) && head.hasCallback === true,
  }
}

function toOperationEventType(before: OperationState, state: OperationState): WebhookEventType | undefined {
  if (isFinished(state)) return isFinished(before) ? undefined : (`operation.${state.status}` as WebhookEventType)
  return state.attempts.at(-1)?.outcome === 'held' && before.status === 'running' ? 'operation.held' : undefined
}

/** An account that goes on hold by itself, or off it. A pause by hand is known to whoever asked for it. */
export function toAccountEvent(before: AccountRecord, record: AccountRecord, version: number): StoredEvent | undefined {
  if (before.status === record.status || record.status === 'paused') return undefined
  const type = record.status === 'active' ? 'integrated_account.resumed' : 'integrated_account.needs_reauth'
  const data: AccountEventData = {
    integrated_account_id: record.id,
    provider: record.provider,
    status: record.status,
    status_reason: record.statusReason,
    links: { self: `/integrated-accounts/${record.id}` },
  }
  return {
    id: uuidv7({ msecs: record.updatedAt }),
    type,
    at: record.updatedAt,
    tenantId: record.tenantId,
    accountId: record.id,
    provider: record.provider,
    operationId: null,
    sequence: version,
    data: data as JsonObject,
    hasCallback: false,
  }
}

/** The end of a batch, and, for those who asked for it, its progress; undefined for most changes. */
export function batchEventTypeOf(
  before: BatchRecord,
  record: BatchRecord,
): 'batch.completed' | 'batch.progress' | undefined {
  if (before.finishedAt === null && record.finishedAt !== null) return 'batch.completed'
  return record.progressAt === before.progressAt ? undefined : 'batch.progress'
}

export function toBatchEvent(
  type: 'batch.completed' | 'batch.progress',
  record: BatchRecord,
  counts: BatchCounts,
  version: number,
): StoredEvent {
  const self = `/batches/${record.id}`
  const data: Omit<BatchEventData, 'reference'> = {
    batch_id: record.id,
    status: record.status,
    status_reason: record.statusReason,
    counts,
    links: { self, results: `${self}/results` },
  }
  return {
    id: uuidv7({ msecs: record.updatedAt }),
    type,
    at: record.updatedAt,
    tenantId: record.tenantId,
    accountId: null,
    provider: null,
    operationId: null,
    batchId: record.id,
    sequence: version,
    data: data as unknown as JsonObject,
    hasCallback: type === 'batch.completed' && record.hasCallback,
  }
}
