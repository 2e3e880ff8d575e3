import type { RateLimitUsage } from '../framework/rate-limit.ts'
import type { Headers, VendorAnswers, VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import { createErrorId } from './identifiers.ts'
import type { OktaSettings } from './settings.ts'

/** The error body of every Okta management endpoint; `errorLink` repeats the code. */
export function oktaError(
  status: number,
  errorCode: string,
  errorSummary: string,
  causes: readonly string[] = [],
  headers: Headers = {},
): VendorResponse {
  return {
    status,
    headers,
    body: {
      errorCode,
      errorSummary,
      errorLink: errorCode,
      errorId: createErrorId(),
      errorCauses: causes.map((cause) => ({ errorSummary: cause })),
    },
  }
}

export const validationFailed = (subject: string, causes: readonly string[]): VendorResponse =>
  oktaError(400, 'E0000001', `Api validation failed: ${subject}`, causes)

/** Recorded for users as `missing@example.com (User)`. */
export const notFound = (id: string, type: string): VendorResponse =>
  oktaError(404, 'E0000007', `Not found: Resource not found: ${id} (${type})`)

export const invalidToken = (): VendorResponse => oktaError(401, 'E0000011', 'Invalid token provided')

/**
 * OAuth refusals have an empty body: everything is in WWW-Authenticate, in this order, with http:// for the
 * org whatever the scheme (seen verbatim for insufficient_scope; invalid_token has the same form).
 */
export function bearerRefusal(
  request: VendorRequest,
  status: 401 | 403,
  scope: string,
  error: string,
  description: string,
): VendorResponse {
  const authenticate =
    `Bearer authorization_uri="${request.baseUrl}/oauth2/v1/authorize", realm="${request.baseUrl}", scope="${scope}", ` +
    `error="${error}", error_description="${description}", resource="${request.path}"`
  return { status, headers: { 'www-authenticate': authenticate } }
}

const isBearer = (request: VendorRequest): boolean => request.headers.authorization?.startsWith('Bearer ') ?? false

export function rateLimitHeaders(usage: RateLimitUsage | null): Record<string, string> {
  if (usage === null) return {}
  return {
    'x-rate-limit-limit': String(usage.limit),
    'x-rate-limit-remaining': String(usage.remaining),
    /** Epoch seconds, by the clock of the Date header. */
    'x-rate-limit-reset': String(Math.ceil(usage.resetAt / 1000)),
  }
}

export function createAnswers({ now, settings }: VendorContext<OktaSettings>): VendorAnswers {
  return {
    // "The endpoint does not support the provided HTTP method": Okta's list of error codes.
    unknownRoute: () => oktaError(405, 'E0000022', 'The endpoint does not support the provided HTTP method'),

    rateLimited(_request, usage, retryAfter) {
      // A storm ends within a second: without Retry-After, which Okta does not send, Reset is all a client has.
      const shown = usage ?? {
        isExceeded: true,
        limit: settings().rate_limit?.requests ?? 300,
        remaining: 0,
        resetAt: now() + 1000,
      }
      return oktaError(429, 'E0000047', 'API call exceeded rate limit due to too many requests.', [], {
        ...rateLimitHeaders(shown),
        ...(typeof retryAfter === 'string' ? { 'retry-after': retryAfter } : {}),
      })
    },

    serverError(_request, status) {
      if (status === 503) return oktaError(503, 'E0000010', 'Service is in read only mode')
      return oktaError(status, 'E0000009', 'Internal Server Error')
    },

    expiredToken: (request) =>
      isBearer(request)
        ? bearerRefusal(request, 401, 'okta.users.manage', 'invalid_token', 'The token has expired.')
        : invalidToken(),
  }
}
