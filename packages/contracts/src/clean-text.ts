import type { Warning } from './operation.ts'
import type { InputProblem } from './problem.ts'
import { escapePointer } from './untrusted-value.ts'

export interface TextOptions {
  /** Spaces at both ends stay. */
  keepsSpaces?: boolean
  /** Where the object stands in what was sent. */
  pointer?: string
}

export interface CleanTexts<T> {
  value: T
  problems: InputProblem[]
  /** What was changed; the first fifty. */
  warnings: Warning[]
}

/** Fields of a user that are passed on as they are: a space may be meant. */
const untouched: ReadonlySet<string> = new Set(['password', 'remote_data', 'remote_query'])
const multiline: ReadonlySet<string> = new Set(['description'])

/** Each is kept with the operation. */
const MOST_WARNINGS = 50

/** What is to be looked at: invisible, or to be composed. */
const SPACE = 32
const ODD = /[^ -~¡-¬®-˿]/
const BLANK = /^[\s\p{Default_Ignorable_Code_Point}\u2800]*$/u
/** Signs that Unicode calls format characters, though they are seen. */
const VISIBLE_FORMAT = '\\u0600-\\u0605\\u06DD\\u070F\\u0890\\u0891\\u08E2\\u{110BD}\\u{110CD}'
const SUSPECT = new RegExp(
  `(?![${VISIBLE_FORMAT}])[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}\\p{Default_Ignorable_Code_Point}]`,
  'gu',
)
const LINE_BREAKS = /^[\t\n\r\u2028\u2029]$/

const joining = ['Arab', 'Syrc', 'Mong', 'Nkoo', 'Deva', 'Beng', 'Guru', 'Gujr', 'Orya', 'Taml', 'Telu', 'Knda']
  .concat(['Mlym', 'Sinh', 'Khmr', 'Mymr', 'Tibt'])
  .map((script) => `\\p{Script=${script}}`)
  .join('')
const JOINING_END = new RegExp(`[${joining}]$`, 'u')
const JOINING_START = new RegExp(`^[${joining}]`, 'u')
const PICTURE_END = /[\p{Extended_Pictographic}\p{Emoji_Modifier}]\uFE0F?$/u
const PICTURE_START = /^\p{Extended_Pictographic}/u
const VARIABLE_END = /[\p{Script=Han}\p{Script=Mong}\p{Emoji}]$/u

const names: Readonly<Record<string, string>> = {
  0: 'NUL',
  9: 'tab',
  a: 'line feed',
  d: 'carriage return',
  '7f': 'delete',
  ad: 'soft hyphen',
  '34f': 'combining grapheme joiner',
  '61c': 'Arabic letter mark',
  '200b': 'zero width space',
  '200c': 'zero width non-joiner',
  '200d': 'zero width joiner',
  '200e': 'left-to-right mark',
  '200f': 'right-to-left mark',
  2028: 'line separator',
  2029: 'paragraph separator',
  '202a': 'left-to-right embedding',
  '202b': 'right-to-left embedding',
  '202c': 'pop directional formatting',
  '202d': 'left-to-right override',
  '202e': 'right-to-left override',
  2060: 'word joiner',
  2066: 'left-to-right isolate',
  2067: 'right-to-left isolate',
  2068: 'first strong isolate',
  2069: 'pop directional isolate',
  3164: 'Hangul filler',
  feff: 'byte order mark',
}

/** More than any letter has, and more than the stream-safe format of Unicode allows (UAX 15). */
const MANY_MARKS = /\p{M}{31}/u

/** NFC. A heap of marks is left as it is: sorting it takes the square of its length, minutes for a megabyte. */
export const compose = (text: string): string => (MANY_MARKS.test(text) ? text : text.normalize('NFC'))

/** `U+200B (zero width space)`. */
export function nameCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0
  const hex = code.toString(16)
  const kind = /\p{Cs}/u.test(character)
    ? 'half of a surrogate pair'
    : /\p{Cc}/u.test(character)
      ? 'control character'
      : 'invisible character'
  return `U+${hex.toUpperCase().padStart(4, '0')} (${names[hex] ?? kind})`
}

/** The first character that must not be in a text, and where. */
export function findForbidden(text: string, isMultiline = false): { character: string; index: number } | undefined {
  for (const { 0: character, index } of text.matchAll(SUSPECT))
    if (!(isMultiline && LINE_BREAKS.test(character)) && !isNeeded(text, character, index)) return { character, index }
  return undefined
}

/** Joiners and variation selectors, between letters that look otherwise without them. */
function isNeeded(text: string, character: string, index: number): boolean {
  // No more than is looked at: a text may be nothing but joiners.
  const before = text.slice(Math.max(0, index - 6), index)
  const after = text.slice(index + character.length, index + character.length + 2)
  if (character === '\u200C' || character === '\u200D') {
    if (JOINING_END.test(before) && JOINING_START.test(after)) return true
    return character === '\u200D' && PICTURE_END.test(before) && PICTURE_START.test(after)
  }
  return /^\p{Variation_Selector}$/u.test(character) && VARIABLE_END.test(before)
}

/**
 * Every text of a create, as it is validated, sent and looked up: without spaces at its ends, composed (NFC), and
 * absent where it is blank. What cannot be seen is refused by name. Takes the body of a create, or an item with its
 * `user`. Depth is checked before.
 */
export function cleanTexts<T extends Record<string, unknown>>(
  object: T,
  { keepsSpaces = false, pointer: start = '' }: TextOptions = {},
): CleanTexts<T> {
  const problems: InputProblem[] = []
  const warnings: Warning[] = []
  const path: string[] = []
  const pointer = (): string => start + path.map((segment) => `/${escapePointer(segment)}`).join('')
  const warn = (code: string, detail: string): void => {
    if (warnings.length < MOST_WARNINGS) warnings.push({ pointer: pointer(), code, detail })
  }

  function cleanText(text: string): string | undefined {
    if (isPlain(text)) return text
    if (BLANK.test(text)) {
      if (text !== '') warn('text_blank', 'The text is blank, and taken as absent.')
      return undefined
    }
    const trimmed = keepsSpaces ? text : text.trim()
    const forbidden = findForbidden(trimmed, multiline.has(fieldOf(path)))
    if (forbidden !== undefined) {
      const before = text.slice(0, text.indexOf(trimmed) + forbidden.index)
      problems.push(forbiddenCharacter(pointer(), forbidden.character, [...before].length + 1))
      return text
    }
    const composed = compose(trimmed)
    if (trimmed !== text) warn('text_trimmed', 'Spaces at the ends of the text were left out.')
    if (composed !== trimmed) warn('text_composed', 'Letters and their accents were made one character each (NFC).')
    return composed
  }

  /** The value itself where nothing has changed; undefined where nothing is left. */
  function clean(value: unknown): unknown {
    if (typeof value === 'string') return cleanText(value)
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value)
    const cleaned = entries.map(([name, inner]): [string, unknown] => [name, cleanMember(name, inner)])
    if (cleaned.every(([, inner], index) => inner === entries[index]?.[1])) return value
    const left = cleaned.filter(([, inner]) => inner !== undefined)
    if (left.length === 0) return fieldOf(path) === '' ? {} : undefined
    return Array.isArray(value) ? left.map(([, inner]) => inner) : Object.fromEntries(left)
  }

  function cleanMember(name: string, inner: unknown): unknown {
    path.push(name)
    const cleaned = untouched.has(fieldOf(path)) ? inner : clean(inner)
    path.pop()
    return cleaned
  }

  return { value: (isClean(object) ? object : clean(object)) as T, problems, warnings }
}

const isPlain = (text: string): boolean =>
  text !== '' && text.charCodeAt(0) !== SPACE && text.charCodeAt(text.length - 1) !== SPACE && !ODD.test(text)

/** Most are, and a hundred thousand are looked at. */
function isClean(value: unknown): boolean {
  if (typeof value === 'string') return isPlain(value)
  if (typeof value !== 'object' || value === null) return true
  for (const name in value) if (!untouched.has(name) && !isClean((value as Record<string, unknown>)[name])) return false
  return true
}

/** Whatever is nested in it; empty for the body, the item and its user themselves. */
const fieldOf = (path: string[]): string => (path[0] === 'user' ? path[1] : path[0]) ?? ''

const forbiddenCharacter = (pointer: string, character: string, position: number): InputProblem => ({
  pointer,
  code: 'invalid_text',
  detail: `The text holds ${nameCharacter(character)} as its character ${position}.`,
})
