import { operationErrorHints } from '@muster/contracts/error-codes'
import { batchResultStatuses, type BatchResult } from '@muster/contracts/batch'
import type { ResultRow } from '@muster/bulk/write-results'
import type { AccountRecord } from '@muster/store/accounts'
import { itemIdOf } from '@muster/store/batch-item-id'
import type { BatchRecord, BatchRow } from '@muster/store/batch-record'
import type { OperationRecord } from '@muster/store/operation-record'
import type { Store } from '@muster/store/store'
import { shownStatus } from './operation-resource.ts'

/** Chunk by chunk, in the order of the upload; as much is read as is taken. */
export async function* readBatchResults(
  store: Store,
  record: BatchRecord,
  status: (typeof batchResultStatuses)[number] | undefined,
): AsyncGenerator<ResultRow, void, undefined> {
  const { chunks } = await store.batches.readProgress(record.id)
  // Rows of accounts that were named after this began are not in its chunks either.
  const accounts = await store.batches.readAccounts((await store.batches.read(record.id)) ?? record)
  const accountRecords = new Map(
    (await Promise.all(accounts.map(({ id }) => store.accounts.read(id)))).flatMap((account) =>
      account ? [[account.id, account] as const] : [],
    ),
  )
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    const rows = await store.batches.readChunk(record.id, chunk)
    const wanted = rows.flatMap(({ row, account }) =>
      account === null ? [] : [{ accountId: accounts[account]?.id ?? '', operationId: itemIdOf(record.id, row) }],
    )
    const operations = new Map(
      (await store.operations.readMany(wanted)).map((operation) => [operation.head.id, operation]),
    )
    for (const row of rows) {
      const account = row.account === null ? undefined : accounts[row.account]
      const result = toResult(
        record,
        row,
        account?.id,
        operations.get(itemIdOf(record.id, row.row)),
        account && accountRecords.get(account.id),
      )
      if (status === undefined || result.status === status) yield { columns: row.columns, result }
    }
  }
}

function toResult(
  record: BatchRecord,
  row: BatchRow,
  accountId: string | undefined,
  operation: OperationRecord | undefined,
  account: AccountRecord | undefined,
): BatchResult {
  const isRejected = row.account === null
  const error = operation?.state.error ?? null
  return {
    row: row.row,
    line: row.line,
    status: isRejected ? 'rejected' : operation ? shownStatus(operation, account).status : 'gone',
    reference: operation ? operation.head.reference : (row.reference ?? null),
    integrated_account_id: accountId ?? null,
    operation_id: isRejected ? null : itemIdOf(record.id, row.row),
    outcome: operation?.state.outcome ?? null,
    remote_id: operation?.state.remoteId ?? null,
    error_code: isRejected ? (row.problems?.[0]?.code ?? null) : (error?.code ?? null),
    error_message: isRejected ? (row.problems?.[0]?.detail ?? null) : (error?.message ?? null),
    error_pointer: isRejected ? (row.problems?.[0]?.pointer ?? null) : (error?.pointer ?? null),
    error_hint: isRejected ? 'Correct the row and upload it anew.' : error ? operationErrorHints[error.code] : null,
    errors: row.problems ?? null,
    finished_at: operation?.state.finishedAt ? new Date(operation.state.finishedAt).toISOString() : null,
  }
}
