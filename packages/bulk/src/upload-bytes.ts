import { Readable, pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { UploadError } from './upload-error.ts'
import { createTextReader, type CharsetOptions } from './upload-text.ts'

/** So that a caller who hands over one huge buffer does not make the readers hold its rows at once. */
const PIECE_BYTES = 8 * 1024

export interface ByteOptions extends CharsetOptions {
  isGzip: boolean
  /** Of what is inflated: a bomb ends here, not in memory. */
  maxBytes: number
}

/** The upload, unpacked, as checked UTF-8 without its byte order mark, in small pieces. */
export async function* readBytes(
  source: AsyncIterable<Uint8Array>,
  { isGzip, maxBytes, ...charset }: ByteOptions,
): AsyncGenerator<Buffer> {
  const text = createTextReader(charset)
  let total = 0
  for await (const chunk of isGzip ? inflate(source) : source) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const allowed = bytes.subarray(0, maxBytes - total)
    total += bytes.length
    for (let start = 0; start < allowed.length; start += PIECE_BYTES)
      yield* text.write(allowed.subarray(start, start + PIECE_BYTES))
    if (total > maxBytes)
      throw new UploadError(
        'too_many_bytes',
        `The upload is larger than ${maxBytes} bytes${isGzip ? ' when it is unpacked' : ''}.`,
      )
  }
  yield* text.end()
}

async function* inflate(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip()
  const input = Readable.from(source, { objectMode: false })
  // An error of the source destroys the gunzip with it, and so reaches the loop below as it is.
  pipeline(input, gunzip, () => {})
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) yield chunk
  } catch (error) {
    // What was unpacked before the error and not taken yet: the rows in it are good.
    for (let chunk = gunzip.read() as Buffer | null; chunk !== null; chunk = gunzip.read() as Buffer | null) yield chunk
    if (codeOf(error) === 'Z_BUF_ERROR')
      throw new UploadError('ended_early', 'The gzip data ends before it is complete.', null, { cause: error })
    if (codeOf(error)?.startsWith('Z_'))
      throw new UploadError('corrupt_gzip', 'The upload is not gzip data, or it is damaged.', null, { cause: error })
    throw error
  }
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
