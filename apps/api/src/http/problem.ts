import { STATUS_CODES } from 'node:http'
import { BoundReachedError, TooLargeError } from '@muster/contracts/bounds'
import type { Problem } from '@muster/contracts/problem'
import { NotReplicatedError } from '@muster/store/operations/operations'
import { isRedisUnavailable } from '@muster/store/redis/connect'
import { UnreadableError } from '@muster/store/crypto/unreadable'
import { RequestError } from './request-error.ts'

export const PROBLEM_TYPE = 'application/problem+json'
const RETRY_AFTER_SECONDS = '1'
/** An operator must act first. */
const UNREADABLE_RETRY_AFTER_SECONDS = '60'

/** Any error as an answer. `isOurs`: the fault is not the caller's, and must be logged. */
export function toRequestError(error: unknown): { error: RequestError; isOurs: boolean } {
  if (error instanceof RequestError) return { error, isOurs: false }
  if (error instanceof BoundReachedError || error instanceof TooLargeError)
    return { error: toBoundRefusal(error), isOurs: false }
  if (error instanceof NotReplicatedError || isRedisUnavailable(error)) {
    const detail =
      'Redis cannot be reached. The request may have been accepted: repeat it with the same Idempotency-Key.'
    return {
      error: new RequestError('service_unavailable', detail, { headers: { 'retry-after': RETRY_AFTER_SECONDS } }),
      isOurs: true,
    }
  }
  if (error instanceof UnreadableError) {
    const detail = `${error.message} Nothing is lost: the operator of Muster must give its processes the keys that the record was encrypted with (see Unreadable records in docs/operating.md); then repeat the request.`
    return {
      error: new RequestError('record_unreadable', detail, {
        headers: { 'retry-after': UNREADABLE_RETRY_AFTER_SECONDS },
        extensions: { record: error.record },
      }),
      isOurs: true,
    }
  }
  // The spool of an upload, which is kept until all its rows are validated.
  if ((error as { code?: unknown } | null)?.code === 'ENOSPC')
    return {
      error: new RequestError(
        'service_unavailable',
        'The disk has no room to keep the upload while its rows are validated: try again later, or with on_invalid=continue.',
        { headers: { 'retry-after': '60' } },
      ),
      isOurs: true,
    }
  // A path that cannot be decoded (%zz) comes as a URIError with status 400.
  if (error instanceof URIError)
    return { error: new RequestError('not_found', 'The path cannot be decoded.'), isOurs: false }
  return {
    error: new RequestError('internal', 'Internal error of Muster. Quote the request_id when you report it.'),
    isOurs: true,
  }
}

function toBoundRefusal(error: BoundReachedError | TooLargeError): RequestError {
  const extensions = { bound: error.bound, limit: error.limit }
  return error instanceof TooLargeError
    ? new RequestError('payload_too_large', error.message, { extensions })
    : new RequestError('too_many_requests', error.message, {
        extensions,
        headers: { 'retry-after': String(error.retryAfterSeconds) },
      })
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
