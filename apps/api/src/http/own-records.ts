import type { InputProblem } from '@muster/contracts/problem'
import type { AccountRecord } from '@muster/domain/account/record'
import type { BatchRecord } from '@muster/domain/batch/record'
import type { DeliveryRecord } from '@muster/domain/delivery/record'
import type { OperationRecord } from '@muster/domain/operation/record'
import type { Store } from '@muster/store/store'
import type { WebhookEndpointRecord } from '@muster/domain/webhook-endpoint/record'
import { notFound } from './request-error.ts'

/**
 * Who sends a request. A test key reaches only what has mode test, so that it can neither create nor show a real user.
 * A live key reaches both: it may create real users, and an administrator needs only one key.
 */
export interface Caller {
  tenantId: string
  isTest: boolean
}

/** The mode of what is created with the key. */
export const modeOf = ({ isTest }: Caller): 'test' | undefined => (isTest ? 'test' : undefined)

export const isOwn = (caller: Caller, record: { tenantId: string; mode?: 'test' | 'live' }): boolean =>
  record.tenantId === caller.tenantId && (!caller.isTest || record.mode === 'test')

/** A test key creates no live account or key, and must say mode test itself. */
export const checkMode = ({ isTest }: Caller, mode: 'live' | 'test' | undefined): InputProblem[] =>
  isTest && mode !== 'test'
    ? [
        {
          pointer: '/mode',
          code: 'test_key',
          detail: 'A test key creates only test accounts and test keys: send "mode": "test", or use a live key.',
        },
      ]
    : []

/** What is unknown and what belongs to another tenant get the same answer. */
export async function readOwnAccount(store: Store, caller: Caller, accountId: string): Promise<AccountRecord> {
  const account = await store.accounts.read(accountId)
  if (!account || !isOwn(caller, account)) throw notFound('integrated account')
  return account
}

export async function readOwnOperation(store: Store, caller: Caller, operationId: string): Promise<OperationRecord> {
  const accountId = await store.operations.accountIdOf(operationId)
  const record = accountId === null ? undefined : await store.operations.read(accountId, operationId)
  if (!record || record.head.tenantId !== caller.tenantId) throw notFound('operation')
  // An operation has the mode of its account.
  if (caller.isTest && (await store.accounts.read(record.head.accountId))?.mode !== 'test') throw notFound('operation')
  return record
}

export async function readOwnEndpoint(
  store: Store,
  caller: Caller,
  endpointId: string,
): Promise<WebhookEndpointRecord> {
  const endpoint = await store.webhookEndpoints.read(endpointId)
  if (!endpoint || !isOwn(caller, endpoint)) throw notFound('webhook endpoint')
  return endpoint
}

export async function readOwnDelivery(store: Store, caller: Caller, deliveryId: string): Promise<DeliveryRecord> {
  const endpointId = await store.deliveries.endpointIdOf(deliveryId)
  const record = endpointId === null ? undefined : await store.deliveries.read(endpointId, deliveryId)
  if (!record || record.tenantId !== caller.tenantId) throw notFound('delivery')
  if (caller.isTest && (await store.webhookEndpoints.read(record.endpointId))?.mode !== 'test')
    throw notFound('delivery')
  return record
}

export async function readOwnBatch(store: Store, caller: Caller, batchId: string): Promise<BatchRecord> {
  const record = await store.batches.read(batchId)
  if (!record || !isOwn(caller, record)) throw notFound('batch')
  return record
}
