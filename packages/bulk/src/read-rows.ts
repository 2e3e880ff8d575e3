import { rowBounds } from '@muster/contracts/bounds'
import { createCsvReader } from './csv-rows.ts'
import { createJsonReader } from './json-rows.ts'
import { createNdjsonReader } from './ndjson-rows.ts'
import type { Row, RowReader } from './row.ts'
import { readBytes } from './upload-bytes.ts'

const uploadFormats = ['json', 'ndjson', 'csv'] as const
export type UploadFormat = (typeof uploadFormats)[number]

const DEFAULT_MAX_ROWS = 100_000
const DEFAULT_MAX_BYTES = 100 * 1024 * 1024

export interface ReadOptions {
  format: UploadFormat
  isGzip?: boolean
  /** CSV: header of the client to target; an empty target ignores the column. */
  mapping?: Readonly<Record<string, string>>
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
  const { isGzip = false, maxBytes = DEFAULT_MAX_BYTES } = options
  const reader = createReader(options)
  for await (const bytes of readBytes(stream, { isGzip, maxBytes })) for (const row of reader.write(bytes)) yield row
  for (const row of reader.end()) yield row
}

function createReader({
  format,
  mapping = {},
  maxRows = DEFAULT_MAX_ROWS,
  maxRowBytes = rowBounds.bytes,
}: ReadOptions): RowReader {
  if (format === 'csv') return createCsvReader({ maxRows, maxRowBytes, mapping })
  return format === 'json' ? createJsonReader({ maxRows, maxRowBytes }) : createNdjsonReader({ maxRows, maxRowBytes })
}
