import type { IncomingMessage } from 'node:http'
import { readRows, type UploadFormat } from '@muster/bulk/read-rows'
import { UploadError, type UploadErrorCode } from '@muster/bulk/upload-error'
import type { BulkQuery } from '@muster/contracts/batch'
import type { Store } from '@muster/store/store'
import type { ApiConfig } from '../config.ts'
import { invalid, RequestError } from '../http/request-error.ts'
import { modeOf, type Caller } from '../http/own-records.ts'
import type { RowValidator, ValidatedRow } from './validate-rows.ts'

export interface UploadedFile {
  format: UploadFormat
  isGzip: boolean
  mapping: Record<string, string>
}

const formats: Record<string, UploadFormat> = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'text/csv': 'csv',
}
const tooLarge: ReadonlySet<UploadErrorCode> = new Set(['too_many_rows', 'too_many_bytes', 'too_many_columns'])
/** A client that sends nothing for so long has gone, or is up to no good. */
const SILENCE_MS = 30_000

/** What the headers and the query say of the body. */
export async function describeUpload(
  store: Store,
  caller: Caller,
  request: IncomingMessage,
  query: BulkQuery,
): Promise<UploadedFile> {
  const [mediaType = '', ...parameters] = (request.headers['content-type'] ?? '')
    .split(';')
    .map((part) => part.trim().toLowerCase())
  const format = formats[mediaType]
  if (!format)
    throw new RequestError(
      'unsupported_media_type',
      `Send the rows as ${[...new Set(Object.keys(formats))].join(', ')}.`,
    )
  const charset = parameters
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice('charset='.length)
    .replaceAll('"', '')
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8')
    throw new RequestError('unsupported_media_type', 'The rows must be UTF-8.')
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding !== 'gzip' && encoding !== 'identity')
    throw new RequestError(
      'unsupported_media_type',
      'The content encoding is not supported: send the rows as they are, or with gzip.',
    )
  if (format !== 'csv' && (query.mapping !== undefined || query.columns !== undefined))
    throw invalid([
      {
        pointer: query.mapping === undefined ? '?columns' : '?mapping',
        code: 'not_for_this_format',
        detail: 'Only CSV has columns to map.',
      },
    ])
  const saved =
    query.mapping === undefined ? {} : await store.columnMappings.read(caller.tenantId, query.mapping, modeOf(caller))
  if (!saved)
    throw invalid([{ pointer: '?mapping', code: 'not_found', detail: 'There is no column mapping of this name.' }])
  return { format, isGzip: encoding === 'gzip', mapping: { ...saved, ...query.columns } }
}

/** Every row, validated, in order. @throws RequestError where the upload cannot be read on */
export async function* validateUpload(
  stream: AsyncIterable<Uint8Array>,
  file: UploadedFile,
  validator: RowValidator,
  config: ApiConfig,
): AsyncGenerator<ValidatedRow, void, undefined> {
  try {
    for await (const row of readRows(stream, {
      ...file,
      maxRows: config.MUSTER_MAX_BATCH_ROWS,
      maxBytes: config.MUSTER_MAX_UPLOAD_MB * 1024 * 1024,
    }))
      yield await validator.validate(row)
  } catch (error) {
    if (!(error instanceof UploadError)) throw error
    const isTooLarge = tooLarge.has(error.code)
    throw new RequestError(isTooLarge ? 'payload_too_large' : 'malformed_upload', error.message, {
      extensions: { upload_error: error.code, line: error.line },
    })
  }
}

/** Breaks off what has fallen silent; a slow upload may take as long as it likes, in pieces. */
export function refuseSilence(request: IncomingMessage, silenceMs = SILENCE_MS): void {
  const { socket } = request
  request.setTimeout(silenceMs, () => {
    const heard = socket.bytesRead
    // Timers go before what lies in the socket: after a stall of ours, or a pause, that is looked at first.
    setImmediate(() => {
      if (request.readableEnded) return
      // What it has sent waits for us, and not we for it.
      if (request.readableLength > 0 || socket.bytesRead > heard) socket.setTimeout(silenceMs)
      else request.destroy(new Error('the upload fell silent'))
    })
  })
  // What follows the last byte is our work, and a time-out of the socket would cut the answer off.
  request.once('end', () => socket.setTimeout(0))
}

/**
 * A stream that is left in the middle is destroyed, and here its connection with it: whoever is refused would never be
 * told.
 */
export const bytesOf = (request: IncomingMessage, signal: AbortSignal): AsyncIterable<Uint8Array> =>
  untilAborted(request.iterator({ destroyOnReturn: false }), signal)

/** Nothing more is read of what is not to be answered any more, since its key was revoked. */
export async function* untilAborted(
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of bytes) {
    signal.throwIfAborted()
    yield piece
  }
}
