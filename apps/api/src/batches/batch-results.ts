import { errorCodes } from '@muster/contracts/error-codes'
import type { BatchResult } from '@muster/contracts/batch'
import { toCellsByName } from '@muster/bulk/row'
import type { ResultRow } from '@muster/bulk/write-results'
import type { AccountRecord } from '@muster/domain/account/record'
import type { BatchAccount } from '@muster/store/batches/batch-accounts'
import { itemIdOf } from '@muster/store/batches/batch-item-id'
import { CHUNK_ROWS, type BatchRecord, type BatchRow } from '@muster/domain/batch/record'
import type { OperationRecord } from '@muster/domain/operation/record'
import type { Store } from '@muster/store/store'
import { UnreadableError } from '@muster/store/crypto/unreadable'
import { shownStatus } from '../operations/operation-resource.ts'
import { idOf } from '../http/unreadable-records.ts'

interface ResultContext {
  store: Store
  record: BatchRecord
  batchAccounts: readonly BatchAccount[]
  accounts: ReadonlyMap<string, AccountRecord>
}

/** Chunk by chunk, in the order of the upload; no more is read than is consumed. */
export async function* readBatchResults(
  store: Store,
  record: BatchRecord,
  isWanted: (row: ResultRow) => boolean = () => true,
): AsyncGenerator<ResultRow, void, undefined> {
  const { chunks, rows: committed } = await store.batches.readProgress(record.id)
  // After the progress: all accounts that these chunks name are known by now.
  const context = await readContext(store, record)
  for (let chunk = 0; chunk < chunks; chunk += 1)
    for await (const found of readChunkResults(context, chunk, committed)) if (isWanted(found)) yield found
}

async function readContext(store: Store, found: BatchRecord): Promise<ResultContext> {
  const record = (await store.batches.read(found.id)) ?? found
  const batchAccounts = await store.batches.readAccounts(record)
  const accounts = await Promise.all(batchAccounts.map(({ id }) => store.accounts.read(id)))
  const present = accounts.flatMap((account) => (account ? [[account.id, account] as const] : []))
  return { store, record, batchAccounts, accounts: new Map(present) }
}

async function* readChunkResults(
  context: ResultContext,
  chunk: number,
  committed: number,
): AsyncGenerator<ResultRow, void, undefined> {
  const { store, record, batchAccounts, accounts } = context
  /** By operation: why it, or its chunk, does not open. */
  const unreadable = new Map<string, string>()
  const rows = await store.batches.readChunk(record.id, chunk).catch((error: unknown) => {
    if (!(error instanceof UnreadableError)) throw error
    const numbers = rowsOfChunk(chunk, committed)
    for (const row of numbers) unreadable.set(itemIdOf(record.id, row), error.message)
    return numbers.map((row): BatchRow => ({ row, line: null, account: null }))
  })
  const wanted = rows.flatMap(({ row, account }) =>
    account === null ? [] : [{ accountId: batchAccounts[account]?.id ?? '', operationId: itemIdOf(record.id, row) }],
  )
  const operations = await store.operations.readMany(wanted, (error) => unreadable.set(idOf(error), error.message))
  const operationById = new Map(operations.map((operation) => [operation.head.id, operation]))
  for (const row of rows) {
    const operationId = itemIdOf(record.id, row.row)
    const accountId = row.account === null ? undefined : batchAccounts[row.account]?.id
    const found = { operation: operationById.get(operationId), unreadable: unreadable.get(operationId) }
    const account = accountId === undefined ? undefined : accounts.get(accountId)
    yield {
      columns: columnsOf(record, row),
      cells: row.cells,
      result: toResult(operationId, row, accountId, { ...found, account }),
    }
  }
}

const columnsOf = ({ columns }: BatchRecord, row: BatchRow): ResultRow['columns'] =>
  row.cells ? toCellsByName({ names: columns ?? [], cells: row.cells }) : row.columns

/** What is known of a chunk without opening it. */
const rowsOfChunk = (chunk: number, committed: number): number[] =>
  Array.from({ length: Math.min(CHUNK_ROWS, committed - chunk * CHUNK_ROWS) }, (_, row) => chunk * CHUNK_ROWS + row + 1)

interface FoundRow {
  operation: OperationRecord | undefined
  account: AccountRecord | undefined
  /** Why it does not open. */
  unreadable: string | undefined
}

function toResult(operationId: string, row: BatchRow, accountId: string | undefined, found: FoundRow): BatchResult {
  const isRejected = row.account === null && found.unreadable === undefined
  const state = found.operation?.state
  return {
    row: row.row,
    line: row.line,
    status: isRejected ? 'rejected' : statusOf(found),
    reference: found.operation ? found.operation.head.reference : (row.reference ?? null),
    integrated_account_id: accountId ?? null,
    operation_id: isRejected ? null : operationId,
    outcome: state?.outcome ?? null,
    remote_id: state?.remoteId ?? null,
    ...(isRejected ? rejectionOf(row) : failureOf(found)),
    errors: row.problems ?? null,
    finished_at: state?.finishedAt ? new Date(state.finishedAt).toISOString() : null,
  }
}

function statusOf({ operation, account, unreadable }: FoundRow): BatchResult['status'] {
  if (operation) return shownStatus(operation, account).status
  return unreadable === undefined ? 'gone' : 'unreadable'
}

type Failure = Pick<BatchResult, 'error_code' | 'error_message' | 'error_pointer' | 'error_hint'>

const rejectionOf = ({ problems }: BatchRow): Failure => ({
  error_code: problems?.[0]?.code ?? null,
  error_message: problems?.[0]?.detail ?? null,
  error_pointer: problems?.[0]?.pointer ?? null,
  error_hint: 'Correct the row and upload it again.',
})

function failureOf({ operation, unreadable }: FoundRow): Failure {
  const error = operation?.state.error
  return {
    error_code: error?.code ?? null,
    error_message: error?.message ?? unreadable ?? null,
    error_pointer: error?.pointer ?? null,
    error_hint: error ? errorCodes[error.code].hint : null,
  }
}
