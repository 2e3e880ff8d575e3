const QUOTE = 34
const NEWLINE = 10
const RETURN = 13
/** The usual delimiters, in order of preference. */
export const delimiters = [',', ';', '\t', '|'] as const

export interface CsvRecord {
  /** Without its line end; empty where it was longer than the cap. */
  bytes: Buffer
  line: number
  fault: 'too_large' | 'stray_quote' | 'open_quote' | undefined
}

export interface RecordSplitter {
  /** Lazily, so that what the first record decides holds for the second. */
  write(bytes: Buffer): Iterable<CsvRecord>
  end(): Iterable<CsvRecord>
  /** Before it is known, each of the usual ones separates cells. */
  separateBy(delimiter: string): void
}

type Place = 'cell_start' | 'plain' | 'quoted' | 'after_quote' | 'after_quote_return'

/**
 * Where records begin and end (RFC 4180), before a parser sees them. A parser alone, after a quote in a wrong place,
 * takes the good rows behind it for part of the cell, and holds a cell without an end in memory.
 */
export function createRecordSplitter(maxRecordBytes: number): RecordSplitter {
  /** By byte: a look-up for each byte of the upload. */
  const separators = new Uint8Array(256)
  for (const delimiter of delimiters) separators[delimiter.charCodeAt(0)] = 1
  let place: Place = 'cell_start'
  let line = 1
  let recordLine = 1
  let parts: Buffer[] = []
  let length = 0
  let hasStrayQuote = false

  function keep(bytes: Buffer): void {
    length += bytes.length
    if (length <= maxRecordBytes + 1) parts.push(bytes)
    else parts = []
  }

  function take(isEnd: boolean): CsvRecord[] {
    const whole = parts.length === 1 ? parts[0] : Buffer.concat(parts)
    const bytes = whole?.at(-1) === RETURN && place !== 'quoted' ? whole.subarray(0, -1) : (whole ?? Buffer.alloc(0))
    const isTooLarge = parts.length === 0 ? length > maxRecordBytes : bytes.length > maxRecordBytes
    const fault = isTooLarge ? 'too_large' : quoteFault(isEnd && place === 'quoted', hasStrayQuote)
    const record: CsvRecord = { bytes: isTooLarge ? Buffer.alloc(0) : bytes, line: recordLine, fault }
    const isBlank = !isTooLarge && bytes.length === 0
    parts = []
    length = 0
    place = 'cell_start'
    hasStrayQuote = false
    recordLine = line
    return isBlank ? [] : [record]
  }

  function step(byte: number): void {
    if (place === 'quoted') {
      if (byte === QUOTE) place = 'after_quote'
    } else if (place === 'cell_start')
      place = byte === QUOTE ? 'quoted' : separators[byte] === 1 ? 'cell_start' : 'plain'
    else if (place === 'plain') {
      if (separators[byte] === 1) place = 'cell_start'
      else if (byte === QUOTE) hasStrayQuote = true
    } else if (place === 'after_quote' && byte === QUOTE) place = 'quoted'
    else if (separators[byte] === 1) place = stray('cell_start', place === 'after_quote_return')
    else if (place === 'after_quote' && byte === RETURN) place = 'after_quote_return'
    else place = stray('plain', true)
  }

  function stray(next: Place, isStray: boolean): Place {
    hasStrayQuote ||= isStray
    return next
  }

  return {
    *write(bytes) {
      let start = 0
      let nextQuote = bytes.indexOf(QUOTE)
      for (let index = 0; index < bytes.length; index++) {
        if (index === start && length === 0) {
          if (nextQuote >= 0 && nextQuote < start) nextQuote = bytes.indexOf(QUOTE, start)
          const end = endOfPlain(bytes, start, nextQuote)
          if (end > start) index = end
        }
        const byte = bytes[index] ?? 0
        if (byte !== NEWLINE) {
          step(byte)
          continue
        }
        line++
        if (place === 'quoted') continue
        // An upload may be a hundred million empty lines.
        if (index === start && length === 0) recordLine = line
        else {
          keep(bytes.subarray(start, index))
          yield* take(false)
        }
        start = index + 1
      }
      // A copy, so that the little that is left does not hold the whole piece.
      if (start < bytes.length) keep(Buffer.from(bytes.subarray(start)))
    },
    *end() {
      if (length > 0) yield* take(true)
    },
    separateBy(delimiter) {
      separators.fill(0)
      separators[delimiter.charCodeAt(0)] = 1
    },
  }
}

/** Where a record ends that holds no quote, which is most of them: without a look at each of its bytes. */
function endOfPlain(bytes: Buffer, start: number, nextQuote: number): number {
  const newline = bytes.indexOf(NEWLINE, start)
  return nextQuote < 0 || nextQuote > newline ? newline : -1
}

function quoteFault(isOpen: boolean, isStray: boolean): CsvRecord['fault'] {
  if (isOpen) return 'open_quote'
  return isStray ? 'stray_quote' : undefined
}
