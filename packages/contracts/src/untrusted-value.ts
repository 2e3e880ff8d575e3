import type { InputProblem } from './problem.ts'

const MAX_DEPTH = 20
/** Keys and items together; the largest honest request (a user with pages of remote_data) has some hundred. */
const MAX_VALUES = 10_000
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])

export const isForbiddenName = (name: string): boolean => FORBIDDEN.has(name)

/** No NUL, which many systems cut text at, and no lone surrogate, which becomes U+FFFD: either changes the user. */
export const isSoundText = (text: string): boolean => !/[\0\p{Surrogate}]/u.test(text)

/** RFC 6901 section 3. */
export const escapePointer = (segment: string): string => segment.replaceAll('~', '~0').replaceAll('/', '~1')

/**
 * Checks what no schema can: JSON.parse keeps an own `__proto__` and accepts 100,000 nested arrays, and a schema makes
 * an issue of each of 300,000 wrong items. It runs over every value of every row, so that pointers are made only for
 * problems.
 * @param what its name in messages: body, row
 */
export function checkValue(value: unknown, what: string, maxValues = MAX_VALUES): InputProblem[] {
  const problems: InputProblem[] = []
  const path: string[] = []
  const pointer = (): string => path.map((segment) => `/${escapePointer(segment)}`).join('')
  let seen = 0

  /** Recursive only as deep as is allowed. Returns a problem that ends the check. */
  function visit(inner: unknown): InputProblem | undefined {
    if (typeof inner === 'string' && !isSoundText(inner)) problems.push(unsoundText(pointer()))
    if (typeof inner !== 'object' || inner === null) return undefined
    if (path.length >= MAX_DEPTH)
      return { pointer: pointer(), code: 'too_deep', detail: `The ${what} nests deeper than ${MAX_DEPTH} levels.` }
    for (const key of Object.keys(inner)) {
      seen++
      if (seen > maxValues)
        return { pointer: pointer(), code: 'too_many', detail: `The ${what} holds more than ${maxValues} values.` }
      path.push(key)
      if (isForbiddenName(key))
        problems.push({ pointer: pointer(), code: 'forbidden_name', detail: 'This name is not allowed.' })
      else if (!isSoundText(key)) problems.push(unsoundText(pointer()))
      else {
        const end = visit((inner as Record<string, unknown>)[key])
        if (end !== undefined) return end
      }
      path.pop()
    }
    return undefined
  }

  const end = visit(value)
  return end === undefined ? problems : [end]
}

export const unsoundText = (pointer: string): InputProblem => ({
  pointer,
  code: 'invalid_text',
  detail: 'The text holds a NUL or half of a surrogate pair.',
})
