import type { AccountStatus } from '@muster/contracts/integrated-account'
import type { ProviderId } from '@muster/contracts/provider-ids'
import type { BatchCounts } from '@muster/contracts/webhook-event'
import type { BatchRecord } from './batch/record.ts'
import type { EventDraft } from './event.ts'
import type { OperationHead, OperationState } from './operation/record.ts'
import { isFinished } from './operation/state.ts'
import type { WebhookEndpointRecord } from './webhook-endpoint/record.ts'
import { DISABLED_BY_HAND } from './webhook-endpoint/state.ts'

/** The end of an operation, or its hold; undefined for every other write. */
export function operationEvent(
  head: OperationHead,
  before: OperationState,
  state: OperationState,
  version: number,
): EventDraft | undefined {
  const type = operationEventType(before, state)
  if (!type) return undefined
  return {
    type,
    at: state.updatedAt,
    tenantId: head.tenantId,
    accountId: head.accountId,
    provider: head.provider,
    operationId: head.id,
    sequence: version,
    data: {
      operation_id: head.id,
      status: type === 'operation.held' ? 'held' : state.status,
      integrated_account_id: head.accountId,
      provider: head.provider,
      batch_id: head.batchId,
      outcome: state.outcome,
      error: state.error && { code: state.error.code, retryable: state.error.retryable },
    },
    hasCallback: isFinished(state) && head.hasCallback === true,
  }
}

function operationEventType(before: OperationState, { status, attempts }: OperationState) {
  switch (status) {
    case 'succeeded':
    case 'failed':
    case 'canceled':
    case 'expired':
      return isFinished(before) ? undefined : (`operation.${status}` as const)
    default:
      return attempts.at(-1)?.outcome === 'held' && before.status === 'running' ? 'operation.held' : undefined
  }
}

interface AccountFacts {
  id: string
  tenantId: string
  provider: ProviderId
  status: AccountStatus
  statusReason: string | null
  updatedAt: number
}

/** Reports an automatic hold and its end. A manual pause needs no event: its caller knows. */
export function accountEvent(before: AccountFacts, account: AccountFacts, version: number): EventDraft | undefined {
  if (before.status === account.status || account.status === 'paused') return undefined
  return {
    type: account.status === 'active' ? 'integrated_account.resumed' : 'integrated_account.needs_reauth',
    at: account.updatedAt,
    tenantId: account.tenantId,
    accountId: account.id,
    provider: account.provider,
    operationId: null,
    sequence: version,
    data: {
      integrated_account_id: account.id,
      provider: account.provider,
      status: account.status,
      status_reason: account.statusReason,
      links: { self: `/integrated-accounts/${account.id}` },
    },
    hasCallback: false,
  }
}

/** The end of a batch, and its progress, which only those who name it are sent; undefined for every other write. */
export function batchEventType(before: BatchRecord, batch: BatchRecord) {
  if (before.finishedAt === null && batch.finishedAt !== null) return 'batch.completed'
  return batch.progressAt === before.progressAt ? undefined : 'batch.progress'
}

export function batchEvent(
  type: 'batch.completed' | 'batch.progress',
  batch: BatchRecord,
  counts: BatchCounts,
  version: number,
): EventDraft {
  const self = `/batches/${batch.id}`
  return {
    type,
    at: batch.updatedAt,
    tenantId: batch.tenantId,
    accountId: null,
    provider: null,
    operationId: null,
    batchId: batch.id,
    sequence: version,
    data: {
      batch_id: batch.id,
      status: batch.status,
      status_reason: batch.statusReason,
      counts,
      links: { self, results: `${self}/results` },
    },
    hasCallback: type === 'batch.completed' && batch.hasCallback,
  }
}

/** Reports an endpoint disabled by its receiver's replies. Disabling by hand needs no event: its caller knows. */
export function endpointEvent(
  before: WebhookEndpointRecord,
  endpoint: WebhookEndpointRecord,
  version: number,
): EventDraft | undefined {
  if (before.status === endpoint.status || endpoint.status !== 'disabled') return undefined
  if (endpoint.statusReason === DISABLED_BY_HAND) return undefined
  return {
    ...aboutEndpoint(endpoint),
    type: 'webhook_endpoint.disabled',
    at: endpoint.updatedAt,
    sequence: version,
  }
}

/** Asked for by the endpoint's owner; sent to that endpoint alone. */
export function endpointTestEvent(endpoint: WebhookEndpointRecord, now: number): EventDraft {
  return {
    ...aboutEndpoint({ ...endpoint, statusReason: null }),
    type: 'webhook_endpoint.test',
    at: now,
    sequence: 1,
    onlyEndpointId: endpoint.id,
  }
}

const aboutEndpoint = ({ id, tenantId, statusReason }: WebhookEndpointRecord) => ({
  tenantId,
  accountId: null,
  provider: null,
  operationId: null,
  data: { webhook_endpoint_id: id, reason: statusReason, links: { self: `/webhook-endpoints/${id}` } },
  hasCallback: false,
})
