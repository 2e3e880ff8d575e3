import { errorCodes } from '@muster/contracts/error-codes'
import { toResponseView } from '@muster/contracts/response-format'
import { WEBHOOK_EVENT_VERSION, type OperationEventData, type WebhookEvent } from '@muster/contracts/webhook-event'
import type { EventRecord, OperationFacts } from '@muster/domain/event'
import type { OperationRecord } from '@muster/domain/operation/record'
import type { Store } from '@muster/store/store'

/**
 * The body of a message. Personal data is read from the operation at each attempt, so nothing of an erased one is
 * sent.
 */
export async function toWebhookEvent(
  store: Store,
  event: EventRecord,
  payload: 'thin' | 'full',
): Promise<WebhookEvent> {
  return {
    id: event.id,
    type: event.type,
    version: WEBHOOK_EVENT_VERSION,
    timestamp: new Date(event.at).toISOString(),
    sequence: event.sequence,
    data: await toEventData(store, event, payload),
  }
}

async function toEventData(store: Store, event: EventRecord, payload: 'thin' | 'full'): Promise<WebhookEvent['data']> {
  if (event.batchId !== undefined) {
    const batch = await store.batches.read(event.batchId)
    return { ...event.data, reference: batch ? store.batches.readReference(batch) : null }
  }
  if (event.operationId === null) return event.data
  const record = await store.operations.read(event.accountId, event.operationId)
  const present = record?.state.erasedAt === undefined ? record : undefined
  const data = toOperationData(event.data, present)
  // A retry by hand may have moved the operation on: its error and result then belong to a later event.
  if (payload === 'thin' || present?.state.status !== event.data.status) return data
  return addDetails(store, data, present)
}

/** @param record undefined once the operation is gone or erased */
const toOperationData = (facts: OperationFacts, record: OperationRecord | undefined): OperationEventData => ({
  operation_id: facts.operation_id,
  status: facts.status,
  integrated_account_id: facts.integrated_account_id,
  provider: facts.provider,
  batch_id: facts.batch_id,
  reference: record?.head.reference ?? null,
  remote_id: record?.state.remoteId ?? null,
  outcome: facts.outcome,
  error: facts.error,
  links: { self: `/operations/${facts.operation_id}` },
})

async function addDetails(
  store: Store,
  data: OperationEventData,
  { head, state: { error } }: OperationRecord,
): Promise<OperationEventData> {
  const detailed = { ...data }
  if (error && data.error)
    detailed.error = {
      ...data.error,
      message: error.message,
      hint: errorCodes[error.code].hint,
      pointer: error.pointer,
    }
  if (data.status === 'succeeded') {
    const result = await store.operations.readResult(head.accountId, head.id)
    if (result) detailed.result = toResponseView(result, head.view)
  }
  return detailed
}
