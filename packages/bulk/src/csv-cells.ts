import { rowBounds } from '@muster/contracts/bounds'
import { parse } from 'csv-parse/sync'
import { createRecordSplitter } from './csv-records.ts'
import type { CsvRecord } from './csv-records.ts'

const QUOTE = 34
const NEWLINE = Buffer.from('\n')

/** The cells of each record in turn; none of one that is not well formed. */
export function* readCells(records: CsvRecord[], delimiter: string): Generator<string[]> {
  const quoted = parseCells(
    records.filter((record) => record.fault === undefined && hasQuote(record)),
    delimiter,
  ).values()
  for (const record of records) {
    if (record.fault !== undefined) yield []
    else if (hasQuote(record)) yield quoted.next().value ?? []
    // Without a quote, a delimiter is one wherever it stands: most records need no parser.
    else yield record.bytes.toString().split(delimiter)
  }
}

/** Splits a header by this delimiter; undefined when that leaves quotes in wrong places. */
export function readHeaderCells(bytes: Buffer, delimiter: string): string[] | undefined {
  const splitter = createRecordSplitter(rowBounds.headerBytes)
  splitter.separateBy(delimiter)
  const records = [...splitter.write(bytes), ...splitter.end()]
  return records.some(({ fault }) => fault !== undefined) ? undefined : [...readCells(records, delimiter)][0]
}

const hasQuote = ({ bytes }: CsvRecord): boolean => bytes.includes(QUOTE)

function parseCells(records: CsvRecord[], delimiter: string): string[][] {
  if (records.length === 0) return []
  return parse(Buffer.concat(records.flatMap(({ bytes }) => [bytes, NEWLINE])), {
    delimiter,
    record_delimiter: '\n',
    relax_column_count: true,
    max_record_size: 0,
  })
}
