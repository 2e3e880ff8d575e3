import { rowBounds } from '@muster/contracts/bounds'
import type { JsonObject } from '@muster/contracts/json'
import { MASK } from '@muster/contracts/known-secrets'
import type { InputProblem } from '@muster/contracts/problem'
import { isSecretName, secretStrings, splitSecrets } from '@muster/contracts/secrets'
import type { BatchRow } from '@muster/domain/batch/record'
import type { Acceptance } from '@muster/store/operations/operations'
import type { ValidatedRow } from './validate-rows.ts'

/** What the results need of a row. `acceptance`: what the store answered, where the row was valid. */
export function toBatchRow(
  { row, problems, create }: ValidatedRow,
  acceptance: Acceptance | undefined,
  accountPositions: ReadonlyMap<string, number>,
): BatchRow {
  const kept: BatchRow = { row: row.number, line: row.line, account: null, ...toEchoed(row) }
  const reference = create?.query.reference ?? (typeof row.value?.reference === 'string' ? row.value.reference : null)
  if (reference !== null) kept.reference = reference
  if (create && (acceptance?.kind === 'accepted' || acceptance?.kind === 'replayed'))
    return { ...kept, account: accountPositions.get(create.account.id) ?? null }
  return {
    ...kept,
    problems: acceptance ? [toProblem(acceptance)] : problems.slice(0, rowBounds.problems).map(shorten),
  }
}

/** A pointer can be as long as the row. */
const shorten = (problem: InputProblem): InputProblem => ({
  ...problem,
  pointer: problem.pointer.slice(0, rowBounds.pointerLength),
})

function toProblem(acceptance: Acceptance): InputProblem {
  if (acceptance.kind === 'account_gone')
    return { pointer: '/integrated_account_id', code: 'not_found', detail: 'There is no such integrated account.' }
  const other = 'operationId' in acceptance ? `/operations/${acceptance.operationId}` : ''
  return {
    pointer: '',
    code: 'operation_in_progress',
    detail: `Another operation, ${other}, not finished yet, is creating a user with this login.`,
  }
}

export const cellBytes = ({ row: { columns } }: ValidatedRow): number =>
  columns?.cells.reduce((sum, cell) => sum + cell.length, 0) ?? 0

/** About as many bytes of the row are kept for the results: the client's cells, and what was wrong. */
export const keptBytes = (validated: ValidatedRow): number =>
  cellBytes(validated) + (validated.problems.length === 0 ? 0 : JSON.stringify(validated.problems).length)

/**
 * The client's cells are kept as long as the batch, so secrets are masked, whatever their column is called. Of a row
 * that could not be read no cell is kept: any of them could be a secret.
 */
function toEchoed({ columns, value }: ValidatedRow['row']): { cells?: string[] } {
  if (!columns || !value) return {}
  const secrets = new Set(secretStrings(splitSecrets(value as JsonObject).secrets))
  const isSecret = secretColumnsOf(columns.names)
  return {
    cells: columns.cells.map((cell, index) =>
      secrets.has(cell.trim()) || (isSecret[index] && cell !== '') ? MASK : cell,
    ),
  }
}

/** By the array of names, which all rows of an upload share. */
const secretColumns = new WeakMap<readonly string[], boolean[]>()
function secretColumnsOf(names: readonly string[]): boolean[] {
  const known = secretColumns.get(names) ?? names.map((name) => isSecretName(name.replaceAll(/[\s-]/g, '_')))
  secretColumns.set(names, known)
  return known
}
