import type { AccountRecord } from '@muster/store/accounts'
import type { BatchRecord } from '@muster/store/batch-record'
import type { DeliveryRecord } from '@muster/store/deliveries'
import type { OperationRecord } from '@muster/store/operation-record'
import type { Store } from '@muster/store/store'
import type { WebhookEndpointRecord } from '@muster/store/webhook-endpoints'
import { notFound } from './http/request-error.ts'

/** The tenant's own account. One answer for what does not exist and for what is somebody else's. */
export async function readOwnAccount(store: Store, tenantId: string, accountId: string): Promise<AccountRecord> {
  const account = await store.accounts.read(accountId)
  if (!account || account.tenantId !== tenantId) throw notFound('integrated account')
  return account
}

export async function readOwnOperation(store: Store, tenantId: string, operationId: string): Promise<OperationRecord> {
  const accountId = await store.operations.accountIdOf(operationId)
  const record = accountId === null ? undefined : await store.operations.read(accountId, operationId)
  if (!record || record.head.tenantId !== tenantId) throw notFound('operation')
  return record
}

export async function readOwnEndpoint(
  store: Store,
  tenantId: string,
  endpointId: string,
): Promise<WebhookEndpointRecord> {
  const endpoint = await store.webhookEndpoints.read(endpointId)
  if (!endpoint || endpoint.tenantId !== tenantId) throw notFound('webhook endpoint')
  return endpoint
}

export async function readOwnDelivery(store: Store, tenantId: string, deliveryId: string): Promise<DeliveryRecord> {
  const endpointId = await store.deliveries.endpointIdOf(deliveryId)
  const record = endpointId === null ? undefined : await store.deliveries.read(endpointId, deliveryId)
  if (!record || record.tenantId !== tenantId) throw notFound('delivery')
  return record
}

export async function readOwnBatch(store: Store, tenantId: string, batchId: string): Promise<BatchRecord> {
  const record = await store.batches.read(batchId)
  if (!record || record.tenantId !== tenantId) throw notFound('batch')
  return record
}
