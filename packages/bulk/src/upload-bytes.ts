import { isUtf8 } from 'node:buffer'
import { Readable, pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { UploadError } from './upload-error.ts'

const NEWLINE = 10
/** So that a caller who hands over one huge buffer does not make the readers hold its rows at once. */
const PIECE_BYTES = 8 * 1024

export interface ByteOptions {
  isGzip: boolean
  /** Of what is inflated: a bomb ends here, not in memory. */
  maxBytes: number
}

/** The upload as UTF-8 without its byte order mark, checked, in small pieces that may end within a character. */
export async function* readBytes(
  source: AsyncIterable<Uint8Array>,
  { isGzip, maxBytes }: ByteOptions,
): AsyncGenerator<Buffer> {
  const check = createUtf8Check()
  let total = 0
  for await (const chunk of isGzip ? inflate(source) : source) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const allowed = bytes.subarray(0, maxBytes - total)
    total += bytes.length
    for (let start = 0; start < allowed.length; start += PIECE_BYTES)
      yield* check.write(allowed.subarray(start, start + PIECE_BYTES))
    if (total > maxBytes)
      throw new UploadError(
        'too_many_bytes',
        `The upload is larger than ${maxBytes} bytes${isGzip ? ' when it is unpacked' : ''}.`,
      )
  }
  yield* check.end()
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
      throw new UploadError('corrupt_gzip', 'The upload is no gzip data, or it is damaged.', null, { cause: error })
    throw error
  }
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

interface Utf8Check {
  write(bytes: Buffer): Iterable<Buffer>
  end(): Iterable<Buffer>
}

function createUtf8Check(): Utf8Check {
  let rest: Buffer = Buffer.alloc(0)
  let isStart = true
  let line = 1

  function* check(bytes: Buffer): Generator<Buffer> {
    if (!isUtf8(bytes)) {
      const before = startOfBadLine(bytes)
      line += countNewlines(bytes.subarray(0, before))
      if (before > 0) yield bytes.subarray(0, before)
      throw new UploadError('not_utf8', 'The upload must be UTF-8; this line holds bytes that are not.', line)
    }
    line += countNewlines(bytes)
    if (bytes.length > 0) yield bytes
  }

  return {
    *write(bytes) {
      let whole = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
      if (isStart) {
        refuseUtf16(whole)
        if (whole.length < 3) {
          rest = Buffer.from(whole)
          return
        }
        isStart = false
        if (hasMark(whole)) whole = whole.subarray(3)
      }
      const end = whole.length - incompleteBytes(whole)
      // A copy, so that the little that is left does not hold the whole piece.
      rest = Buffer.from(whole.subarray(end))
      yield* check(whole.subarray(0, end))
    },
    *end() {
      if (isStart && hasMark(rest)) rest = rest.subarray(3)
      yield* check(rest)
    },
  }
}

const hasMark = (bytes: Buffer): boolean => bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf

function refuseUtf16(bytes: Buffer): void {
  const isLittle = bytes[0] === 0xff && bytes[1] === 0xfe
  const isBig = bytes[0] === 0xfe && bytes[1] === 0xff
  if (isLittle || isBig)
    throw new UploadError(
      'not_utf8',
      `The upload is UTF-16 (${isLittle ? 'little' : 'big'} endian); save it as UTF-8.`,
      1,
    )
}

/** How many bytes at the end belong to a character that goes on in the next piece. */
function incompleteBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte >= 0x80 && byte < 0xc0) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return length > back ? back : 0
  }
  return 0
}

function startOfBadLine(bytes: Buffer): number {
  let start = 0
  for (let end = bytes.indexOf(NEWLINE) + 1; end > 0; end = bytes.indexOf(NEWLINE, end) + 1) {
    if (!isUtf8(bytes.subarray(start, end))) return start
    start = end
  }
  return start
}

function countNewlines(bytes: Buffer): number {
  let count = 0
  for (let index = 0; index < bytes.length; index++) if (bytes[index] === NEWLINE) count++
  return count
}
