import { randomUUID } from 'node:crypto'
import type { Headers, Json, VendorAnswers, VendorContext, VendorResponse } from '../framework/vendor.ts'
import type { FilesComSettings } from './settings.ts'

/** `field`, key, full message: in the order in which the vendor checks. */
export type ModelFailure = readonly [field: string, key: string, message: string]

const GATEWAY = (status: number) =>
  `<html><head><title>${status} Bad Gateway</title></head><body><center><h1>${status} Bad Gateway</h1></center></body></html>`

/** The title is the last part of the type in words: every recorded error keeps to that. */
const toTitle = (type: string): string =>
  (type.split('/').at(-1) ?? type)
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(' ')

const INVALID_CREDENTIALS = 'The API key or Session token provided could not be used to validate this request.'

/**
 * Statuses of bad-request are 422, as the vendor's own mock server says of the API (files-mock-server,
 * lib/simulation/error.rb).
 */
const STATUSES: Readonly<Record<string, number>> = {
  'bad-request': 422,
  'not-authenticated': 401,
  'not-authorized': 403,
  'not-found': 404,
  'processing-failure': 422,
  'rate-limited': 429,
  'service-unavailable': 503,
  // Not documented.
  'site-configuration': 403,
}

export function createErrors({ settings }: VendorContext<FilesComSettings>) {
  function send(
    status: number,
    type: string,
    body: { readonly [key: string]: Json | undefined },
    headers: Headers = {},
  ): VendorResponse {
    const { http_code_is_text, wraps_errors_in_array } = settings()
    const error = { ...body, 'http-code': http_code_is_text ? String(status) : status }
    return {
      status,
      headers: { 'x-files-error-class': type, ...headers },
      body: wraps_errors_in_array ? [error] : error,
    }
  }

  /** The body of every error of the API. */
  function refuse(
    type: string,
    message: string,
    extra: { readonly status?: number; readonly data?: Json; readonly headers?: Headers } = {},
  ): VendorResponse {
    const status = extra.status ?? STATUSES[type.split('/', 1)[0] ?? ''] ?? 400
    return send(
      status,
      type,
      { error: message, 'http-code': status, instance: randomUUID(), title: toTitle(type), type, data: extra.data },
      extra.headers,
    )
  }

  return {
    refuse,
    invalidCredentials: () => refuse('not-authenticated/invalid-credentials', INVALID_CREDENTIALS),
    notFound: () => refuse('not-found', 'Not Found.  This may be related to your permissions.'),
    parameterMissing: (name: string) =>
      refuse('bad-request/request-params-required', `Required request parameter missing: ${name}`),
    parameterInvalid: (name: string) =>
      refuse('bad-request/request-params-invalid', `Invalid request parameters: ${name}`),
    regionMismatch: (host: string) =>
      refuse(
        'not-authenticated/lockout-region-mismatch',
        'You have connected to a URL that has different security settings than those required for your site.',
        {
          status: 403,
          data: { host },
          headers: { 'x-files-host': host },
        },
      ),
    /** The recorded body of a refused user, key by key and in its order. */
    modelSaveError(failures: readonly ModelFailure[]): VendorResponse {
      const fields = [...new Set(failures.map(([field]) => field))]
      const byField = (part: 1 | 2) =>
        Object.fromEntries(
          fields.map((field) => [field, failures.filter(([of]) => of === field).map((failure) => failure[part])]),
        )
      const type = 'processing-failure/model-save-error'
      return send(422, type, {
        error: 'Error saving model.',
        'http-code': 422,
        instance: randomUUID(),
        model_errors: byField(2),
        model_error_keys: byField(1),
        errors: failures.map(([, , message]) => message),
        title: toTitle(type),
        type,
      })
    },
  }
}
export type Errors = ReturnType<typeof createErrors>

export function createAnswers(
  context: VendorContext<FilesComSettings>,
  errors: Errors,
): VendorAnswers & { tooManyAtOnce(): VendorResponse } {
  function throttled(type: FilesComSettings['storm_type'], seconds: number, asked?: string | null): VendorResponse {
    const shown = asked === undefined ? (context.settings().sends_retry_after ? String(seconds) : null) : asked
    // The words are not recorded; the types are.
    return errors.refuse(
      `rate-limited/${type}`,
      `${toTitle(type)}.`,
      shown === null ? {} : { headers: { 'retry-after': shown } },
    )
  }

  return {
    unknownRoute: errors.notFound,
    expiredToken: errors.invalidCredentials,
    tooManyAtOnce: () => throttled('too-many-concurrent-requests', 1),
    rateLimited(_request, usage, retryAfter) {
      if (usage === null) return throttled(context.settings().storm_type, 1, retryAfter)
      return throttled('too-many-requests', Math.max(1, Math.ceil((usage.resetAt - context.now()) / 1000)), retryAfter)
    },
    // Recorded: the API's own 500 has no type and its code as text; a gateway answers in HTML.
    serverError(_request, status) {
      if (status !== 500) return { status, headers: { 'content-type': 'text/html' }, body: GATEWAY(status) }
      return {
        status,
        body: {
          error: 'Internal server error, please contact support or the person who created your account.',
          'http-code': '500',
        },
      }
    },
  }
}
