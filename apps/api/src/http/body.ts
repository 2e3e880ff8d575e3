import type { InputProblem } from '@muster/contracts/problem'

const MAX_DEPTH = 20
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])

/** JSON.parse keeps an own `__proto__`, and takes 100,000 nested arrays that nothing after it survives. Iterative, so that it survives them itself. */
export function checkBody(body: unknown): InputProblem[] {
  const problems: InputProblem[] = []
  const pending: { value: unknown; pointer: string; depth: number }[] = [{ value: body, pointer: '', depth: 0 }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, pointer, depth } = next
    if (typeof value !== 'object' || value === null) continue
    if (depth >= MAX_DEPTH) return [{ pointer: pointer.slice(0, 200), code: 'too_deep', detail: `The body nests deeper than ${MAX_DEPTH} levels.` }]
    for (const [key, inner] of Object.entries(value)) {
      const at = `${pointer}/${escapePointer(key)}`
      if (FORBIDDEN.has(key)) problems.push({ pointer: at, code: 'forbidden_name', detail: 'This name is not allowed.' })
      else pending.push({ value: inner, pointer: at, depth: depth + 1 })
    }
  }
  return problems
}

/** RFC 6901 section 3. */
export function escapePointer(segment: string): string {
  return segment.replaceAll('~', '~0').replaceAll('/', '~1')
}
