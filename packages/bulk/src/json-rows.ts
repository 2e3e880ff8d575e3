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
/** Outside the array of items. */
type FrameExpected = Exclude<Expected, 'first_item' | 'item' | 'comma_or_end' | 'comma_or_close'>
const NOTHING_MAY_FOLLOW = 'Nothing may follow the document.'
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
export function createJsonReader(limits: RowLimits): RowReader {
  return new JsonReader(limits)
}

class JsonReader implements RowReader {
  readonly #document: JsonDocument
  readonly #tokenizer = new Tokenizer({ stringBufferSize: TOKEN_BUFFER_BYTES })
  /** What was written to the tokenizer before the present piece, in its own count. */
  #writtenBytes = 0
  #lastTokenAt = 0
  #failure: UploadError | undefined

  constructor(limits: RowLimits) {
    this.#document = new JsonDocument(limits)
    this.#tokenizer.onToken = (token) => this.#takeToken(token)
    this.#tokenizer.onError = (error) => {
      this.#failure ??= this.#toUploadError(error)
    }
  }

  *write(bytes: Uint8Array): Generator<Row> {
    // The parts of an item outlive this call, and what they are parts of is not ours.
    const own = Buffer.from(bytes)
    for (let start = 0; start < own.length;) {
      const newline = own.indexOf(NEWLINE, start)
      const end = newline < 0 ? own.length : newline + 1
      this.#writeLine(own.subarray(start, end))
      yield* this.#document.takeRows()
      if (this.#failure !== undefined) throw this.#failure
      if (newline >= 0) this.#document.line++
      start = end
    }
  }

  end(): Row[] {
    if (!this.#document.isComplete)
      throw new UploadError('ended_early', 'The document ends before it is complete.', this.#document.line)
    return []
  }

  /** Line by line, so that an error is on the line that is being read. */
  #writeLine(bytes: Buffer): void {
    if (this.#tokenizer.isEnded) {
      if (bytes.toString().trim() !== '') this.#failure ??= this.#document.malformed(NOTHING_MAY_FOLLOW)
      return
    }
    this.#document.item.open(bytes, this.#writtenBytes)
    this.#tokenizer.write(bytes)
    this.#document.item.keepRest()
    this.#writtenBytes += bytes.length
    if (this.#writtenBytes - this.#lastTokenAt > MAX_TOKEN_BYTES)
      this.#failure ??= new UploadError(
        'value_too_large',
        `The document holds a single value, or blank space, of more than ${MAX_TOKEN_BYTES} bytes.`,
        this.#document.line,
      )
  }

  #takeToken(token: Token): void {
    if (this.#failure !== undefined) return
    this.#lastTokenAt = token.offset
    try {
      this.#document.take(token)
    } catch (error) {
      if (!(error instanceof UploadError)) throw error
      this.#failure = error
    }
  }

  #toUploadError(error: unknown): UploadError {
    if (!(error instanceof TokenizerError)) throw error
    return this.#document.malformed(
      this.#document.isComplete ? NOTHING_MAY_FOLLOW : 'The document is not valid JSON here.',
    )
  }
}

/** The bytes of the item that is being read, up to the limit. */
class ItemBytes {
  readonly #maxBytes: number
  #parts: Buffer[] | undefined
  #length = 0
  #piece: Buffer = Buffer.alloc(0)
  #pieceAt = 0
  /** Where in the present piece the item begins. */
  #from = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get isOpen(): boolean {
    return this.#parts !== undefined
  }

  /** The next piece of the document, and where in it that is. */
  open(piece: Buffer, pieceAt: number): void {
    this.#piece = piece
    this.#pieceAt = pieceAt
    this.#from = 0
  }

  begin(offset: number): void {
    this.#parts = []
    this.#length = 0
    this.#from = offset - this.#pieceAt
  }

  /** The whole item as text; undefined where it is too large. */
  finish(offset: number): string | undefined {
    this.#keep(this.#piece.subarray(this.#from, offset - this.#pieceAt + 1))
    const parts = this.#parts ?? []
    this.#parts = undefined
    return this.#length > this.#maxBytes ? undefined : Buffer.concat(parts).toString()
  }

  keepRest(): void {
    this.#keep(this.#piece.subarray(this.#from))
  }

  #keep(bytes: Buffer): void {
    if (this.#parts === undefined) return
    this.#length += bytes.length
    if (this.#length <= this.#maxBytes) this.#parts.push(bytes)
    else this.#parts = []
  }
}

/** Takes the tokens of a document in their order, and makes a row of each item. */
class JsonDocument {
  readonly #limits: RowLimits
  readonly item: ItemBytes
  line = 1
  #expected: Expected = 'object'
  #depth = 0
  #number = 0
  #rows: Row[] = []

  constructor(limits: RowLimits) {
    this.#limits = limits
    this.item = new ItemBytes(limits.maxRowBytes)
  }

  get isComplete(): boolean {
    return this.#expected === 'nothing'
  }

  takeRows(): Row[] {
    if (this.#rows.length === 0) return this.#rows
    const ready = this.#rows
    this.#rows = []
    return ready
  }

  malformed(detail: string): UploadError {
    return new UploadError('malformed_json', detail, this.line)
  }

  take(token: Token): void {
    if (this.item.isOpen) this.#takeItemToken(token)
    else if (this.#expected === 'first_item' && token.token === TokenType.RIGHT_BRACKET)
      this.#expected = 'comma_or_close'
    else if (this.#expected === 'first_item' || this.#expected === 'item') this.#startItem(token)
    else if (this.#expected === 'comma_or_end' || this.#expected === 'comma_or_close') this.#continue(token.token)
    else this.#expected = this.#takeFrame(this.#expected, token)
  }

  #takeItemToken({ token, offset }: Token): void {
    if (opens.has(token)) this.#depth++
    else if (closes.has(token)) this.#depth--
    if (this.#depth > 0) return
    const text = this.item.finish(offset)
    const row = this.#nextRow()
    if (text === undefined)
      this.#rows.push({ ...row, value: undefined, problems: [rowTooLarge(this.#limits.maxRowBytes)] })
    else this.#rows.push({ ...row, ...toItem(this.#parse(text)) })
  }

  #nextRow(): Pick<Row, 'number' | 'line' | 'columns'> {
    this.#number = nextNumber(this.#number, this.#limits.maxRows, this.line)
    return { number: this.#number, line: null, columns: undefined }
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text) as unknown
    } catch {
      throw this.malformed(`Item ${this.#number} is not valid JSON.`)
    }
  }

  #startItem({ token, offset }: Token): void {
    if (closes.has(token) || separators.has(token)) throw this.malformed('An item is missing before this place.')
    this.#expected = 'comma_or_end'
    if (opens.has(token)) {
      this.#depth = 1
      this.item.begin(offset)
      return
    }
    const problems = [rowProblem('not_an_object', 'An item must be an object.')]
    this.#rows.push({ ...this.#nextRow(), value: undefined, problems })
  }

  /** After an item, or after the array. */
  #continue(kind: TokenType): void {
    const isInArray = this.#expected === 'comma_or_end'
    if (kind === TokenType.COMMA) this.#expected = isInArray ? 'item' : 'name'
    else if (isInArray && kind === TokenType.RIGHT_BRACKET) this.#expected = 'comma_or_close'
    else if (!isInArray && kind === TokenType.RIGHT_BRACE) this.#expected = 'nothing'
    else
      throw this.malformed(
        isInArray ? 'A comma or the end of the array is expected here.' : 'The end of the document is expected here.',
      )
  }

  /** What stands around the items; answers what is expected next. */
  #takeFrame(expected: FrameExpected, { token: kind, value }: Token): Expected {
    switch (expected) {
      case 'object':
        if (kind === TokenType.LEFT_BRACE) return 'first_name'
        throw new UploadError('items_missing', 'The document must be an object with an array "items".', this.line)
      case 'first_name':
        if (kind === TokenType.STRING && value === 'items') return 'colon'
        if (kind !== TokenType.RIGHT_BRACE) throw this.#notItems(kind, value)
        throw new UploadError('items_missing', 'The document has no "items".', this.line)
      case 'colon':
        if (kind === TokenType.COLON) return 'array'
        throw this.malformed('A colon is expected here.')
      case 'array':
        if (kind === TokenType.LEFT_BRACKET) return 'first_item'
        throw new UploadError('items_not_array', 'The member "items" must be an array.', this.line)
      case 'name':
        throw this.#notItems(kind, value)
      case 'nothing':
        throw this.malformed(NOTHING_MAY_FOLLOW)
    }
  }

  #notItems(kind: TokenType, name: unknown): UploadError {
    if (kind !== TokenType.STRING) return this.malformed('A name in quotes is expected here.')
    const shown = String(name).slice(0, 100)
    const detail =
      name === 'items'
        ? 'The document has "items" twice.'
        : `Only "items" may stand in the document, not ${JSON.stringify(shown)}.`
    return new UploadError('unknown_member', detail, this.line)
  }
}
