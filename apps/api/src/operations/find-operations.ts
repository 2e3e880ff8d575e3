import { routes } from '@muster/contracts/routes'
import type { AccountRecord } from '@muster/domain/account/record'
import type { OperationRecord } from '@muster/domain/operation/record'
import type { Store } from '@muster/store/store'
import type { OnUnreadable, UnreadableError } from '@muster/store/crypto/unreadable'
import type { UnreadableRecord } from '@muster/contracts/unreadable-record'
import type { z } from 'zod'
import { fitPage } from '../http/page.ts'
import { isOwn, readOwnAccount, readOwnBatch, type Caller } from '../http/own-records.ts'
import { shownStatus, toSummary, type OperationSummary } from './operation-resource.ts'
import { idOf, toUnreadable, withUnreadable } from './unreadable-records.ts'

type Filter = z.output<typeof routes.listOperations.query>

/** Rare matches must not make one request read everything: a page looks at so many and then says where to go on. */
const LOOK_AT = 500
const LOOK_AT_MOST = 2_000

export interface OperationPage {
  result: OperationSummary[]
  next_cursor: string | null
  unreadable?: UnreadableRecord[]
}

/**
 * Newest first. The indexes know tenant, account, reference and time; status and provider are looked at record by
 * record.
 */
export async function findOperations(store: Store, caller: Caller, filter: Filter): Promise<OperationPage> {
  const { tenantId, isTest } = caller
  const accounts = new Map<string, AccountRecord | undefined>()
  const accountId = filter.integrated_account_id
  if (accountId !== undefined) await readOwnAccount(store, caller, accountId)
  const batch = filter.batch_id === undefined ? undefined : await readOwnBatch(store, caller, filter.batch_id)
  const index = {
    tenantId,
    ...(batch ? { batchId: batch.id } : {}),
    ...(accountId ? { accountId } : {}),
    ...(filter.reference ? { reference: filter.reference } : {}),
  }
  const from = filter.created_after ? Date.parse(filter.created_after) : null
  const to = filter.created_before ? Date.parse(filter.created_before) : null
  const isIndexed =
    !isTest &&
    filter.batch_id === undefined &&
    filter.status === undefined &&
    filter.provider === undefined &&
    !(accountId && filter.reference)
  // One more than asked for tells whether there is a next page.
  const count = isIndexed ? filter.limit + 1 : LOOK_AT

  const found: { record: OperationRecord; account: AccountRecord | undefined }[] = []
  /** They say nothing of what a filter asks for, so that every page has its own. */
  const unreadable: UnreadableRecord[] = []
  const toPage = (next: string | null): OperationPage => {
    const summaries = found.map(({ record, account }) => toSummary(record, account))
    const page = fitPage(summaries, next, ({ id }) => id)
    const cursor = page.next_cursor
    return withUnreadable(
      page,
      unreadable.filter(({ id }) => cursor === null || id >= cursor),
    )
  }
  const onUnreadable = (error: UnreadableError): void => void unreadable.push(toUnreadable(idOf(error), error))
  let before = filter.cursor ?? null
  for (let looked = 0; looked < LOOK_AT_MOST; looked += count) {
    const ids = await store.operations.listIds(index, { before, from, to, count })
    const records = await readAll(store, ids, index.reference || batch ? undefined : accountId, onUnreadable)
    await readAccounts(store, records, accounts)
    for (const record of records) {
      const account = accounts.get(record.head.accountId)
      // What an operation is, its account is.
      if ((isTest && !(account && isOwn(caller, account))) || !isMatch(record, account, tenantId, filter)) continue
      if (found.length === filter.limit) return toPage(found.at(-1)?.record.head.id ?? null)
      found.push({ record, account })
    }
    before = ids.at(-1) ?? null
    if (ids.length < count) return toPage(null)
  }
  return toPage(before)
}

/** Those that these records name and that are not known yet: never all that the tenant has. */
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

function isMatch(
  record: OperationRecord,
  account: AccountRecord | undefined,
  tenantId: string,
  filter: Filter,
): boolean {
  const { head } = record
  return (
    head.tenantId === tenantId &&
    (filter.integrated_account_id === undefined || head.accountId === filter.integrated_account_id) &&
    (filter.batch_id === undefined || head.batchId === filter.batch_id) &&
    (filter.provider === undefined || head.provider === filter.provider) &&
    (filter.status === undefined || shownStatus(record, account).status === filter.status)
  )
}
