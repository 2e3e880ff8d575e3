import type { MappedColumn } from '@muster/contracts/batch'
import { rowBounds } from '@muster/contracts/bounds'
import type { DateOptions } from './cell-dates.ts'
import { mapColumns } from './column-mapping.ts'
import type { ColumnMapping } from './column-mapping.ts'
import { toName } from './column-target.ts'
import type { RemoteKinds } from './column-target.ts'
import { readCells, readHeaderCells } from './csv-cells.ts'
import { readSeparatorLine, recognizeDelimiter, toDelimiter } from './csv-delimiter.ts'
import { createLineEnds } from './csv-line-ends.ts'
import { createRecordSplitter } from './csv-records.ts'
import type { CsvRecord } from './csv-records.ts'
import { fromSafeCell, GUARD } from './formula-guard.ts'
import { toMappedItem } from './mapped-item.ts'
import { countOwnColumns } from './result-columns.ts'
import { isKnownHeader, toMapped } from './resolve-headers.ts'
import { nextNumber, rowProblem, rowTooLarge } from './row.ts'
import type { Row, RowLimits, RowReader } from './row.ts'
import { UploadError } from './upload-error.ts'

export interface CsvOptions extends RowLimits {
  dates: DateOptions
  remoteKinds: RemoteKinds | undefined
  mapping: Readonly<Record<string, string>>
  /** Recognized without it. */
  delimiter: string | undefined
  onColumns: ((columns: MappedColumn[]) => void) | undefined
}

interface Table {
  columns: ColumnMapping
  /** Columns of a result stand behind the client's own, and are none of the upload. */
  width: number
  delimiter: string
}

export function createCsvReader({
  maxRows,
  maxRowBytes,
  mapping,
  delimiter,
  onColumns,
  dates,
  remoteKinds,
}: CsvOptions): RowReader {
  const lineEnds = createLineEnds()
  const splitter = createRecordSplitter(maxRowBytes)
  const mapped = toMapped(mapping)
  const isMapped = (header: string): boolean => mapped.has(toName(header))
  let known = delimiter === undefined ? undefined : givenDelimiter(delimiter)
  if (known !== undefined) splitter.separateBy(known)
  let isFirst = true
  let table: Table | undefined
  let number = 0

  /** The header, or before it the line that names the delimiter. */
  function takeHead(record: CsvRecord): void {
    const separator = isFirst ? readSeparatorLine(record.bytes) : undefined
    isFirst = false
    if (separator !== undefined) {
      known ??= separator
      splitter.separateBy(known)
    } else {
      refuseLongHeader(record)
      known ??= recognizeDelimiter(record.bytes, (name) => isKnownHeader(name, mapped))
      splitter.separateBy(known)
      const headers = readHeader(record, known)
      const own = headers.slice(0, countOwnColumns(headers, isMapped))
      const columns = mapColumns(own, mapping, record.line, remoteKinds)
      table = { columns, width: headers.length, delimiter: known }
      onColumns?.(table.columns.columns)
    }
  }

  function toRow(record: CsvRecord, read: string[], { columns, width }: Table): Row | undefined {
    const { headers, secrets } = columns
    const own = width > headers.length && read.length === width ? read.slice(0, headers.length) : read
    const cells = own.some((cell) => cell.startsWith(GUARD))
      ? own.map((cell, index) => (secrets[index] ? cell : fromSafeCell(cell)))
      : own
    if (cells[0]?.trim() === '' && cells.every((cell) => cell.trim() === '')) return undefined
    const { line } = record
    number = nextNumber(number, maxRows, line)
    const echoed = { names: columns.headers, secrets: columns.secrets, cells }
    const problem = problemOf(record, cells, columns, maxRowBytes)
    if (problem) return { number, line, value: undefined, columns: echoed, problems: [problem] }
    return { number, line, columns: echoed, ...toMappedItem(columns, cells, dates) }
  }

  function* toRows(records: CsvRecord[]): Generator<Row> {
    if (table === undefined) return
    const cells = readCells(records, table.delimiter)
    for (const record of records) {
      const row = toRow(record, cells.next().value ?? [], table)
      if (row !== undefined) yield row
    }
  }

  function* read(records: Iterable<CsvRecord>): Generator<Row> {
    const rows: CsvRecord[] = []
    for (const record of records) {
      if (table === undefined) takeHead(record)
      else rows.push(record)
    }
    yield* toRows(rows)
  }

  return {
    *write(bytes) {
      yield* read(splitter.write(lineEnds.write(bytes)))
    },
    *end() {
      yield* read(splitter.write(lineEnds.end()))
      yield* read(splitter.end())
      if (table === undefined)
        throw new UploadError('no_header', 'The upload is empty; the first line must name the columns.')
    },
  }
}

function problemOf(
  { fault }: CsvRecord,
  cells: string[],
  { headers, named, targets }: ColumnMapping,
  maxRowBytes: number,
) {
  if (fault === 'too_large') return rowTooLarge(maxRowBytes)
  if (fault === 'open_quote')
    return rowProblem('unclosed_quote', 'A quoted cell of this row is not closed before the end of the upload.')
  if (fault === 'stray_quote')
    return rowProblem(
      'stray_quote',
      'A quote stands inside a cell that is not quoted, or text follows a closing quote.',
    )
  // Excel leaves delimiters out at the ends of some rows; behind the last name there is nothing to miss.
  if (cells.length > headers.length || cells.length < named)
    return rowProblem('wrong_column_count', `The row has ${cells.length} cells, the header ${headers.length}.`)
  const unnamed = cells.findIndex((cell, index) => targets[index] === 'unnamed' && cell.trim() !== '')
  if (unnamed >= 0) return rowProblem('unnamed_column', `Column ${unnamed + 1} has no name, and here it is not empty.`)
  return undefined
}

function givenDelimiter(written: string): string {
  const delimiter = toDelimiter(written)
  if (delimiter === undefined)
    throw new UploadError('invalid_delimiter', 'A delimiter is one sign, such as a semicolon, or tab.')
  return delimiter
}

function refuseLongHeader({ fault, bytes, line }: CsvRecord): void {
  if (fault === 'too_large' || bytes.length > rowBounds.headerBytes)
    throw new UploadError('header_too_large', `The header row is longer than ${rowBounds.headerBytes} bytes.`, line)
}

function readHeader({ bytes, line }: CsvRecord, delimiter: string): string[] {
  if (bytes.includes(0))
    throw new UploadError(
      'not_text',
      'The header holds NUL bytes, as UTF-16 does (charset=utf-16le) and no text.',
      line,
    )
  const cells = readHeaderCells(bytes, delimiter)
  if (cells === undefined)
    throw new UploadError(
      'malformed_header',
      'The header row has a quote in a wrong place, or one that is not closed.',
      line,
    )
  if (cells.length > rowBounds.columns)
    throw new UploadError(
      'too_many_columns',
      `The header names ${cells.length} columns, and no more than ${rowBounds.columns} may be sent.`,
      line,
    )
  return cells.map(fromSafeCell)
}
