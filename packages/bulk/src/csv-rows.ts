import { rowBounds } from '@muster/contracts/bounds'
import { parse } from 'csv-parse/sync'
import { mapColumns, toMappedItem } from './column-mapping.ts'
import type { ColumnMapping } from './column-mapping.ts'
import { createRecordSplitter } from './csv-records.ts'
import type { CsvRecord } from './csv-records.ts'
import { nextNumber, rowProblem, rowTooLarge } from './row.ts'
import type { Row, RowLimits, RowReader } from './row.ts'
import { UploadError } from './upload-error.ts'

export interface CsvOptions extends RowLimits {
  mapping: Readonly<Record<string, string>>
}

const NEWLINE = Buffer.from('\n')

export function createCsvReader({ maxRows, maxRowBytes, mapping }: CsvOptions): RowReader {
  const splitter = createRecordSplitter(maxRowBytes)
  let columns: ColumnMapping | undefined
  let number = 0

  function readHeader(record: CsvRecord): ColumnMapping {
    if (record.fault === 'too_large' || record.bytes.length > rowBounds.headerBytes)
      throw new UploadError(
        'header_too_large',
        `The header row is longer than ${rowBounds.headerBytes} bytes.`,
        record.line,
      )
    if (record.fault !== undefined)
      throw new UploadError(
        'malformed_header',
        'The header row has a quote in a wrong place, or one that is not closed.',
        record.line,
      )
    const cells = readCells([record])[0] ?? []
    if (cells.length > rowBounds.columns)
      throw new UploadError(
        'too_many_columns',
        `The header names ${cells.length} columns, and no more than ${rowBounds.columns} may be sent.`,
        record.line,
      )
    return mapColumns(cells, mapping, record.line)
  }

  function toRow({ fault, line }: CsvRecord, cells: string[] | undefined, { headers, targets }: ColumnMapping): Row {
    number = nextNumber(number, maxRows, line)
    const echoed = { names: headers, cells: (cells ?? []).slice(0, headers.length) }
    const bad = (...problem: Parameters<typeof rowProblem>): Row => ({
      number,
      line,
      value: undefined,
      columns: echoed,
      problems: [rowProblem(...problem)],
    })
    if (fault === 'too_large')
      return { number, line, value: undefined, columns: echoed, problems: [rowTooLarge(maxRowBytes)] }
    if (fault === 'open_quote')
      return bad('unclosed_quote', 'A quoted cell of this row is not closed before the end of the upload.')
    if (fault === 'stray_quote' || cells === undefined)
      return bad('stray_quote', 'A quote stands inside a cell that is not quoted, or text follows a closing quote.')
    if (cells.length !== headers.length)
      return bad('wrong_column_count', `The row has ${cells.length} cells, the header ${headers.length}.`)
    return { number, line, columns: echoed, ...toMappedItem({ headers, targets }, cells) }
  }

  function* read(records: CsvRecord[]): Generator<Row> {
    const [first, ...others] = records
    if (first === undefined) return
    const known = columns ?? readHeader(first)
    const rows = columns === undefined ? others : records
    columns = known
    const cells = readCells(rows.filter(({ fault }) => fault === undefined)).values()
    for (const record of rows) yield toRow(record, record.fault === undefined ? cells.next().value : undefined, known)
  }

  return {
    *write(bytes) {
      yield* read(splitter.write(bytes))
    },
    *end() {
      yield* read(splitter.end())
      if (columns === undefined)
        throw new UploadError('no_header', 'The upload is empty; the first line must name the columns.')
    },
  }
}

/** The cells of records that are known to be well formed, one array for each of them. */
function readCells(records: CsvRecord[]): string[][] {
  if (records.length === 0) return []
  return parse(Buffer.concat(records.flatMap(({ bytes }) => [bytes, NEWLINE])), {
    record_delimiter: '\n',
    relax_column_count: true,
    max_record_size: 0,
  })
}
