import { routes } from '@muster/contracts/routes'
import type { OperationRecord } from '@muster/domain/operation/record'
import type { AccountRecord } from '@muster/domain/account/record'
import type { OnUnreadable } from '@muster/store/crypto/unreadable'
import type { Store } from '@muster/store/store'
import type { z } from 'zod'
import { isOwn, readOwnAccount, readOwnBatch, type Caller } from '../http/own-records.ts'
import { scanPage, type ScannedPage } from '../http/scan-page.ts'
import { shownStatus, toSummary, type OperationSummary } from './operation-resource.ts'

type Filter = z.output<typeof routes.listOperations.query>
interface Found {
  record: OperationRecord
  account: AccountRecord | undefined
}

/**
 * Newest first. The indexes know tenant, account, batch, reference and time; status and provider are compared record by
 * record.
 */
export async function findOperations(
  store: Store,
  caller: Caller,
  filter: Filter,
): Promise<ScannedPage<OperationSummary>> {
  const { integrated_account_id: accountId, batch_id: batchId, reference } = filter
  if (accountId !== undefined) await readOwnAccount(store, caller, accountId)
  if (batchId !== undefined) await readOwnBatch(store, caller, batchId)
  const index = {
    tenantId: caller.tenantId,
    ...(batchId ? { batchId } : {}),
    ...(accountId ? { accountId } : {}),
    ...(reference ? { reference } : {}),
  }
  const from = filter.created_after ? Date.parse(filter.created_after) : null
  const to = filter.created_before ? Date.parse(filter.created_before) : null
  const isOfAccount = accountId !== undefined && !reference && !batchId
  const accounts = new Map<string, AccountRecord | undefined>()
  return scanPage<Found, OperationSummary>({
    limit: filter.limit,
    cursor: filter.cursor,
    isExact: isExact(caller, filter),
    listIds: (before, count) => store.operations.listIds(index, { before, from, to, count }),
    async readMatches(ids, onUnreadable) {
      const records = await readAll(store, ids, isOfAccount ? accountId : undefined, onUnreadable)
      await readAccounts(store, records, accounts)
      return records
        .map((record) => ({ record, account: accounts.get(record.head.accountId) }))
        .filter((found) => isMatch(found, caller, filter))
    },
    show: ({ record, account }) => toSummary(record, account),
  })
}

/** Whether an index alone answers the filter. */
const isExact = ({ isTest }: Caller, filter: Filter): boolean =>
  !isTest &&
  filter.batch_id === undefined &&
  filter.status === undefined &&
  filter.provider === undefined &&
  !(filter.integrated_account_id && filter.reference)

/** Adds the accounts that these records name and that are not known yet: never all that the tenant has. */
async function readAccounts(
  store: Store,
  records: readonly OperationRecord[],
  known: Map<string, AccountRecord | undefined>,
): Promise<void> {
  const missing = [...new Set(records.map(({ head }) => head.accountId))].filter((id) => !known.has(id))
  for (const id of missing) known.set(id, undefined)
  for (const account of await store.accounts.readMany(missing)) known.set(account.id, account)
}

async function readAll(
  store: Store,
  ids: string[],
  accountId: string | undefined,
  onUnreadable: OnUnreadable,
): Promise<OperationRecord[]> {
  const locations = accountId === undefined ? await store.operations.locate(ids) : ids.map(() => accountId)
  return store.operations.readMany(
    ids.flatMap((operationId, position) =>
      locations[position] ? [{ accountId: locations[position], operationId }] : [],
    ),
    onUnreadable,
  )
}

function isMatch({ record, account }: Found, caller: Caller, filter: Filter): boolean {
  const { head } = record
  // An operation has the mode of its account.
  if (caller.isTest && !(account && isOwn(caller, account))) return false
  return (
    head.tenantId === caller.tenantId &&
    (filter.integrated_account_id === undefined || head.accountId === filter.integrated_account_id) &&
    (filter.batch_id === undefined || head.batchId === filter.batch_id) &&
    (filter.provider === undefined || head.provider === filter.provider) &&
    (filter.status === undefined || shownStatus(record, account).status === filter.status)
  )
}
