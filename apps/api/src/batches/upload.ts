import type { IncomingMessage } from 'node:http'
import { toCharset } from '@muster/bulk/charset'
import type { Defaults } from '@muster/bulk/defaults'
import { toReadParameters } from '@muster/bulk/read-parameters'
import { readRows, type ReadOptions, type UploadFormat } from '@muster/bulk/read-rows'
import { UploadError, type UploadErrorCode } from '@muster/bulk/upload-error'
import type { BulkQuery } from '@muster/contracts/batch'
import type { Store } from '@muster/store/store'
import type { ApiConfig } from '../config.ts'
import { modeOf, type Caller } from '../http/own-records.ts'
import { invalid, RequestError } from '../http/request-error.ts'
import { readDefaults } from './read-defaults.ts'
import type { RowValidator, ValidatedRow } from './validate-rows.ts'

export interface UploadedFile extends ReturnType<typeof toReadParameters> {
  format: UploadFormat
  isGzip: boolean
  mapping: Record<string, string>
  defaults?: Defaults
}

/** The same, and the listener for what its headers have become. */
type Reading = UploadedFile & Pick<ReadOptions, 'onColumns'>

const formats: Record<string, UploadFormat> = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'text/csv': 'csv',
}
const tooLarge: ReadonlySet<UploadErrorCode> = new Set(['too_many_rows', 'too_many_bytes', 'too_many_columns'])
/** A client that sends nothing for this long is taken to be gone. */
const SILENCE_MS = 30_000

/** What the headers and the query say of the body. */
export async function describeUpload(
  store: Store,
  caller: Caller,
  request: IncomingMessage,
  query: BulkQuery,
): Promise<UploadedFile> {
  const { format, charset } = readContentType(request.headers['content-type'] ?? '')
  const isGzip = isGzipped(request.headers['content-encoding'] ?? 'identity')
  const mapping = await readMapping(store, caller, query, format)
  const defaults = readDefaults(query)
  return { format, isGzip, mapping, ...charset, ...toReadParameters(query), ...(defaults ? { defaults } : {}) }
}

function readContentType(contentType: string): { format: UploadFormat; charset: { charset?: string } } {
  const [mediaType = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase())
  const format = formats[mediaType]
  if (!format) throw new RequestError('unsupported_media_type', `Send the rows as ${Object.keys(formats).join(', ')}.`)
  const charset = parameters
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice('charset='.length)
    .replaceAll('"', '')
  // Clients say utf-8 of whatever they send.
  if (charset === undefined || charset === 'utf-8' || charset === 'utf8') return { format, charset: {} }
  if (toCharset(charset) === undefined)
    throw new RequestError('unsupported_media_type', 'The charset is no WHATWG label, such as windows-1252.')
  return { format, charset: { charset } }
}

function isGzipped(contentEncoding: string): boolean {
  const encoding = contentEncoding.trim().toLowerCase()
  if (encoding === 'gzip' || encoding === 'identity') return encoding === 'gzip'
  throw new RequestError(
    'unsupported_media_type',
    'The content encoding is not supported: send the rows uncompressed, or with gzip.',
  )
}

async function readMapping(
  store: Store,
  caller: Caller,
  { mapping, columns }: BulkQuery,
  format: UploadFormat,
): Promise<Record<string, string>> {
  if (format !== 'csv' && (mapping !== undefined || columns !== undefined)) {
    const pointer = mapping === undefined ? '?columns' : '?mapping'
    throw invalid([{ pointer, code: 'not_for_this_format', detail: 'Only CSV has columns to map.' }])
  }
  const saved = mapping === undefined ? {} : await store.columnMappings.read(caller.tenantId, mapping, modeOf(caller))
  if (!saved)
    throw invalid([{ pointer: '?mapping', code: 'not_found', detail: 'There is no column mapping of this name.' }])
  return { ...saved, ...columns }
}

/** Every row, validated, in order. @throws RequestError where the rest of the upload cannot be read */
export async function* validateUpload(
  stream: AsyncIterable<Uint8Array>,
  file: Reading,
  validator: RowValidator,
  config: ApiConfig,
): AsyncGenerator<ValidatedRow, void, undefined> {
  const limits = {
    maxRows: config.MUSTER_MAX_BATCH_ROWS,
    maxBytes: config.MUSTER_MAX_UPLOAD_MB * 1024 * 1024,
  }
  try {
    for await (const row of readRows(stream, { ...file, ...limits })) yield await validator.validate(row)
  } catch (error) {
    if (!(error instanceof UploadError)) throw error
    const code = tooLarge.has(error.code) ? 'payload_too_large' : 'malformed_upload'
    throw new RequestError(code, error.message, {
      extensions: { upload_error: error.code, line: error.line, byte: error.byte },
    })
  }
}

/** Breaks off an upload that has fallen silent; a slow one may take as long as it likes. */
export function refuseSilence(request: IncomingMessage, silenceMs = SILENCE_MS): void {
  const { socket } = request
  request.setTimeout(silenceMs, () => {
    const heard = socket.bytesRead
    // Timers fire before the socket is read: after a stall of this process, what has arrived is read first.
    setImmediate(() => {
      if (request.readableEnded) return
      // The client is not silent: what it has sent waits for this process.
      if (request.readableLength > 0 || socket.bytesRead > heard) socket.setTimeout(silenceMs)
      else request.destroy(new Error('the upload fell silent'))
    })
  })
  // After the last byte only this process works; a socket time-out would cut off the answer.
  request.once('end', () => socket.setTimeout(0))
}

/** An iterator left in the middle destroys its stream and the connection with it: a refusal would never arrive. */
export const bytesOf = (request: IncomingMessage, signal: AbortSignal): AsyncIterable<Uint8Array> =>
  untilAborted(request.iterator({ destroyOnReturn: false }), signal)

/** Reads no more once the request is aborted: its client has gone, or its key was revoked. */
export async function* untilAborted(
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of bytes) {
    signal.throwIfAborted()
    yield piece
  }
}
