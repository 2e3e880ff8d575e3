import type { Json, VendorAnswers, VendorContext, VendorResponse } from '../framework/vendor.ts'
import type { GoogleWorkspaceSettings } from './settings.ts'

export const JSON_TYPE = { 'content-type': 'application/json; charset=UTF-8' }

/** The error body of every Directory method; `more` holds what newer ones add (status, details). */
export function googleError(
  status: number,
  reason: string,
  message: string,
  more: { readonly [key: string]: Json } = {},
): VendorResponse {
  return {
    status,
    headers: JSON_TYPE,
    body: { error: { code: status, message, errors: [{ message, domain: 'global', reason }], ...more } },
  }
}

export const invalid = (message: string): VendorResponse => googleError(400, 'invalid', message)
export const notFound = (what: string): VendorResponse => googleError(404, 'notFound', `Resource Not Found: ${what}`)
export const duplicate = (): VendorResponse => googleError(409, 'duplicate', 'Entity already exists.')
export const forbidden = (): VendorResponse =>
  googleError(403, 'forbidden', 'Not Authorized to access this resource/api')
export const notYetComplete = (): VendorResponse =>
  googleError(412, 'conditionNotMet', 'User creation is not complete.')

/** Recorded whole: the header If-Match has nothing to do with it. */
export function userLimitReached(): VendorResponse {
  const message = 'Domain user limit reached.'
  const entry = { domain: 'global', reason: 'limitExceeded', message, locationType: 'header', location: 'If-Match' }
  return { status: 412, headers: JSON_TYPE, body: { error: { errors: [entry], code: 412, message } } }
}

export function invalidToken(): VendorResponse {
  const message =
    'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. ' +
    'See https://developers.google.com/identity/sign-in/web/devconsole-project.'
  return googleError(401, 'authError', message, { status: 'UNAUTHENTICATED' })
}

export function insufficientScopes(): VendorResponse {
  const details = [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: 'ACCESS_TOKEN_SCOPE_INSUFFICIENT',
      domain: 'googleapis.com',
    },
  ]
  return googleError(403, 'insufficientPermissions', 'Request had insufficient authentication scopes.', {
    status: 'PERMISSION_DENIED',
    details,
  })
}

/** The page at an address that no API has. */
const page = (status: number, text: string): VendorResponse => ({
  status,
  headers: { 'content-type': 'text/html; charset=UTF-8' },
  body: `<!DOCTYPE html><html lang=en><title>Error ${status} (${text})!!1</title><p><b>${status}.</b> <ins>That’s an error.</ins></html>`,
})

export function createAnswers({ settings }: VendorContext<GoogleWorkspaceSettings>): VendorAnswers {
  return {
    unknownRoute: () => page(404, 'Not Found'),

    rateLimited(_request, _usage, retryAfter) {
      const refusal =
        settings().rate_limit_status === 403
          ? googleError(403, 'userRateLimitExceeded', 'User Rate Limit Exceeded')
          : googleError(429, 'rateLimitExceeded', 'Rate Limit Exceeded', { status: 'RESOURCE_EXHAUSTED' })
      // Google sends neither Retry-After nor what is left.
      return typeof retryAfter === 'string'
        ? { ...refusal, headers: { ...refusal.headers, 'retry-after': retryAfter } }
        : refusal
    },

    quotaExceeded: () => googleError(403, 'quotaExceeded', 'Quota exceeded'),

    serverError(_request, status) {
      if (status === 502) return page(502, 'Server Error')
      return googleError(
        status,
        'backendError',
        status === 503 ? 'Service unavailable. Please try again' : 'Backend Error',
      )
    },

    expiredToken: invalidToken,
  }
}
