import { errorCodes, type ProblemCode } from '@muster/contracts/error-codes'
import type { InputProblem } from '@muster/contracts/problem'

/** What the caller can act on; answered as problem+json. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly code: ProblemCode
  readonly status: number
  readonly errors: InputProblem[] | undefined
  readonly headers: Record<string, string>
  readonly extensions: Record<string, unknown>
  constructor(
    code: ProblemCode,
    detail: string,
    options: { errors?: InputProblem[]; headers?: Record<string, string>; extensions?: Record<string, unknown> } = {},
  ) {
    super(detail)
    this.code = code
    this.status = errorCodes[code].status
    this.errors = options.errors
    this.headers = options.headers ?? {}
    this.extensions = options.extensions ?? {}
  }

  extendedBy(extensions: Record<string, unknown>): RequestError {
    return new RequestError(this.code, this.message, {
      ...(this.errors ? { errors: this.errors } : {}),
      headers: this.headers,
      extensions: { ...extensions, ...this.extensions },
    })
  }

  with(errors: InputProblem[]): RequestError {
    return new RequestError(this.code, this.message, {
      errors: bounded(errors),
      headers: this.headers,
      extensions: this.extensions,
    })
  }
}

/** The same answer for what does not exist and for what belongs to another tenant. */
export const notFound = (what: string): RequestError => new RequestError('not_found', `There is no such ${what}.`)

export const operationInProgress = (operationId: string): RequestError =>
  new RequestError('operation_in_progress', 'An unfinished operation is already creating a user with this login.', {
    extensions: { operation: `/operations/${operationId}`, operation_id: operationId },
    headers: { location: `/operations/${operationId}` },
  })

export function invalid(errors: InputProblem[]): RequestError {
  const [first] = errors
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
  const [shown] = bounded(first ? [first] : [])
  return new RequestError(
    'validation_failed',
    `${shown?.pointer || 'The body'}: ${shown?.detail ?? 'invalid input'}${more}`,
    { errors: bounded(errors) },
  )
}

const MAX_ERRORS = 100
const MAX_POINTER = 200

/** A megabyte of wrong names must not get an answer of two megabytes. */
function bounded(errors: InputProblem[]): InputProblem[] {
  return errors.slice(0, MAX_ERRORS).map((problem) => ({ ...problem, pointer: problem.pointer.slice(0, MAX_POINTER) }))
}
