import { TokenType, Tokenizer, TokenizerError } from '@streamparser/json'
import { toItem } from './item.ts'
import { nextNumber, rowProblem, rowTooLarge } from './row.ts'
import type { Row, RowLimits, RowReader } from './row.ts'
import { UploadError } from './upload-error.ts'

const NEWLINE = 10
/** The tokenizer holds one string or number at a time in memory, so a single one must have an end. */
const MAX_TOKEN_BYTES = 1024 * 1024

/** Measured: a tenth faster than joining each string of its letters, and long strings take their own size only. */
const TOKEN_BUFFER_BYTES = 4096

type Expected =
  | 'object'
  | 'first_name'
  | 'colon'
  | 'array'
  | 'first_item'
  | 'item'
  | 'comma_or_end'
  | 'comma_or_close'
  | 'name'
  | 'nothing'
interface Token {
  token: TokenType
  value: unknown
  offset: number
}

const opens = new Set<TokenType>([TokenType.LEFT_BRACE, TokenType.LEFT_BRACKET])
const closes = new Set<TokenType>([TokenType.RIGHT_BRACE, TokenType.RIGHT_BRACKET])
const separators = new Set<TokenType>([TokenType.COLON, TokenType.COMMA])

/**
 * `{"items":[…]}`. Tokens tell where an item begins and ends, JSON.parse reads its bytes: so a large one is passed over
 * without being built.
 */
export function createJsonReader({ maxRows, maxRowBytes }: RowLimits): RowReader {
  let expected: Expected = 'object'
  let depth = 0
  let number = 0
  let line = 1
  /** What was written to the tokenizer before the present piece, in its own count. */
  let writtenBytes = 0
  let lastTokenAt = 0
  let item: { parts: Buffer[]; length: number } | undefined
  let piece: Buffer = Buffer.alloc(0)
  /** Where in the present piece the open item begins. */
  let itemFrom = 0
  let rows: Row[] = []
  let failure: UploadError | undefined

  const malformed = (detail: string): UploadError => new UploadError('malformed_json', detail, line)

  function keep(bytes: Buffer): void {
    if (item === undefined) return
    item.length += bytes.length
    if (item.length <= maxRowBytes) item.parts.push(bytes)
    else item.parts = []
  }

  function closeItem(): void {
    if (item === undefined) return
    const { parts, length } = item
    item = undefined
    number = nextNumber(number, maxRows, line)
    const row = { number, line: null, columns: undefined }
    if (length > maxRowBytes) rows.push({ ...row, value: undefined, problems: [rowTooLarge(maxRowBytes)] })
    else rows.push({ ...row, ...toItem(parse(Buffer.concat(parts).toString())) })
  }

  function parse(text: string): unknown {
    try {
      return JSON.parse(text) as unknown
    } catch {
      throw malformed(`Item ${number} is not valid JSON.`)
    }
  }

  function takeItemToken({ token, offset }: Token): void {
    if (opens.has(token)) depth++
    else if (closes.has(token)) depth--
    if (depth > 0) return
    keep(piece.subarray(itemFrom, offset - writtenBytes + 1))
    closeItem()
  }

  function startItem({ token, offset }: Token): void {
    if (closes.has(token) || separators.has(token)) throw malformed('An item is missing before this place.')
    expected = 'comma_or_end'
    if (opens.has(token)) {
      depth = 1
      item = { parts: [], length: 0 }
      itemFrom = offset - writtenBytes
      return
    }
    number = nextNumber(number, maxRows, line)
    rows.push({
      number,
      line: null,
      columns: undefined,
      value: undefined,
      problems: [rowProblem('not_an_object', 'An item must be an object.')],
    })
  }

  function takeToken(token: Token): void {
    lastTokenAt = token.offset
    if (item !== undefined) return takeItemToken(token)
    const kind = token.token
    switch (expected) {
      case 'object':
        if (kind !== TokenType.LEFT_BRACE)
          throw new UploadError('items_missing', 'The document must be an object with an array "items".', line)
        expected = 'first_name'
        return
      case 'first_name':
        if (kind === TokenType.RIGHT_BRACE) throw new UploadError('items_missing', 'The document has no "items".', line)
        if (kind !== TokenType.STRING) throw malformed('A name in quotes is expected here.')
        if (token.value !== 'items') throw unknownMember(token.value)
        expected = 'colon'
        return
      case 'colon':
        if (kind !== TokenType.COLON) throw malformed('A colon is expected here.')
        expected = 'array'
        return
      case 'array':
        if (kind !== TokenType.LEFT_BRACKET)
          throw new UploadError('items_not_array', 'The member "items" must be an array.', line)
        expected = 'first_item'
        return
      case 'first_item':
        if (kind === TokenType.RIGHT_BRACKET) expected = 'comma_or_close'
        else startItem(token)
        return
      case 'item':
        return startItem(token)
      case 'comma_or_end':
        if (kind === TokenType.COMMA) expected = 'item'
        else if (kind === TokenType.RIGHT_BRACKET) expected = 'comma_or_close'
        else throw malformed('A comma or the end of the array is expected here.')
        return
      case 'comma_or_close':
        if (kind === TokenType.RIGHT_BRACE) expected = 'nothing'
        else if (kind === TokenType.COMMA) expected = 'name'
        else throw malformed('The end of the document is expected here.')
        return
      case 'name':
        throw kind === TokenType.STRING ? unknownMember(token.value) : malformed('A name in quotes is expected here.')
      case 'nothing':
        throw malformed('Nothing may follow the document.')
    }
  }

  function unknownMember(name: unknown): UploadError {
    const shown = String(name).slice(0, 100)
    return new UploadError(
      'unknown_member',
      name === 'items'
        ? 'The document has "items" twice.'
        : `Only "items" may stand in the document, not ${JSON.stringify(shown)}.`,
      line,
    )
  }

  const tokenizer = new Tokenizer({ stringBufferSize: TOKEN_BUFFER_BYTES })
  tokenizer.onToken = (token) => {
    if (failure !== undefined) return
    try {
      takeToken(token)
    } catch (error) {
      if (!(error instanceof UploadError)) throw error
      failure = error
    }
  }
  tokenizer.onError = (error) => {
    failure ??= toUploadError(error)
  }

  function toUploadError(error: unknown): UploadError {
    if (!(error instanceof TokenizerError)) throw error
    return expected === 'nothing'
      ? malformed('Nothing may follow the document.')
      : malformed('The document is not valid JSON here.')
  }

  /** Line by line, so that an error is on the line that is being read. */
  function writeLine(bytes: Buffer): void {
    piece = bytes
    itemFrom = 0
    if (tokenizer.isEnded) {
      if (bytes.toString().trim() !== '') failure ??= malformed('Nothing may follow the document.')
      return
    }
    tokenizer.write(bytes)
    keep(bytes.subarray(itemFrom))
    writtenBytes += bytes.length
    if (writtenBytes - lastTokenAt > MAX_TOKEN_BYTES)
      failure ??= new UploadError(
        'value_too_large',
        `The document holds a single value, or blank space, of more than ${MAX_TOKEN_BYTES} bytes.`,
        line,
      )
  }

  function* flush(): Generator<Row> {
    const ready = rows
    rows = []
    yield* ready
    if (failure !== undefined) throw failure
  }

  return {
    *write(bytes) {
      // The parts of an item outlive this call, and what they are parts of is not ours.
      const own = Buffer.from(bytes)
      for (let start = 0; start < own.length;) {
        const newline = own.indexOf(NEWLINE, start)
        const end = newline < 0 ? own.length : newline + 1
        writeLine(own.subarray(start, end))
        if (rows.length > 0 || failure !== undefined) yield* flush()
        if (newline >= 0) line++
        start = end
      }
    },
    end() {
      if (expected !== 'nothing') throw new UploadError('ended_early', 'The document ends before it is complete.', line)
      return []
    },
  }
}
