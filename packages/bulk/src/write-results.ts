import { Transform } from 'node:stream'
import type { TransformCallback } from 'node:stream'
import { Stringifier } from 'csv-stringify'

export interface ResultRow {
  /** The client's own cells, as they were read; undefined for rows that were no CSV. */
  columns: Record<string, string> | undefined
  result: Record<string, unknown>
}

/**
 * A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection), some also behind quotes or spaces.
 */
const FORMULA = /^["\s]*[=+\-@＝＋－＠]|^"*[\t\r\n]/

export const toSafeCell = (text: string): string => (FORMULA.test(text) ? `'${text}` : text)

/** Takes ResultRows, gives the bytes of a file: the client's columns first, then the fields of the result. */
export function createResultWriter(
  format: 'ndjson' | 'csv',
  columns: readonly string[],
  resultFields: readonly string[],
): Transform {
  return format === 'csv' ? new CsvResults(columns, resultFields) : createNdjsonResults(resultFields)
}

function createNdjsonResults(resultFields: readonly string[]): Transform {
  return new Transform({
    writableObjectMode: true,
    transform({ columns, result }: ResultRow, _encoding, done) {
      const fields = Object.fromEntries(resultFields.map((name) => [name, ownValue(result, name)]))
      done(null, `${JSON.stringify({ columns, ...fields })}\n`)
    },
  })
}

/**
 * csv-stringify's own stream, so that its back-pressure and its header over no rows stay. Cells go in as an array: a
 * name of a column is never a path or a prototype's.
 */
class CsvResults extends Stringifier {
  readonly #columns: readonly string[]
  readonly #resultFields: readonly string[]

  constructor(columns: readonly string[], resultFields: readonly string[]) {
    super({
      header: true,
      columns: [...columns, ...resultFields].map((name, index) => ({ key: String(index), header: toSafeCell(name) })),
      record_delimiter: '\r\n',
      quote_record_delimiter: true,
    })
    this.#columns = columns
    this.#resultFields = resultFields
  }

  override _transform({ columns = {}, result }: ResultRow, encoding: BufferEncoding, done: TransformCallback): void {
    const cells = [
      ...this.#columns.map((name) => ownValue(columns, name)),
      ...this.#resultFields.map((name) => ownValue(result, name)),
    ]
    super._transform(
      cells.map((value) => toSafeCell(toText(value))),
      encoding,
      done,
    )
  }
}

const ownValue = (from: Record<string, unknown>, name: string): unknown =>
  Object.hasOwn(from, name) ? from[name] : undefined

function toText(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
