import type { MappedColumn, ProblemGroup } from '@muster/contracts/batch'
import { GROUP_ROWS, PROBLEM_GROUPS } from '@muster/contracts/batch'
import type { InputProblem } from '@muster/contracts/problem'
import { MASK } from '@muster/contracts/known-secrets'
import { isSecretName } from '@muster/contracts/secrets'
import type { Row } from '@muster/bulk/row'
import { toEchoedCells } from './echoed-cells.ts'
import type { ValidatedRow } from './validate-rows.ts'

const EXAMPLE_LENGTH = 100
const COLUMN_LENGTH = 200

/** One reading of an upload. */
export interface UploadedRows {
  rows: AsyncIterable<ValidatedRow>
  /** Complete after the last row. */
  report: UploadReport
}

/** What the answer says of the uploaded file as a whole. One reading of the file fills it. */
export class UploadReport {
  /** Of CSV. */
  #columns: MappedColumn[] | undefined
  readonly #headers = new Map<string, string>()
  readonly #groups = new Map<string, ProblemGroup>()

  readonly setColumns = (columns: MappedColumn[]): void => {
    this.#columns = columns
    for (const { header, target } of columns) if (target !== null) this.#headers.set(target, header)
  }

  /** The rows as they are, with their problems counted. */
  async *reading(rows: AsyncIterable<ValidatedRow>): AsyncGenerator<ValidatedRow, void, undefined> {
    for await (const validated of rows) {
      this.add(validated.row, validated.problems)
      yield validated
    }
  }

  add(row: Row, problems: readonly InputProblem[]): void {
    for (const { code, pointer } of problems) this.#count(row, code, toSegments(pointer))
  }

  get(): { columns?: MappedColumn[]; problems: ProblemGroup[] } {
    const problems = [...this.#groups.values()].sort((one, other) => other.count - one.count)
    return { ...(this.#columns ? { columns: this.#columns } : {}), problems }
  }

  #count(row: Row, code: string, segments: string[]): void {
    const column = this.#columnOf(segments)
    const key = `${code}\n${column ?? ''}`
    const group = this.#groups.get(key)
    if (group) {
      group.count += 1
      if (group.first_rows.length < GROUP_ROWS && group.first_rows.at(-1) !== row.number)
        group.first_rows.push(row.number)
    } else if (this.#groups.size < PROBLEM_GROUPS)
      this.#groups.set(key, {
        code,
        column,
        count: 1,
        first_rows: [row.number],
        example: exampleOf(row, column, segments),
      })
  }

  #columnOf(segments: string[]): string | null {
    const path = toPath(segments)
    return path === '' ? null : (this.#headers.get(path) ?? path.slice(0, COLUMN_LENGTH))
  }
}

const toSegments = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))

/** As a header names it. */
const toPath = (segments: string[]): string =>
  (segments[0] === 'user' ? segments.slice(1) : segments)
    .map((segment, index) => (/^\d+$/.test(segment) ? `[${segment}]` : `${index === 0 ? '' : '.'}${segment}`))
    .join('')

function exampleOf(row: Row, column: string | null, segments: string[]): string | null {
  if (column === null) return null
  const index = row.columns?.names.indexOf(column) ?? -1
  const cell = index < 0 ? undefined : toEchoedCells(row)?.[index]
  if (cell !== undefined) return cell.slice(0, EXAMPLE_LENGTH)
  const value = segments.reduce<unknown>(
    (inner, name) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, name)
        ? (inner as Record<string, unknown>)[name]
        : undefined,
    row.value,
  )
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return null
  return segments.some(isSecretName) ? MASK : String(value).slice(0, EXAMPLE_LENGTH)
}
