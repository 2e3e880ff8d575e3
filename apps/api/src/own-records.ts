import type { AccountRecord } from '@muster/store/accounts'
import type { OperationRecord } from '@muster/store/operation-record'
import type { Store } from '@muster/store/store'
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
