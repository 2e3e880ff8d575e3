import type { InputProblem } from '@muster/contracts/problem'
import type { z } from 'zod'
import { escapePointer } from './body.ts'

type Place = 'body' | 'query' | 'path'

function pointerOf(place: Place, path: readonly PropertyKey[]): string {
  if (place === 'body') return path.map((segment) => `/${escapePointer(String(segment))}`).join('')
  const [first = '', ...rest] = path.map(String)
  return `${place === 'query' ? '?' : '{'}${first}${rest.map((segment) => `[${segment}]`).join('')}${place === 'query' ? '' : '}'}`
}

/** Every issue as a problem with its own pointer. zod's words are kept where they say what would be right; input is never quoted. */
export function toProblems(issues: readonly z.core.$ZodIssue[], place: Place): InputProblem[] {
  return issues.flatMap((issue): InputProblem[] => {
    if (issue.code === 'unrecognized_keys') {
      const what = place === 'body' ? 'field' : 'parameter'
      return issue.keys.map((key) => ({ pointer: pointerOf(place, [...issue.path, key]), code: `unknown_${what}`, detail: `There is no such ${what}.` }))
    }
    const pointer = pointerOf(place, issue.path)
    const isMissing = issue.code === 'invalid_type' && /received undefined/.test(issue.message)
    if (isMissing) return [{ pointer, code: 'required', detail: 'This is required.' }]
    return [{ pointer, code: issue.code, detail: issue.message }]
  })
}

export function validate<S extends z.ZodType>(schema: S, value: unknown, place: Place): { value: z.output<S>; problems: [] } | { value: undefined; problems: InputProblem[] } {
  const parsed = schema.safeParse(value)
  return parsed.success ? { value: parsed.data, problems: [] } : { value: undefined, problems: toProblems(parsed.error.issues, place) }
}
