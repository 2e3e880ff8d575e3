export const MASK = '[secret]'

/** `[start, end)` in a text. */
type Range = readonly [start: number, end: number]

interface Base64Needle {
  text: string
  /** Characters around it that hold a few bits of the secret, and a few of its neighbours. */
  before: number
  after: number
}

/** How many levels of escapes are undone: JSON within JSON, an encoded URL within a query. */
const LEVELS = 3

/** Runs of percent escapes, those of JSON, and those of HTML. */
const ESCAPES =
  /(?:%[0-9a-fA-F]{2})+|\\(?:u[0-9a-fA-F]{4}|["'\\/bfnrt])|&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos);/g
/** Where a vendor's longer message was cut. */
export const CUT = '…'
/** The part of an escape that a cut may leave. */
const HALF_ESCAPE = /(?:%[0-9a-fA-F]?|\\(?:u[0-9a-fA-F]{0,3})?|&#?\w{0,7})$/
const BASE64 = /[\w+/=-]/
/** Shorter texts are no secrets, and would mask half of an answer. */
const MIN_LENGTH = 4
const LETTERS: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }
const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/**
 * Finds the secrets of a call in a text: plain, in base64 or base64url at any offset (`user:password` is one text), in
 * hexadecimal, and under any mixture of percent, JSON and HTML escapes, which are undone before the search.
 */
export class KnownSecrets {
  readonly #known = new Set<string>()
  readonly #exact: string[] = []
  readonly #base64: Base64Needle[] = []
  #hasSpace = false

  constructor(secrets: Iterable<string>) {
    this.add(secrets)
  }

  add(secrets: Iterable<string>): void {
    for (const secret of secrets) {
      if (secret.length < MIN_LENGTH || this.#known.has(secret)) continue
      this.#known.add(secret)
      this.#hasSpace ||= secret.includes(' ')
      // Half a surrogate pair cannot be encoded, and arrives as the replacement character.
      const bytes = Buffer.from(secret)
      const hex = bytes.toString('hex')
      this.#exact.push(...new Set([secret, bytes.toString(), hex, hex.toUpperCase()]))
      this.#base64.push(...[0, 1, 2].map((offset) => base64Needle(bytes, offset)))
    }
  }

  /** The text with a mask in place of every secret. */
  blot(text: string): string {
    let end = 0
    let kept = ''
    for (const [from, to] of this.#find(text, LEVELS).sort((a, b) => a[0] - b[0])) {
      if (from >= end) kept += text.slice(end, from) + MASK
      end = Math.max(end, to)
    }
    return end === 0 ? text : kept + text.slice(end)
  }

  /** Whether the text holds any; one level more than `blot`, for a text that was written as JSON. */
  isIn(text: string): boolean {
    return this.#find(text, LEVELS + 1).length > 0
  }

  #find(text: string, levels: number): Range[] {
    if (this.#known.size === 0) return []
    const found = this.#findHere(text)
    // Forms write a space as a plus.
    if (this.#hasSpace && text.includes('+'))
      for (const range of this.#find(text.replaceAll('+', ' '), levels)) found.push(range)
    const escapes = levels === 0 ? [] : [...text.matchAll(ESCAPES)]
    if (escapes.length === 0) return found
    const decoded = decode(text, escapes)
    for (const range of this.#find(decoded.text, levels - 1)) found.push(decoded.toSource(range))
    return found
  }

  #findHere(text: string): Range[] {
    const found: Range[] = []
    for (const needle of this.#exact) for (const at of occurrences(text, needle)) found.push([at, at + needle.length])
    const standard = text.replaceAll('-', '+').replaceAll('_', '/')
    for (const { text: needle, before, after } of this.#base64)
      for (const at of occurrences(standard, needle)) {
        const end = at + needle.length
        found.push([Math.max(0, at - before), BASE64.test(text.charAt(end)) ? end + after : end])
      }
    if (text.includes(CUT)) this.#findCuts(text, standard, found)
    return found
  }

  /** A cut may leave the beginning of a secret, or a part of an escape. */
  #findCuts(text: string, standard: string, found: Range[]): void {
    const cutAt = new Map<number, number>()
    for (const at of occurrences(text, CUT)) {
      const halfEscape = HALF_ESCAPE.exec(text.slice(Math.max(0, at - 10), at))?.[0].length ?? 0
      cutAt.set(at, at).set(at - halfEscape, at)
    }
    const find = (within: string, needle: string, before: number): void => {
      for (const [end, length] of beginningsAt(within, needle, cutAt))
        if (length >= MIN_LENGTH) found.push([Math.max(0, end - length - before), cutAt.get(end) ?? end])
    }
    for (const needle of this.#exact) find(text, needle, 0)
    for (const { text: needle, before } of this.#base64) find(standard, needle, before)
  }
}

/**
 * The length of the proper prefix of the needle that ends at each of these positions, by Knuth, Morris and Pratt: one
 * pass over a hostile text, however often it is cut.
 */
function* beginningsAt(text: string, whole: string, ends: ReadonlyMap<number, number>): Generator<[number, number]> {
  // No longer prefix fits into the text, and there may be many texts.
  const needle = whole.slice(0, text.length + 1)
  const borders = bordersOf(needle)
  let length = 0
  for (let at = 0; at < text.length; at += 1) {
    if (length > 0 && ends.has(at)) yield [at, length]
    while (length > 0 && text.charCodeAt(at) !== needle.charCodeAt(length)) length = borders[length - 1] ?? 0
    if (text.charCodeAt(at) === needle.charCodeAt(length)) length += 1
    if (length === needle.length) length = borders[length - 1] ?? 0
  }
}

/** For each prefix of the needle, the length of its longest border. */
function bordersOf(needle: string): Uint32Array {
  const borders = new Uint32Array(needle.length)
  let length = 0
  for (let at = 1; at < needle.length; at += 1) {
    while (length > 0 && needle.charCodeAt(at) !== needle.charCodeAt(length)) length = borders[length - 1] ?? 0
    if (needle.charCodeAt(at) === needle.charCodeAt(length)) length += 1
    borders[at] = length
  }
  return borders
}

function* occurrences(text: string, needle: string): Generator<number> {
  for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + 1)) yield at
}

/** The base64 of a secret that starts `offset` bytes into a group of three, without what its neighbours change. */
function base64Needle(secret: Buffer, offset: number): Base64Needle {
  const text = Buffer.concat([Buffer.alloc(offset), secret]).toString('base64')
  const before = offset === 0 ? 0 : 1
  const after = (offset + secret.length) % 3 === 0 ? 0 : 1
  const end = Math.floor(((offset + secret.length) * 8) / 6)
  return { text: text.slice(offset + before, end), before, after }
}

/** The text without its escapes, and a map of its ranges back to the source. */
function decode(text: string, escapes: readonly RegExpExecArray[]): { text: string; toSource(range: Range): Range } {
  const pieces: { from: number; to: number; start: number; end: number }[] = []
  let decoded = ''
  let end = 0
  for (const { 0: escape, index } of escapes) {
    decoded += text.slice(end, index)
    const from = decoded.length
    decoded += decodeEscape(escape)
    end = index + escape.length
    pieces.push({ from, to: decoded.length, start: index, end })
  }
  decoded += text.slice(end)
  const pieceAt = (at: number) => {
    let [low, high] = [0, pieces.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((pieces[middle]?.from ?? 0) <= at) low = middle + 1
      else high = middle
    }
    return pieces[low - 1]
  }
  return {
    text: decoded,
    toSource([from, to]) {
      const first = pieceAt(from)
      const last = pieceAt(to - 1)
      return [
        first === undefined ? from : from < first.to ? first.start : first.end + from - first.to,
        last === undefined ? to : to <= last.to ? last.end : last.end + to - last.to,
      ]
    },
  }
}

function decodeEscape(escape: string): string {
  if (escape.startsWith('%')) return Buffer.from(escape.replaceAll('%', ''), 'hex').toString()
  if (escape.startsWith('\\u')) return String.fromCharCode(Number.parseInt(escape.slice(2), 16))
  if (escape.startsWith('\\')) return LETTERS[escape.slice(1)] ?? escape.slice(1)
  const name = escape.slice(1, -1)
  if (!name.startsWith('#')) return ENTITIES[name] ?? escape
  const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1))
  return code <= 0x10_ff_ff ? String.fromCodePoint(code) : escape
}
