import { randomUUID } from 'node:crypto'
import type { Headers, VendorAnswers, VendorContext, VendorResponse } from '../framework/vendor.ts'
import type { MerakiSettings } from './settings.ts'

/** Every JSON error of the dashboard API: sentences, and no code. */
export const refuse = (status: number, ...errors: readonly string[]): VendorResponse => ({ status, body: { errors } })

/** Not there, or not for this key; the body is empty. */
export const notFound = (): VendorResponse => ({ status: 404 })

export const lackOfPermission = (): VendorResponse => refuse(403, 'You lack permission to perform the action')

/** Asked for by Meraki's support. */
export const requestIdHeaders = (): Record<string, string> => ({ 'x-request-id': randomUUID().replaceAll('-', '') })

export function createAnswers({ settings, now }: VendorContext<MerakiSettings>): VendorAnswers {
  return {
    unknownRoute: notFound,

    rateLimited(_request, usage, retryAfter) {
      // Whole seconds, and no other header of a limit is documented.
      const wait = String(Math.max(1, Math.ceil(((usage?.resetAt ?? 0) - now()) / 1000)))
      const shown = retryAfter === undefined ? wait : retryAfter
      const headers: Headers = shown === null ? {} : { 'retry-after': shown }
      return { ...refuse(429, 'API rate limit exceeded for organization'), headers }
    },

    serverError(_request, status) {
      // 502 and 504 come from the gateway before the dashboard; the sentence of the others is not documented.
      if (status === 502 || status === 504) {
        return {
          status,
          headers: { 'content-type': 'text/html' },
          body: `<html><body><h1>${status}</h1></body></html>`,
        }
      }
      return refuse(status, 'The request cannot be processed by Meraki')
    },

    expiredToken: () => refuse(401, settings().invalid_key_message),
  }
}
