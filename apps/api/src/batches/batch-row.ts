import { rowBounds } from '@muster/contracts/bounds'
import type { InputProblem } from '@muster/contracts/problem'
import type { BatchRow } from '@muster/domain/batch/record'
import type { Acceptance } from '@muster/store/operations/operations'
import { toEchoedCells } from './echoed-cells.ts'
import type { ValidatedRow } from './validate-rows.ts'

/** What the results need of a row. `acceptance`: what the store answered, where the row was valid. */
export function toBatchRow(
  { row, problems, create }: ValidatedRow,
  acceptance: Acceptance | undefined,
  accountPositions: ReadonlyMap<string, number>,
): BatchRow {
  const kept: BatchRow = { row: row.number, line: row.line, account: null }
  const cells = toEchoedCells(row)
  if (cells) kept.cells = cells
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
