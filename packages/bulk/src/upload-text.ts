import { isAscii, isUtf8 } from 'node:buffer'
import { decode, findUndecodable, toCharset } from './charset.ts'
import { UploadError } from './upload-error.ts'

const NEWLINE = 10
/** Of a character of any charset that can be read: as many of its bytes may be still to come. */
const MOST_PENDING_BYTES = 3
const ZIP = Buffer.from('PK\u0003\u0004')

export interface TextReader {
  write(bytes: Buffer): Iterable<Buffer>
  end(): Iterable<Buffer>
}

export interface CharsetOptions {
  /** A WHATWG label. A byte order mark goes before it, as browsers have it. */
  charset: string | undefined
  /** Bytes that are no UTF-8 from the first on are read as windows-1252, which is what Excel writes. */
  mayBeWindows1252: boolean
}

/** Bytes of an upload as checked UTF-8 without a byte order mark, in pieces that end with a whole character. */
export function createTextReader({ charset, mayBeWindows1252 }: CharsetOptions): TextReader {
  const declared = charset === undefined ? undefined : toCharset(charset)
  if (charset !== undefined && declared === undefined)
    throw new UploadError('unknown_charset', `There is no charset ${JSON.stringify(charset.slice(0, 40))}.`)
  let reader: TextReader | undefined
  let head = Buffer.alloc(0)

  function* begin(): Generator<Buffer> {
    refuseWorkbook(head)
    const { encoding = declared ?? 'utf-8', length } = markOf(head)
    const isGuessed = mayBeWindows1252 && declared === undefined && length === 0
    reader = encoding === 'utf-8' ? createUtf8Reader(length, isGuessed) : createDecoder(encoding, length)
    yield* reader.write(head.subarray(length))
  }

  return {
    *write(bytes) {
      if (reader !== undefined) return yield* reader.write(bytes)
      head = Buffer.concat([head, bytes])
      if (head.length >= ZIP.length) yield* begin()
    },
    *end() {
      if (reader === undefined) yield* begin()
      if (reader !== undefined) yield* reader.end()
    },
  }
}

function markOf(bytes: Buffer): { encoding?: string; length: number } {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return { encoding: 'utf-8', length: 3 }
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { encoding: 'utf-16le', length: 2 }
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return { encoding: 'utf-16be', length: 2 }
  return { length: 0 }
}

function refuseWorkbook(bytes: Buffer): void {
  if (bytes.subarray(0, ZIP.length).equals(ZIP))
    throw new UploadError('not_text', 'The upload is a workbook or a zip file; save it as CSV.', 1)
}

/** @param offset of its first byte in the upload. */
function createUtf8Reader(offset: number, mayBeWindows1252: boolean): TextReader {
  let rest: Buffer = Buffer.alloc(0)
  let line = 1
  let isSure = !mayBeWindows1252
  let other: TextReader | undefined

  function* check(bytes: Buffer): Generator<Buffer> {
    if (!isSure && !isAscii(bytes)) {
      const first = bytes.findIndex((byte) => byte >= 0x80)
      isSure = isSequence(bytes, first)
      if (!isSure) {
        other = createDecoder('windows-1252', offset)
        return yield* other.write(bytes)
      }
    }
    if (!isUtf8(bytes)) {
      const before = startOfBadLine(bytes)
      line += countNewlines(bytes.subarray(0, before))
      if (before > 0) yield bytes.subarray(0, before)
      const at = before + findBadSequence(bytes.subarray(before))
      throw undecodable('not_utf8', 'UTF-8', { byte: bytes[at] ?? 0, at: offset + at, line })
    }
    line += countNewlines(bytes)
    offset += bytes.length
    if (bytes.length > 0) yield bytes
  }

  return {
    *write(bytes) {
      if (other !== undefined) return yield* other.write(bytes)
      const whole = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
      const end = whole.length - incompleteBytes(whole)
      // A copy, so that the little that is left does not hold the whole piece.
      rest = Buffer.from(whole.subarray(end))
      yield* check(whole.subarray(0, end))
      if (other !== undefined) yield* (other as TextReader).write(rest)
    },
    *end() {
      // A character that lacks its end only is one of UTF-8, cut off with the upload.
      if (rest.length > 1) isSure = true
      if (other === undefined) yield* check(rest)
      if (other !== undefined) yield* other.end()
    },
  }
}

function createDecoder(charset: string, offset: number): TextReader {
  let rest: Buffer = Buffer.alloc(0)
  let line = 1

  function* fail(bytes: Buffer): Generator<Buffer> {
    const at = findUndecodable(charset, bytes)
    let before = decode(charset, bytes.subarray(0, at)) ?? ''
    for (let back = 1; before === '' && back <= Math.min(MOST_PENDING_BYTES, at); back++)
      before = decode(charset, bytes.subarray(0, at - back)) ?? ''
    const lines = before.slice(0, before.lastIndexOf('\n') + 1)
    if (lines !== '') yield Buffer.from(lines)
    line += lines.split('\n').length - 1
    throw undecodable('not_in_charset', charset, { byte: bytes[at] ?? 0, at: offset + at, line })
  }

  return {
    *write(bytes) {
      const whole = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
      for (let pending = 0; pending <= Math.min(MOST_PENDING_BYTES, whole.length); pending++) {
        const end = whole.length - pending
        const text = decode(charset, whole.subarray(0, end))
        if (text === undefined) continue
        rest = Buffer.from(whole.subarray(end))
        offset += end
        const decoded = Buffer.from(text)
        line += countNewlines(decoded)
        if (decoded.length > 0) yield decoded
        return
      }
      yield* fail(whole)
    },
    *end() {
      if (rest.length > 0) yield* fail(rest)
    },
  }
}

const undecodable = (
  code: 'not_utf8' | 'not_in_charset',
  charset: string,
  { byte, at, line }: { byte: number; at: number; line: number },
): UploadError => {
  const shown = `0x${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return new UploadError(
    code,
    `Byte ${at + 1} of the upload, ${shown}, is not ${charset}. Save the file as UTF-8, or name its charset.`,
    line,
    { byte: at + 1 },
  )
}

/** Bytes at the end of a piece that begin a character the next piece completes. */
function incompleteBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte >= 0x80 && byte < 0xc0) continue
    return sequenceLength(byte) > back ? back : 0
  }
  return 0
}

const sequenceLength = (lead: number): number => (lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1)

const isSequence = (bytes: Buffer, at: number): boolean =>
  isUtf8(bytes.subarray(at, at + sequenceLength(bytes[at] ?? 0)))

function findBadSequence(bytes: Buffer): number {
  let at = 0
  while (at < bytes.length && isSequence(bytes, at)) at += sequenceLength(bytes[at] ?? 0)
  return at
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
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count++
  return count
}
