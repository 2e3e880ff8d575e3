import type { ProblemCode } from '@muster/contracts/error-codes'
import type { InputProblem } from '@muster/contracts/problem'

const statuses: Record<ProblemCode, number> = {
  malformed_request: 400,
  malformed_json: 400,
  malformed_upload: 400,
  upload_in_progress: 409,
  validation_failed: 422,
  unsupported_media_type: 415,
  payload_too_large: 413,
  headers_too_large: 431,
  expectation_failed: 417,
  request_timeout: 408,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  idempotency_key_reused: 422,
  operation_in_progress: 409,
  operation_not_cancelable: 409,
  operation_not_retryable: 409,
  conflict: 409,
  service_unavailable: 503,
  record_unreadable: 503,
  too_many_requests: 429,
  internal: 500,
}

/** The caller can act on it; becomes a problem+json answer. */
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
    this.status = statuses[code]
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

/** One answer for what does not exist and for what is somebody else's. */
export const notFound = (what: string): RequestError => new RequestError('not_found', `There is no such ${what}.`)

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

/** A megabyte of wrong names must not be answered with two. */
function bounded(errors: InputProblem[]): InputProblem[] {
  return errors.slice(0, MAX_ERRORS).map((problem) => ({ ...problem, pointer: problem.pointer.slice(0, MAX_POINTER) }))
}
