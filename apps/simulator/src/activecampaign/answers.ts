import type { RateLimitUsage } from '../framework/rate-limit.ts'
import type { Headers, VendorAnswers, VendorContext, VendorResponse } from '../framework/vendor.ts'
import type { ActiveCampaignSettings } from './settings.ts'

export interface FieldError {
  readonly title: string
  readonly code: 'duplicate' | 'field_missing' | 'field_invalid' | 'related_missing'
  readonly attribute: string
}

/** As published for contacts, accounts and account links; the specification has no example for users. */
export const unprocessable = (errors: readonly FieldError[]): VendorResponse => ({
  status: 422,
  body: {
    errors: errors.map(({ title, code, attribute }) => ({
      title,
      detail: '',
      code,
      source: { pointer: `/data/attributes/${attribute}` },
    })),
  },
})

export const message = (status: number, text: string): VendorResponse => ({ status, body: { message: text } })

/** The only failure that the specification declares for users, with an empty example. */
export const badRequest = (): VendorResponse => ({ status: 400, body: {} })

export const noPermission = (): VendorResponse => message(403, "You don't have permission to access this resource")

export const noResult = (status: 404 | 403 | 200, type: string, id: string): VendorResponse =>
  status === 200 ? { status, body: {} } : message(status, `No Result found for ${type} with id ${id}`)

/** There is no header for the reset. */
export function rateLimitHeaders(usage: RateLimitUsage | null): Headers {
  if (usage === null) return {}
  return { 'ratelimit-limit': String(usage.limit), 'ratelimit-remaining': String(usage.remaining) }
}

export function createAnswers({ settings }: VendorContext<ActiveCampaignSettings>): VendorAnswers {
  const badToken = () => message(settings().bad_token_status, 'Forbidden')
  return {
    unknownRoute: () => ({ status: 404, body: { errors: [{ status: 404, title: 'Not Found' }] } }),

    // The body is not documented.
    rateLimited(_request, usage, retryAfter) {
      const shown = usage ?? { isExceeded: true, limit: settings().rate_limit?.requests ?? 5, remaining: 0, resetAt: 0 }
      const wait = retryAfter === undefined ? String(settings().retry_after_seconds) : retryAfter
      return { status: 429, headers: { ...rateLimitHeaders(shown), ...(wait === null ? {} : { 'retry-after': wait }) } }
    },

    // Not documented: a bare status.
    serverError: (_request, status) => ({ status }),

    expiredToken: badToken,
  }
}
