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
const OPERATOR_RETRY_AFTER_SECONDS = '60'

/** Any error as an answer. `isOurs`: the fault is not the caller's, and must be logged. */
export function toRequestError(error: unknown): { error: RequestError; isOurs: boolean } {
  if (error instanceof RequestError) return { error, isOurs: false }
  if (error instanceof BoundReachedError || error instanceof TooLargeError)
    return { error: toBoundRefusal(error), isOurs: false }
  // A path that cannot be decoded (%zz) comes as a URIError.
  if (error instanceof URIError)
    return { error: new RequestError('not_found', 'The path cannot be decoded.'), isOurs: false }
  return { error: toFault(error), isOurs: true }
}

function toFault(error: unknown): RequestError {
  if (error instanceof NotReplicatedError || isRedisUnavailable(error))
    return unavailable(
      'Redis cannot be reached. The request may have been accepted: repeat it with the same Idempotency-Key.',
      RETRY_AFTER_SECONDS,
    )
  if (error instanceof UnreadableError)
    return new RequestError(
      'record_unreadable',
      `${error.message} Nothing is lost: the operator of Muster must give its processes the keys that the record was encrypted with (see Unreadable records in docs/operating.md); then repeat the request.`,
      { headers: { 'retry-after': OPERATOR_RETRY_AFTER_SECONDS }, extensions: { record: error.record } },
    )
  // The spool of an upload, which is kept until all its rows are validated.
  if ((error as { code?: unknown } | null)?.code === 'ENOSPC')
    return unavailable(
      'The disk has no room to keep the upload while its rows are validated: try again later, or with on_invalid=continue.',
      OPERATOR_RETRY_AFTER_SECONDS,
    )
  return new RequestError('internal', 'Internal error of Muster. Quote the request_id when you report it.')
}

const unavailable = (detail: string, retryAfter: string): RequestError =>
  new RequestError('service_unavailable', detail, { headers: { 'retry-after': retryAfter } })

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
