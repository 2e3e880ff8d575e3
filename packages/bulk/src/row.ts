import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import { UploadError } from './upload-error.ts'

/** What can be wrong with one row before a schema sees it. */
export const rowProblemCodes = [
  'row_too_large',
  'malformed_json',
  'wrong_column_count',
  'unnamed_column',
  'stray_quote',
  'unclosed_quote',
  'not_an_object',
  'unknown_field',
  'field_beside_user',
  'invalid_integer',
  'invalid_number',
  'invalid_boolean',
  'invalid_date',
  'invalid_text',
  'masked_secret',
  'not_ascii',
  'forbidden_name',
  'too_deep',
  'too_many',
] as const
export type RowProblemCode = (typeof rowProblemCodes)[number]

export interface Columns {
  names: readonly string[]
  /** One for each name: whether its cells hold a password or the like. */
  secrets: readonly boolean[]
  /** All there are: fewer or more than names where the row has fewer or more. */
  cells: readonly string[]
}

/** Cells behind the last name are called by their place. */
export const toCellsByName = ({ names, cells }: Pick<Columns, 'names' | 'cells'>): Record<string, string> =>
  Object.fromEntries(cells.map((cell, index) => [names[index] ?? `cell ${index + 1}`, cell]))

export interface Row {
  /** 1-based, among the data rows or items. */
  number: number
  /** 1-based line of the file where the record begins; null for a JSON document. */
  line: number | null
  /** What could be read of it; undefined where nothing could. Not to be used while there are problems. */
  value: Record<string, unknown> | undefined
  /** CSV: the client's own cells, to be echoed. The names are one and the same array for all rows of an upload. */
  columns: Columns | undefined
  problems: InputProblem[]
  /** What was changed of its texts, if anything. */
  warnings?: Warning[]
}

export interface RowLimits {
  maxRows: number
  maxRowBytes: number
}

/**
 * Fed with checked UTF-8 in pieces of any size. Generators, so that the rows before an error are handed out before it
 * is thrown.
 */
export interface RowReader {
  write(bytes: Buffer): Iterable<Row>
  end(): Iterable<Row>
}

export const rowProblem = (code: RowProblemCode, detail: string): InputProblem => ({ pointer: '', code, detail })

export const rowTooLarge = (maxRowBytes: number): InputProblem =>
  rowProblem('row_too_large', `The row is longer than ${maxRowBytes} bytes.`)

/** The number of the next row, which must be an allowed one. */
export function nextNumber(last: number, maxRows: number, line: number | null): number {
  if (last >= maxRows) throw new UploadError('too_many_rows', `The upload has more than ${maxRows} rows.`, line)
  return last + 1
}
