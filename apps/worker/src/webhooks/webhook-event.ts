import { errorCodes } from '@muster/contracts/error-codes'
import { toResponseView } from '@muster/contracts/response-format'
import { WEBHOOK_EVENT_VERSION, type OperationEventData, type WebhookEvent } from '@muster/contracts/webhook-event'
import type { StoredEvent } from '@muster/store/webhooks/stored-event'
import type { Store } from '@muster/store/store'

/**
 * The body of a message. What names a person is read from the operation each time, so that nothing of an erased one is
 * sent any more.
 */
export async function toWebhookEvent(
  store: Store,
  event: StoredEvent,
  payload: 'thin' | 'full',
): Promise<WebhookEvent> {
  const envelope = {
    id: event.id,
    type: event.type,
    version: WEBHOOK_EVENT_VERSION as typeof WEBHOOK_EVENT_VERSION,
    timestamp: new Date(event.at).toISOString(),
    sequence: event.sequence,
  }
  if (event.batchId !== undefined) {
    const batch = await store.batches.read(event.batchId)
    const reference = batch ? store.batches.readReference(batch) : null
    return { ...envelope, data: { ...event.data, reference } as never }
  }
  if (event.operationId === null || event.accountId === null) return { ...envelope, data: event.data as never }
  return { ...envelope, data: await toOperationData(store, event, event.accountId, event.operationId, payload) }
}

async function toOperationData(
  store: Store,
  event: StoredEvent,
  accountId: string,
  operationId: string,
  payload: 'thin' | 'full',
): Promise<OperationEventData> {
  const record = await store.operations.read(accountId, operationId)
  const isErased = record === undefined || record.state.erasedAt !== undefined
  const facts = event.data as unknown as OperationEventData
  const data: OperationEventData = {
    operation_id: operationId,
    status: facts.status,
    integrated_account_id: accountId,
    provider: facts.provider,
    batch_id: facts.batch_id,
    reference: isErased ? null : record.head.reference,
    remote_id: isErased ? null : record.state.remoteId,
    outcome: facts.outcome,
    error: facts.error,
    links: { self: `/operations/${operationId}` },
  }
  // A retry by hand may have moved the operation on: its error and result are then those of another sequence.
  if (payload === 'thin' || isErased || record.state.status !== facts.status) return data
  const { error } = record.state
  if (error && facts.error)
    data.error = {
      ...facts.error,
      message: error.message,
      hint: errorCodes[error.code].hint,
      pointer: error.pointer,
    }
  if (facts.status === 'succeeded') {
    const stored = await store.operations.readResult(accountId, operationId)
    if (stored) data.result = toResponseView(stored, record.head.view)
  }
  return data
}
