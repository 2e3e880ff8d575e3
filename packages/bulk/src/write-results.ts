import { createHash } from 'node:crypto'
import { Transform } from 'node:stream'
import type { TransformCallback } from 'node:stream'
import { Stringifier } from 'csv-stringify'
import { delimiters } from './csv-records.ts'
import { toSafeCell } from './formula-guard.ts'

export interface ResultRow {
  /** The client's own cells, as they were read; undefined for rows that were no CSV. */
  columns: Record<string, string> | undefined
  /**
   * The same in the order of the columns, where that is known: more of them than there are columns follow the result.
   */
  cells?: readonly string[] | undefined
  result: Record<string, unknown>
}

/** CSV that a spreadsheet opens by itself. */
export interface CsvLayout {
  /** A comma without it. */
  delimiter?: (typeof delimiters)[number]
  hasByteOrderMark?: boolean
}

/** What the last line says of all before it: how many rows they are, and the SHA-256 of their bytes in hex. */
export type EndMark = (rows: number, sha256: string) => Record<string, string | number>

/**
 * Takes ResultRows, gives the bytes of a file: the client's columns first, then the fields of the result.
 * @param resultFields none of them for a file to be corrected and uploaded again.
 * @param endMark with it, the file ends in a line of the same fields; what was cut off has none.
 */
export function createResultWriter(
  format: 'ndjson' | 'csv',
  columns: readonly string[],
  resultFields: readonly string[],
  endMark?: EndMark,
  layout: CsvLayout = {},
): Transform {
  return format === 'csv'
    ? new CsvResults(columns, resultFields, endMark, layout)
    : createNdjsonResults(resultFields, endMark)
}

function createNdjsonResults(resultFields: readonly string[], endMark: EndMark | undefined): Transform {
  const hash = createHash('sha256')
  let rows = 0
  const lineOf = (columns: ResultRow['columns'], result: Record<string, unknown>): string => {
    const fields = Object.fromEntries(resultFields.map((name) => [name, ownValue(result, name)]))
    return `${JSON.stringify({ columns, ...fields })}\n`
  }
  return new Transform({
    writableObjectMode: true,
    transform({ columns, result }: ResultRow, _encoding, done) {
      const line = lineOf(columns, result)
      if (endMark) hash.update(line)
      rows += 1
      done(null, line)
    },
    flush(done) {
      if (endMark) this.push(lineOf(undefined, endMark(rows, hash.digest('hex'))))
      done()
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
  readonly #endMark: EndMark | undefined
  readonly #delimiter: string
  readonly #hash = createHash('sha256')
  #rows = 0
  #hasHeader = false

  constructor(
    columns: readonly string[],
    resultFields: readonly string[],
    endMark: EndMark | undefined,
    { delimiter = ',', hasByteOrderMark = false }: CsvLayout,
  ) {
    super({
      delimiter,
      bom: hasByteOrderMark,
      // Whatever a reader takes for the delimiter, of a file with one column too.
      quoted_match: delimiters.filter((other) => other !== delimiter),
      record_delimiter: '\r\n',
      quote_record_delimiter: true,
    })
    this.#columns = columns
    this.#resultFields = resultFields
    this.#endMark = endMark
    this.#delimiter = delimiter
  }

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (this.#endMark && (typeof chunk === 'string' || Buffer.isBuffer(chunk))) this.#hash.update(chunk)
    return super.push(chunk, encoding)
  }

  override _transform(row: ResultRow, _encoding: BufferEncoding, done: TransformCallback): void {
    const { columns = {}, result } = row
    const own = row.cells ?? this.#columns.map((name) => ownValue(columns, name))
    const width = this.#columns.length
    // Without a result behind it, a short row stays one: filled up, it would be another when it is uploaded again.
    const padding = this.#resultFields.length === 0 ? 0 : Math.max(0, width - own.length)
    const cells = [
      ...own.slice(0, width),
      ...Array.from({ length: padding }),
      ...this.#resultFields.map((name) => ownValue(result, name)),
      ...own.slice(width),
    ]
    this.#rows += 1
    this.#writeHeader()
    this.#writeCells(cells.map(toText), done)
  }

  #writeHeader(): void {
    if (this.#hasHeader) return
    this.#hasHeader = true
    this.#writeCells([...this.#columns, ...this.#resultFields], () => undefined)
  }

  /** As a row of its own: with a header of the library, it would leave out cells behind the last column. */
  #writeCells(cells: string[], done: TransformCallback): void {
    super._transform(cells.map(toSafeCell), 'utf8', done)
  }

  override _flush(done: TransformCallback): void {
    this.#writeHeader()
    super._flush((error) => {
      if (!error && this.#endMark) {
        const mark = this.#endMark(this.#rows, this.#hash.digest('hex'))
        // As many cells as the header has, or strict readers would refuse the file. None of them needs quotes.
        const cells = [...this.#columns.map(() => ''), ...this.#resultFields.map((name) => toText(mark[name]))]
        super.push(`${cells.join(this.#delimiter)}\r\n`)
      }
      done(error)
    })
  }
}

const ownValue = (from: Record<string, unknown>, name: string): unknown =>
  Object.hasOwn(from, name) ? from[name] : undefined

function toText(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
