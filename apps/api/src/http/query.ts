import type { InputProblem } from '@muster/contracts/problem'
import { parse } from 'qs'

const MAX_DEPTH = 5
const MAX_PARAMETERS = 200
const FORBIDDEN = /(^|[[.])(__proto__|constructor|prototype|hasOwnProperty)([\].]|$)/

/**
 * Brackets, repeated names and indexes as objects and arrays. Too deep, too many and names that could reach a prototype are problems:
 * left to itself, qs cuts off and drops in silence, and a create with half of its parameters makes the wrong user.
 */
export function parseQuery(text: string): { value: Record<string, unknown>; problems: InputProblem[] } {
  const problems: InputProblem[] = []
  const names = text.split('&').filter(Boolean).map((pair) => decode(pair.split('=')[0] ?? ''))
  for (const name of names) {
    if (FORBIDDEN.test(name)) problems.push({ pointer: `?${name}`, code: 'forbidden_name', detail: 'This name is not allowed.' })
  }
  if (problems.length > 0) return { value: {}, problems }
  try {
    const value = parse(text, { depth: MAX_DEPTH, strictDepth: true, parameterLimit: MAX_PARAMETERS, throwOnLimitExceeded: true, arrayLimit: 100, plainObjects: true, allowPrototypes: false, duplicates: 'combine' })
    return { value: toPlain(value) as Record<string, unknown>, problems }
  } catch (error) {
    const detail = error instanceof RangeError ? error.message : 'cannot be read'
    return { value: {}, problems: [{ pointer: '?', code: 'too_much', detail: `The query ${/depth/i.test(detail) ? `nests deeper than ${MAX_DEPTH} levels` : `has more than ${MAX_PARAMETERS} parameters, or more than 100 of one name`}.` }] }
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

/** qs makes objects without a prototype, which zod does not take for records. Names were checked before. */
function toPlain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toPlain)
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toPlain(inner)]))
  return value
}
