import { STATUS_CODES } from 'node:http'
import type { Problem } from '@muster/contracts/problem'
import { NotReplicatedError } from '@muster/store/operations'
import { isRedisUnavailable } from '@muster/store/redis'
import { RequestError } from './request-error.ts'

export const PROBLEM_TYPE = 'application/problem+json'
const RETRY_AFTER_SECONDS = '1'

/** Errors of Express' body parser, by their `type`. They carry the raw body: nothing but the type is ever read from them. */
const bodyErrors: Record<string, RequestError> = {
  'entity.parse.failed': new RequestError('malformed_json', 'The body is not valid JSON.'),
  'entity.too.large': new RequestError('payload_too_large', 'The body is larger than 1 MiB.'),
  'encoding.unsupported': new RequestError('unsupported_media_type', 'The content encoding is not supported: send the body as it is.'),
  'charset.unsupported': new RequestError('unsupported_media_type', 'The body must be UTF-8.'),
  'request.aborted': new RequestError('malformed_json', 'The body ended before its content-length.'),
  'request.size.invalid': new RequestError('malformed_json', 'The body does not have the size that its content-length says.'),
}

/** Any error as something the caller can be told. `isOurs` marks those that must be logged. */
export function toRequestError(error: unknown): { error: RequestError; isOurs: boolean } {
  if (error instanceof RequestError) return { error, isOurs: false }
  const type = (error as { type?: unknown } | null)?.type
  const known = typeof type === 'string' ? bodyErrors[type] : undefined
  if (known) return { error: known, isOurs: false }
  if (error instanceof NotReplicatedError || isRedisUnavailable(error)) {
    const detail = 'The store cannot be reached at the moment. It is not certain that nothing was accepted: repeat the request with the same Idempotency-Key.'
    return { error: new RequestError('service_unavailable', detail, { headers: { 'retry-after': RETRY_AFTER_SECONDS } }), isOurs: true }
  }
  // A path that cannot be decoded (%zz) comes as a URIError with status 400.
  if (error instanceof URIError) return { error: new RequestError('not_found', 'The path cannot be decoded.'), isOurs: false }
  return { error: new RequestError('internal', 'Something went wrong inside Muster. Quote the request_id when you report it.'), isOurs: true }
}

export function toProblem(error: RequestError, requestId: string): Problem {
  return {
    type: `urn:muster:problem:${error.code}`,
    title: STATUS_CODES[error.status] ?? 'Error',
    status: error.status,
    detail: error.message,
    code: error.code,
    request_id: requestId,
    ...(error.errors ? { errors: error.errors } : {}),
    ...error.extensions,
  }
}
