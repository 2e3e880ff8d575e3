import { z } from 'zod'

/** Why an operation ended badly. Callers branch on these; the words beside them may change. */
export const operationErrorCodes = [
  'validation_failed',
  'user_exists',
  'provider_validation_failed',
  'password_rejected',
  'credentials_rejected',
  'permission_denied',
  'license_limit_reached',
  'provider_not_found',
  'rate_limited',
  'provider_unavailable',
  'timeout',
  'outcome_unknown',
  'canceled',
  'expired',
  'internal',
] as const
export const operationErrorCodeSchema = z.enum(operationErrorCodes).meta({ id: 'OperationErrorCode' })
export type OperationErrorCode = z.infer<typeof operationErrorCodeSchema>

/**
 * Status of the synchronous answer (`Prefer: wait` on create). 401 and 403 are never used: they are only about the
 * caller's own key.
 */
export const synchronousStatus: Record<OperationErrorCode, number> = {
  validation_failed: 422,
  user_exists: 409,
  provider_validation_failed: 422,
  password_rejected: 422,
  provider_not_found: 422,
  license_limit_reached: 422,
  credentials_rejected: 424,
  permission_denied: 424,
  rate_limited: 503,
  provider_unavailable: 503,
  timeout: 504,
  outcome_unknown: 504,
  canceled: 409,
  expired: 504,
  internal: 500,
}

/** What to do next, said with every failed operation. */
export const operationErrorHints: Record<OperationErrorCode, string> = {
  validation_failed: 'Correct the named field and send a new request.',
  user_exists: 'Send the request again with on_conflict=adopt to take over the existing user, or choose another login.',
  provider_validation_failed: "Correct the named field; the provider's own words are in raw_response.",
  password_rejected: "Choose a password that meets the provider's policy and retry the operation with it.",
  credentials_rejected: 'PATCH new credentials into the integrated account, then retry the operation.',
  permission_denied: 'Give the integrated account the right to create users at the provider, then retry the operation.',
  license_limit_reached: 'Free or buy a seat at the provider, then retry the operation.',
  provider_not_found: 'Something the request names does not exist at the provider: correct the named field.',
  rate_limited: 'Retry the operation later; the provider is refusing calls for this account.',
  provider_unavailable: 'Retry the operation later; nothing was created.',
  timeout: 'Retry the operation: it starts with a look-up, so it cannot create the user twice.',
  outcome_unknown: 'Check the provider by hand for this login, then retry the operation: it starts with a look-up.',
  canceled: 'Retry the operation if it should run after all.',
  expired: 'Retry the operation with a later expires_at if it should run after all.',
  internal: 'Retry the operation: it starts with a look-up. Report the request_id if it happens again.',
}

/** Codes of problem+json answers that are about the caller's own request, never about the provider. */
export const problemCodes = [
  'malformed_request',
  'malformed_json',
  'malformed_upload',
  'upload_in_progress',
  'validation_failed',
  'unsupported_media_type',
  'payload_too_large',
  'headers_too_large',
  'expectation_failed',
  'request_timeout',
  'unauthorized',
  'forbidden',
  'not_found',
  'method_not_allowed',
  'idempotency_key_reused',
  'operation_in_progress',
  'operation_not_cancelable',
  'operation_not_retryable',
  'conflict',
  'service_unavailable',
  'record_unreadable',
  'too_many_requests',
  'internal',
] as const
export type ProblemCode = (typeof problemCodes)[number]
