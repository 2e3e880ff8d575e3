import type { InputProblem } from '@muster/contracts/problem'
import { parse } from 'qs'
import { isSoundText, unsoundText } from '@muster/contracts/untrusted-value'

const MAX_DEPTH = 5
const MAX_PARAMETERS = 200
const MAX_ITEMS = 100
const FORBIDDEN = /(^|[[.])(__proto__|constructor|prototype|hasOwnProperty)([[\].]|$)/

/**
 * Brackets, repeated names and indexes as objects and arrays. What is too deep or too much, could reach a prototype or
 * is not text is a problem: qs would drop or keep it silently, and half of the parameters create the wrong user.
 */
export function parseQuery(text: string): { value: Record<string, unknown>; problems: InputProblem[] } {
  const pairs = text.split('&').filter(Boolean)
  const problems =
    pairs.length > MAX_PARAMETERS ? [tooMuch(`has more than ${MAX_PARAMETERS} parameters`)] : pairs.flatMap(checkPair)
  if (problems.length > 0) return { value: {}, problems }
  try {
    const value = parse(text, {
      depth: MAX_DEPTH,
      strictDepth: true,
      parameterLimit: MAX_PARAMETERS,
      throwOnLimitExceeded: true,
      arrayLimit: MAX_ITEMS,
      plainObjects: true,
      allowPrototypes: false,
      duplicates: 'combine',
    })
    return { value: toPlain(value) as Record<string, unknown>, problems }
  } catch (error) {
    const isDepth = error instanceof RangeError && /depth/i.test(error.message)
    return {
      value: {},
      problems: [
        tooMuch(isDepth ? `nests deeper than ${MAX_DEPTH} levels` : `has more than ${MAX_ITEMS} values of one name`),
      ],
    }
  }
}

const tooMuch = (detail: string): InputProblem => ({ pointer: '?', code: 'too_much', detail: `The query ${detail}.` })

function checkPair(pair: string): InputProblem[] {
  const end = pair.indexOf('=')
  const written = end < 0 ? pair : pair.slice(0, end)
  const name = decode(written)
  const value = decode(end < 0 ? '' : pair.slice(end + 1))
  const pointer = `?${name ?? written}`
  if (name === undefined || value === undefined)
    return [{ pointer, code: 'malformed_encoding', detail: 'The percent-encoding is not that of UTF-8 text.' }]
  if (FORBIDDEN.test(name)) return [{ pointer, code: 'forbidden_name', detail: 'This name is not allowed.' }]
  return isSoundText(name + value) ? [] : [unsoundText(pointer)]
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/** qs makes objects without a prototype, which zod does not take for records. Names were checked before. */
function toPlain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toPlain)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toPlain(inner)]))
  return value
}
