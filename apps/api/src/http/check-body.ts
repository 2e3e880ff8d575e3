import type { InputProblem } from '@muster/contracts/problem'
import { isSoundText, UNSOUND_TEXT } from './sound-text.ts'

const MAX_DEPTH = 20
/** Keys and items together; the largest honest request (a user with pages of remote_data) has some hundred. */
const MAX_VALUES = 10_000
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])

/**
 * What must be known before a schema sees the body: JSON.parse keeps an own `__proto__`, takes 100,000 nested arrays that nothing
 * after it survives, and a schema makes one issue of each of 300,000 wrong items. Iterative, so that it survives them itself.
 */
export function checkBody(body: unknown): InputProblem[] {
  const problems: InputProblem[] = []
  const pending: { value: unknown; pointer: string; depth: number }[] = [{ value: body, pointer: '', depth: 0 }]
  let seen = 0
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, pointer, depth } = next
    if (typeof value === 'string' && !isSoundText(value)) problems.push({ pointer, ...UNSOUND_TEXT })
    if (typeof value !== 'object' || value === null) continue
    if (depth >= MAX_DEPTH) return [{ pointer, code: 'too_deep', detail: `The body nests deeper than ${MAX_DEPTH} levels.` }]
    const entries = Object.entries(value)
    seen += entries.length
    if (seen > MAX_VALUES) return [{ pointer, code: 'too_many', detail: `The body holds more than ${MAX_VALUES} values.` }]
    for (const [key, inner] of entries) {
      const at = `${pointer}/${escapePointer(key)}`
      if (FORBIDDEN.has(key)) problems.push({ pointer: at, code: 'forbidden_name', detail: 'This name is not allowed.' })
      else if (!isSoundText(key)) problems.push({ pointer: at, ...UNSOUND_TEXT })
      else pending.push({ value: inner, pointer: at, depth: depth + 1 })
    }
  }
  return problems
}

/** RFC 6901 section 3. */
export function escapePointer(segment: string): string {
  return segment.replaceAll('~', '~0').replaceAll('/', '~1')
}
