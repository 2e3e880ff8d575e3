import { toItem } from './item.ts'
import { nextNumber, rowProblem, rowTooLarge } from './row.ts'
import type { Row, RowLimits, RowReader } from './row.ts'

const NEWLINE = 10

/**
 * Splits bytes itself: split2 drops a line over its cap without saying which, and so the line could not be reported.
 */
export function createNdjsonReader({ maxRows, maxRowBytes }: RowLimits): RowReader {
  let parts: Buffer[] = []
  let length = 0
  let line = 1
  let number = 0

  function keep(bytes: Buffer): void {
    length += bytes.length
    if (length <= maxRowBytes + 1) parts.push(bytes)
    else parts = []
  }

  function* takeLine(): Generator<Row> {
    const whole = parts.length === 1 ? parts[0] : Buffer.concat(parts)
    const text = whole?.toString() ?? ''
    const size = length - (text.endsWith('\r') ? 1 : 0)
    const at = line++
    parts = []
    length = 0
    if (size > maxRowBytes) {
      number = nextNumber(number, maxRows, at)
      yield { number, line: at, value: undefined, columns: undefined, problems: [rowTooLarge(maxRowBytes)] }
    } else if (text.trim() !== '') {
      number = nextNumber(number, maxRows, at)
      yield { number, line: at, columns: undefined, ...parseItem(text) }
    }
  }

  return {
    *write(bytes) {
      let start = 0
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        // An upload may be a hundred million empty lines.
        if (end === start && length === 0) line++
        else {
          keep(bytes.subarray(start, end))
          yield* takeLine()
        }
        start = end + 1
      }
      // A copy, so that the little that is left does not hold the whole piece.
      if (start < bytes.length) keep(Buffer.from(bytes.subarray(start)))
    },
    *end() {
      if (length > 0) yield* takeLine()
    },
  }
}

function parseItem(text: string): Pick<Row, 'value' | 'problems'> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    // The engine's own words quote the line, and with it perhaps a password.
    return { value: undefined, problems: [rowProblem('malformed_json', 'The line is not valid JSON.')] }
  }
  return toItem(parsed)
}
