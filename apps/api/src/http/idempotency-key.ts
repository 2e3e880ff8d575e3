import { RequestError } from './request-error.ts'

/** draft-ietf-httpapi-idempotency-key-header-07: a quoted string; most clients send it bare. */
export function parseIdempotencyKey(header: string | undefined): string | null {
  if (header === undefined) return null
  const key = header.trim().replace(/^"(.*)"$/, '$1')
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return key
  throw new RequestError('validation_failed', 'Idempotency-Key must be 1 to 255 visible ASCII characters.', {
    errors: [{ pointer: 'Idempotency-Key', code: 'invalid_header', detail: 'must be 1 to 255 visible ASCII characters' }],
  })
}
