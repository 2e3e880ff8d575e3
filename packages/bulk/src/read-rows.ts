import type { MappedColumn } from '@muster/contracts/batch'
import { rowBounds } from '@muster/contracts/bounds'
import { cleanTexts } from '@muster/contracts/clean-text'
import { isDateFormat, isTimeZone } from './cell-dates.ts'
import type { DateOptions } from './cell-dates.ts'
import type { RemoteKinds } from './column-target.ts'
import { createCsvReader } from './csv-rows.ts'
import { createDefaults } from './defaults.ts'
import type { DefaultFiller, Defaults } from './defaults.ts'
import { createJsonReader } from './json-rows.ts'
import { createNdjsonReader } from './ndjson-rows.ts'
import type { Row, RowReader } from './row.ts'
import { UploadError } from './upload-error.ts'
import { readBytes } from './upload-bytes.ts'

const uploadFormats = ['json', 'ndjson', 'csv'] as const
export type UploadFormat = (typeof uploadFormats)[number]

const DEFAULT_MAX_ROWS = 100_000
const DEFAULT_MAX_BYTES = 100 * 1024 * 1024

export interface ReadOptions extends DateOptions {
  format: UploadFormat
  isGzip?: boolean
  /** A WHATWG label. By default the byte order mark decides, and CSV that is not UTF-8 is read as windows-1252. */
  charset?: string
  /** CSV: one character, or comma, semicolon, tab, pipe. By default derived from the header. */
  delimiter?: string
  /** CSV: header of the client to target; an empty target ignores the column. */
  mapping?: Readonly<Record<string, string>>
  /** CSV: the kinds of the provider's own fields. */
  remoteKinds?: RemoteKinds
  /** CSV: called before the first row with the target of each column, and why. */
  onColumns?: (columns: MappedColumn[]) => void
  /** What holds for every row that does not say otherwise. */
  defaults?: Defaults
  /** Spaces at the ends of texts stay. */
  keepsSpaces?: boolean
  maxRows?: number
  /** After unpacking. */
  maxBytes?: number
  maxRowBytes?: number
}

/**
 * One row after the other, as fast as they are taken and no faster. A bad row has problems and the next one follows;
 * what makes the whole upload unreadable throws an UploadError. An error of the stream itself is passed on.
 */
export async function* readRows(
  stream: AsyncIterable<Uint8Array>,
  options: ReadOptions,
): AsyncGenerator<Row, void, undefined> {
  const { format, charset, isGzip = false, maxBytes = DEFAULT_MAX_BYTES, keepsSpaces = false } = options
  const reader = createReader(options)
  const defaults = createDefaults(options.defaults ?? {}, { dates: toDates(options), remoteKinds: options.remoteKinds })
  const finish = (row: Row): Row => fillRow(cleanRow(row, keepsSpaces), defaults)
  const pieces = readBytes(stream, { isGzip, maxBytes, charset, mayBeWindows1252: format === 'csv' })
  for await (const bytes of pieces) for (const row of reader.write(bytes)) yield finish(row)
  for (const row of reader.end()) yield finish(row)
}

/** A row that is rejected takes no counter from those behind it. */
function fillRow(row: Row, defaults: DefaultFiller): Row {
  if (row.value === undefined || row.problems.length > 0) return row
  const problems = defaults.fill(row.value)
  return problems.length === 0 ? row : { ...row, problems }
}

function cleanRow(row: Row, keepsSpaces: boolean): Row {
  if (row.value === undefined) return row
  const { value, problems, warnings } = cleanTexts(row.value, { keepsSpaces })
  if (value === row.value && problems.length === 0) return row
  return { ...row, value, problems: [...row.problems, ...problems], ...(warnings.length > 0 ? { warnings } : {}) }
}

function createReader(options: ReadOptions): RowReader {
  const { format, mapping = {}, delimiter, onColumns, remoteKinds } = options
  const limits = { maxRows: options.maxRows ?? DEFAULT_MAX_ROWS, maxRowBytes: options.maxRowBytes ?? rowBounds.bytes }
  if (format === 'csv')
    return createCsvReader({ ...limits, mapping, delimiter, onColumns, remoteKinds, dates: toDates(options) })
  return format === 'json' ? createJsonReader(limits) : createNdjsonReader(limits)
}

function toDates({ dateFormat, timeZone }: ReadOptions): DateOptions {
  if (dateFormat !== undefined && !isDateFormat(dateFormat))
    throw new UploadError('invalid_date_format', 'A date format is made of YYYY, MM or M, and DD or D, each once.')
  if (timeZone !== undefined && !isTimeZone(timeZone))
    throw new UploadError('unknown_time_zone', `There is no time zone ${JSON.stringify(timeZone.slice(0, 40))}.`)
  return { ...(dateFormat === undefined ? {} : { dateFormat }), ...(timeZone === undefined ? {} : { timeZone }) }
}
