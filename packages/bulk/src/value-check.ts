import type { InputProblem } from '@muster/contracts/problem'

const MAX_DEPTH = 20
/** Half of what 64 KiB can hold; the largest honest user has some hundred. */
const MAX_VALUES = 10_000
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])

export const isForbiddenName = (name: string): boolean => FORBIDDEN.has(name)

/** No NUL, and no lone surrogate, which turns into U+FFFD on the way to a provider. */
export const isSoundText = (text: string): boolean => !/[\0\p{Surrogate}]/u.test(text)

/** RFC 6901 section 3. */
export const escapePointer = (segment: string): string => segment.replaceAll('~', '~0').replaceAll('/', '~1')

/** What a schema cannot see or does not survive. Iterative, since JSON.parse gives back any depth. */
export function checkValue(value: unknown): InputProblem[] {
  const problems: InputProblem[] = []
  const pending: { value: unknown; pointer: string; depth: number }[] = [{ value, pointer: '', depth: 0 }]
  let seen = 0
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { pointer, depth } = next
    if (typeof next.value === 'string' && !isSoundText(next.value)) problems.push(unsoundText(pointer))
    if (typeof next.value !== 'object' || next.value === null) continue
    if (depth >= MAX_DEPTH) return [{ pointer, code: 'too_deep', detail: `The row nests deeper than ${MAX_DEPTH} levels.` }]
    const entries = Object.entries(next.value)
    seen += entries.length
    if (seen > MAX_VALUES) return [{ pointer, code: 'too_many', detail: `The row holds more than ${MAX_VALUES} values.` }]
    for (const [key, inner] of entries) {
      const at = `${pointer}/${escapePointer(key)}`
      if (isForbiddenName(key)) problems.push({ pointer: at, code: 'forbidden_name', detail: 'This name is not allowed.' })
      else if (!isSoundText(key)) problems.push(unsoundText(at))
      else pending.push({ value: inner, pointer: at, depth: depth + 1 })
    }
  }
  return problems
}

export const unsoundText = (pointer: string): InputProblem => ({ pointer, code: 'invalid_text', detail: 'The text holds a NUL or half of a surrogate pair.' })
