import type { Json, VendorAnswers, VendorResponse } from '../framework/vendor.ts'

const CONTENT_TYPE = { 'content-type': 'application/json;charset=UTF-8' }

export const ok = (body: Json, status = 200, headers: Readonly<Record<string, string>> = {}): VendorResponse => ({
  status,
  headers: { ...CONTENT_TYPE, ...headers },
  body,
})

/** A list, always. `fields` comes with errors of a record, and not with those of a session, a limit or an address. */
export function salesforceError(
  status: number,
  errorCode: string,
  message: string,
  fields?: readonly string[],
): VendorResponse {
  return ok([{ message, errorCode, ...(fields === undefined ? {} : { fields }) }], status)
}

export const recordError = (errorCode: string, message: string, fields: readonly string[] = []): VendorResponse =>
  salesforceError(400, errorCode, message, fields)

export const notFound = (): VendorResponse => salesforceError(404, 'NOT_FOUND', 'The requested resource does not exist')

export const invalidSession = (): VendorResponse =>
  salesforceError(401, 'INVALID_SESSION_ID', 'Session expired or invalid')

export const oauthError = (error: string, description: string): VendorResponse =>
  ok({ error, error_description: description }, 400)

/** The day's calls are used up. There is no Retry-After. */
const dailyLimit = (): VendorResponse => salesforceError(403, 'REQUEST_LIMIT_EXCEEDED', 'TotalRequests Limit exceeded.')

export const answers: VendorAnswers = {
  unknownRoute: notFound,
  rateLimited(_request, usage, retryAfter) {
    if (usage !== null) return dailyLimit()
    // The limit that ends within seconds is the limit of long requests side by side.
    const refused = salesforceError(
      403,
      'REQUEST_LIMIT_EXCEEDED',
      'ConcurrentRequests (Concurrent API Requests) Limit exceeded.',
    )
    return typeof retryAfter === 'string'
      ? { ...refused, headers: { ...refused.headers, 'retry-after': retryAfter } }
      : refused
  },
  quotaExceeded: dailyLimit,
  serverError(_request, status) {
    if (status === 503) return salesforceError(503, 'SERVER_UNAVAILABLE', 'Server is currently unavailable.')
    return salesforceError(
      status,
      'UNKNOWN_EXCEPTION',
      'An unexpected error occurred. Please include this ErrorId if you contact support: 1778066860-1 (1)',
    )
  },
  expiredToken: invalidSession,
}
