import { createDefaults, type Defaults } from '@muster/bulk/defaults'
import { UploadError } from '@muster/bulk/upload-error'
import type { BulkQuery } from '@muster/contracts/batch'
import { cleanTexts } from '@muster/contracts/clean-text'
import type { InputProblem } from '@muster/contracts/problem'
import { invalid } from '../http/request-error.ts'

/** The defaults of an upload, as rows are given them. @throws RequestError that names each parameter that is wrong */
export function readDefaults({ defaults, trim }: Pick<BulkQuery, 'defaults' | 'trim'>): Defaults | undefined {
  if (defaults === undefined) return undefined
  const { value, problems } = cleanTexts(defaults, { keepsSpaces: trim === false })
  const read = toDefaults(value)
  const wrong = [
    ...problems.map((problem) => ({ ...problem, pointer: toParameter(problem.pointer.split('/').slice(1)) })),
    ...Object.entries(read).flatMap(([name, inner]) => findProblem({ [name]: inner }, toParameter([name]))),
  ]
  // Each may be good, and all of them too many.
  const found = wrong.length > 0 ? wrong : findProblem(read, toParameter([]))
  if (found.length > 0) throw invalid(found)
  return read
}

const toParameter = (path: readonly string[]): string => `?defaults${path.map((name) => `[${name}]`).join('')}`

/** Of a query, whose values are texts; lists are named by their places. */
const toDefaults = (value: object): Defaults =>
  Object.fromEntries(
    Object.entries(value).map(([name, inner]: [string, unknown]) => [
      name,
      typeof inner === 'object' && inner !== null ? toDefaults(inner) : String(inner),
    ]),
  )

function findProblem(defaults: Defaults, pointer: string): InputProblem[] {
  try {
    createDefaults(defaults)
    return []
  } catch (error) {
    if (!(error instanceof UploadError)) throw error
    return [{ pointer, code: error.code, detail: error.detail }]
  }
}
