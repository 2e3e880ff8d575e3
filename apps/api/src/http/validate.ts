import type { InputProblem } from '@muster/contracts/problem'
import type { z } from 'zod'
import { issueWords } from '@muster/contracts/issue-words'
import { escapePointer } from '@muster/contracts/untrusted-value'

export type Place = 'body' | 'query' | 'path' | 'header'

const unknownNames: Record<Place, string> = { body: 'field', query: 'parameter', path: 'parameter', header: 'header' }

/** RFC 6901 in the body; `?name[key]` in the query; the name of a header. */
function pointerOf(place: Place, path: readonly PropertyKey[]): string {
  if (place === 'body') return path.map((segment) => `/${escapePointer(String(segment))}`).join('')
  const [first = '', ...rest] = path.map(String)
  return `${place === 'query' ? '?' : ''}${first}${rest.map((segment) => `[${segment}]`).join('')}`
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  )
}

function toProblems(issue: z.core.$ZodIssue, place: Place, input: unknown): InputProblem[] {
  if (issue.code === 'unrecognized_keys') {
    const what = unknownNames[place]
    return issue.keys.map((key) => ({
      pointer: pointerOf(place, [...issue.path, key]),
      code: `unknown_${what}`,
      detail: `There is no such ${what}.`,
    }))
  }
  const pointer = pointerOf(place, issue.path)
  if (valueAt(input, issue.path) === undefined) return [{ pointer, code: 'required', detail: 'This is required.' }]
  return [{ pointer, code: issue.code, detail: issue.message }]
}

/** Every issue as a problem with its own pointer. Input is never quoted. */
export function validate<S extends z.ZodType>(
  schema: S,
  value: unknown,
  place: Place,
): { value: z.output<S>; problems: [] } | { value: undefined; problems: InputProblem[] } {
  const parsed = schema.safeParse(value, { error: issueWords })
  return parsed.success
    ? { value: parsed.data, problems: [] }
    : { value: undefined, problems: parsed.error.issues.flatMap((issue) => toProblems(issue, place, value)) }
}
