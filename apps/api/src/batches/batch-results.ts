import { errorCodes } from '@muster/contracts/error-codes'
import { batchResultStatuses, type BatchResult } from '@muster/contracts/batch'
import { toCellsByName } from '@muster/bulk/row'
import type { ResultRow } from '@muster/bulk/write-results'
import type { AccountRecord } from '@muster/domain/account/record'
import { itemIdOf } from '@muster/store/batches/batch-item-id'
import { CHUNK_ROWS, type BatchRecord, type BatchRow } from '@muster/domain/batch/record'
import type { OperationRecord } from '@muster/domain/operation/record'
import type { Store } from '@muster/store/store'
import { UnreadableError } from '@muster/store/crypto/unreadable'
import { shownStatus } from '../operations/operation-resource.ts'
import { idOf } from '../http/unreadable-records.ts'

/** Chunk by chunk, in the order of the upload; as much is read as is taken. */
export async function* readBatchResults(
  store: Store,
  record: BatchRecord,
  status: (typeof batchResultStatuses)[number] | undefined,
): AsyncGenerator<ResultRow, void, undefined> {
  const { chunks, rows: committed } = await store.batches.readProgress(record.id)
  // Rows of accounts that were named after this began are not in its chunks either.
  const latest = (await store.batches.read(record.id)) ?? record
  const accounts = await store.batches.readAccounts(latest)
  const { columns } = latest
  const accountRecords = new Map(
    (await Promise.all(accounts.map(({ id }) => store.accounts.read(id)))).flatMap((account) =>
      account ? [[account.id, account] as const] : [],
    ),
  )
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    const unreadable = new Map<string, string>()
    const rows = await store.batches.readChunk(record.id, chunk).catch((error: unknown) => {
      if (!(error instanceof UnreadableError)) throw error
      const numbers = rowsOfChunk(chunk, committed)
      for (const row of numbers) unreadable.set(itemIdOf(record.id, row), error.message)
      return numbers.map((row): BatchRow => ({ row, line: null, account: null }))
    })
    const wanted = rows.flatMap(({ row, account }) =>
      account === null ? [] : [{ accountId: accounts[account]?.id ?? '', operationId: itemIdOf(record.id, row) }],
    )
    const operations = new Map(
      (await store.operations.readMany(wanted, (error) => unreadable.set(idOf(error), error.message))).map(
        (operation) => [operation.head.id, operation],
      ),
    )
    for (const row of rows) {
      const account = row.account === null ? undefined : accounts[row.account]
      const result = toResult(
        record,
        row,
        account?.id,
        operations.get(itemIdOf(record.id, row.row)),
        account && accountRecords.get(account.id),
        unreadable.get(itemIdOf(record.id, row.row)),
      )
      if (status === undefined || result.status === status)
        yield { columns: row.cells ? toCellsByName({ names: columns ?? [], cells: row.cells }) : row.columns, result }
    }
  }
}

/** What is known of a chunk without opening it. */
const rowsOfChunk = (chunk: number, committed: number): number[] =>
  Array.from({ length: Math.min(CHUNK_ROWS, committed - chunk * CHUNK_ROWS) }, (_, row) => chunk * CHUNK_ROWS + row + 1)

function toResult(
  record: BatchRecord,
  row: BatchRow,
  accountId: string | undefined,
  operation: OperationRecord | undefined,
  account: AccountRecord | undefined,
  unreadable: string | undefined,
): BatchResult {
  const isRejected = row.account === null && unreadable === undefined
  const error = operation?.state.error ?? null
  return {
    row: row.row,
    line: row.line,
    status: isRejected
      ? 'rejected'
      : operation
        ? shownStatus(operation, account).status
        : unreadable === undefined
          ? 'gone'
          : 'unreadable',
    reference: operation ? operation.head.reference : (row.reference ?? null),
    integrated_account_id: accountId ?? null,
    operation_id: isRejected ? null : itemIdOf(record.id, row.row),
    outcome: operation?.state.outcome ?? null,
    remote_id: operation?.state.remoteId ?? null,
    error_code: isRejected ? (row.problems?.[0]?.code ?? null) : (error?.code ?? null),
    error_message: isRejected ? (row.problems?.[0]?.detail ?? null) : (error?.message ?? unreadable ?? null),
    error_pointer: isRejected ? (row.problems?.[0]?.pointer ?? null) : (error?.pointer ?? null),
    error_hint: isRejected ? 'Correct the row and upload it again.' : error ? errorCodes[error.code].hint : null,
    errors: row.problems ?? null,
    finished_at: operation?.state.finishedAt ? new Date(operation.state.finishedAt).toISOString() : null,
  }
}
