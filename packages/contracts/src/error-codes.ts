import { z } from 'zod'

interface ErrorCodeRow {
  /** Where it appears: in `error` of an operation, as the problem that answers a request, or both. */
  of: 'operation' | 'request' | 'both'
  /**
   * Of the problem; for an operation, with `Prefer: wait` on the create. 401 and 403 are about the caller's own key, so
   * that no operation has them.
   */
  status: number
  /** The same request, sent again unchanged, may succeed. */
  retryable: boolean
  /** What to do next. In every failed operation, and in the table of docs/api.md. */
  hint: string
}

/** Every error code of the API. Callers branch on the code; hints and messages may change. */
export const errorCodes = {
  validation_failed: {
    of: 'both',
    status: 422,
    retryable: false,
    hint: 'Correct the named field and send a new request.',
  },
  user_exists: {
    of: 'operation',
    status: 409,
    retryable: false,
    hint: 'Send the request again with on_conflict=adopt to take over the existing user, or choose another login.',
  },
  provider_validation_failed: {
    of: 'operation',
    status: 422,
    retryable: false,
    hint: "Correct the named field; the provider's own words are in raw_response.",
  },
  password_rejected: {
    of: 'operation',
    status: 422,
    retryable: false,
    hint: "Choose a password that meets the provider's policy and retry the operation with it.",
  },
  credentials_rejected: {
    of: 'operation',
    status: 424,
    retryable: true,
    hint: 'PATCH new credentials into the integrated account, then retry the operation.',
  },
  permission_denied: {
    of: 'operation',
    status: 424,
    retryable: true,
    hint: 'Give the integrated account the right to create users at the provider, then retry the operation.',
  },
  license_limit_reached: {
    of: 'operation',
    status: 422,
    retryable: true,
    hint: 'Free or buy a seat at the provider, then retry the operation.',
  },
  provider_not_found: {
    of: 'operation',
    status: 422,
    retryable: false,
    hint: 'Something the request names does not exist at the provider: correct the named field.',
  },
  rate_limited: {
    of: 'operation',
    status: 503,
    retryable: true,
    hint: 'Retry the operation later; the provider is refusing calls for this account.',
  },
  provider_unavailable: {
    of: 'operation',
    status: 503,
    retryable: true,
    hint: 'Retry the operation later; nothing was created.',
  },
  timeout: {
    of: 'operation',
    status: 504,
    retryable: true,
    hint: 'Retry the operation: it starts with a look-up, so it cannot create the user twice.',
  },
  outcome_unknown: {
    of: 'operation',
    status: 504,
    retryable: true,
    hint: 'Check the provider by hand for this login, then retry the operation: it starts with a look-up.',
  },
  canceled: {
    of: 'operation',
    status: 409,
    retryable: false,
    hint: 'Retry the operation if it should run after all.',
  },
  expired: {
    of: 'operation',
    status: 504,
    retryable: false,
    hint: 'Retry the operation with a later expires_at if it should run after all.',
  },
  internal: {
    of: 'both',
    status: 500,
    retryable: true,
    hint: 'Retry the operation: it starts with a look-up. Report the request_id if it happens again.',
  },
  malformed_request: {
    of: 'request',
    status: 400,
    retryable: false,
    hint: 'Send valid HTTP with exactly one Host header.',
  },
  malformed_json: {
    of: 'request',
    status: 400,
    retryable: false,
    hint: 'Send a body of complete JSON in UTF-8.',
  },
  malformed_upload: {
    of: 'request',
    status: 400,
    retryable: false,
    hint: 'upload_error says why the upload cannot be read any further, line says where. Correct the file and send it again.',
  },
  unauthorized: {
    of: 'request',
    status: 401,
    retryable: false,
    hint: 'Send a valid API key: Authorization: Bearer mk_….',
  },
  forbidden: {
    of: 'request',
    status: 403,
    retryable: false,
    hint: 'Use a key that has the scope in required_scope.',
  },
  not_found: {
    of: 'request',
    status: 404,
    retryable: false,
    hint: 'Check the id and the key: it does not exist, belongs to another tenant, or is live while the key is a test key.',
  },
  method_not_allowed: {
    of: 'request',
    status: 405,
    retryable: false,
    hint: 'Use one of the methods in Allow.',
  },
  request_timeout: {
    of: 'request',
    status: 408,
    retryable: true,
    hint: 'Send the request again, faster.',
  },
  operation_in_progress: {
    of: 'request',
    status: 409,
    retryable: true,
    hint: 'Wait for the operation named in operation: it is creating this login.',
  },
  upload_in_progress: {
    of: 'request',
    status: 409,
    retryable: true,
    hint: 'Another request is uploading this batch, or was until less than 15 seconds ago: try again later.',
  },
  operation_not_cancelable: {
    of: 'request',
    status: 409,
    retryable: false,
    hint: 'Wait for its end: it runs, has ended, or may have reached the provider.',
  },
  operation_not_retryable: {
    of: 'request',
    status: 409,
    retryable: false,
    hint: 'Only an operation that failed, expired or was canceled, and was not erased, can be retried.',
  },
  conflict: {
    of: 'request',
    status: 409,
    retryable: false,
    hint: 'Its state does not allow this; detail says what would.',
  },
  payload_too_large: {
    of: 'request',
    status: 413,
    retryable: false,
    hint: 'Send less: a body of at most 1 MiB, an upload within its limits. bound and limit say which limit.',
  },
  unsupported_media_type: {
    of: 'request',
    status: 415,
    retryable: false,
    hint: 'Send application/json in UTF-8, not compressed; an upload in one of its formats, at most gzipped.',
  },
  expectation_failed: {
    of: 'request',
    status: 417,
    retryable: false,
    hint: 'Send no Expect header other than 100-continue.',
  },
  idempotency_key_reused: {
    of: 'request',
    status: 422,
    retryable: false,
    hint: 'Use a new Idempotency-Key: this one belongs to the other request, whose operation is named.',
  },
  too_many_requests: {
    of: 'request',
    status: 429,
    retryable: true,
    hint: 'Make room as detail says, and try again after Retry-After. bound and limit say which limit.',
  },
  headers_too_large: {
    of: 'request',
    status: 431,
    retryable: false,
    hint: 'Send an address and headers of at most 16 KiB together.',
  },
  service_unavailable: {
    of: 'request',
    status: 503,
    retryable: true,
    hint: 'Send the request again after Retry-After, with the same Idempotency-Key.',
  },
  record_unreadable: {
    of: 'request',
    status: 503,
    retryable: true,
    hint: 'The operator of Muster must restore the key that record was encrypted with; detail says how. Nothing is lost.',
  },
} as const satisfies Record<string, ErrorCodeRow>

type ErrorCode = keyof typeof errorCodes
type CodeOf<Kind extends 'operation' | 'request'> = {
  [Code in ErrorCode]: (typeof errorCodes)[Code]['of'] extends Kind | 'both' ? Code : never
}[ErrorCode]
/** Why an operation ended without a user. */
export type OperationErrorCode = CodeOf<'operation'>
/** Why a request was refused. */
export type ProblemCode = CodeOf<'request'>

const codesOf = <Kind extends 'operation' | 'request'>(kind: Kind): CodeOf<Kind>[] =>
  (Object.keys(errorCodes) as ErrorCode[]).filter((code): code is CodeOf<Kind> =>
    ([kind, 'both'] as string[]).includes(errorCodes[code].of),
  )
export const operationErrorCodes = codesOf('operation')
export const problemCodes = codesOf('request')
export const operationErrorCodeSchema = z.enum(operationErrorCodes).meta({ id: 'OperationErrorCode' })
