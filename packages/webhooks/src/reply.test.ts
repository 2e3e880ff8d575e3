import { TransportError } from '@muster/contracts/http-client'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { classifyReply } from './reply.ts'

const NOW = Date.parse('2026-03-01T10:00:00Z')
const answered = (status: number, headers: Record<string, string> = {}, body = '') =>
  classifyReply({ response: { status, headers, body } }, NOW)
const failedWith = (code: string, isSent: boolean) => classifyReply({ error: new TransportError(code, isSent) }, NOW)

describe('an answer', () => {
  test.each([200, 201, 202, 204, 299])('%d is delivered', (status) =>
    expect(answered(status)).toEqual({ outcome: 'delivered', statusCode: status }),
  )

  test('is delivered however little of it was read', () => {
    expect(classifyReply({ response: { status: 200, headers: {}, body: '', isTruncated: true } }, NOW).outcome).toBe(
      'delivered',
    )
  })

  test('410 says that the receiver wants nothing more', () =>
    expect(answered(410, { 'retry-after': '5' })).toEqual({ outcome: 'gone', reason: 'gone', statusCode: 410 }))

  test.each([300, 301, 302, 303, 304, 307, 308])('%d is a redirect, and failed', (status) =>
    expect(answered(status, { location: 'https://example.com/' })).toEqual({
      outcome: 'failed',
      reason: 'redirect',
      statusCode: status,
    }),
  )

  test.each([101, 400, 401, 404, 409, 429, 500, 502, 503, 504, 599])('%d failed', (status) =>
    expect(answered(status)).toEqual({ outcome: 'failed', reason: `status_${status}`, statusCode: status }),
  )

  test.each([429, 503, 500, 400, 301])('%d may ask to be left alone for a while', (status) =>
    expect(answered(status, { 'retry-after': '120' }).retryAfterMs).toBe(120_000),
  )

  test('asks by a date on its own clock, and is not believed beyond a day', () => {
    expect(
      answered(503, { 'retry-after': 'Sun, 01 Mar 2026 12:00:30 GMT', date: 'Sun, 01 Mar 2026 12:00:00 GMT' })
        .retryAfterMs,
    ).toBe(30_000)
    expect(answered(503, { 'retry-after': '99999999' }).retryAfterMs).toBe(86_400_000)
    expect(answered(503, { 'retry-after': 'soon' })).not.toHaveProperty('retryAfterMs')
  })
})

describe('no answer', () => {
  test.each<[string, boolean, string]>([
    ['TIMEOUT', true, 'timeout'],
    ['UND_ERR_HEADERS_TIMEOUT', true, 'timeout'],
    ['UND_ERR_BODY_TIMEOUT', true, 'timeout'],
    ['ADDRESS_REFUSED', false, 'address_refused'],
    ['ABORTED', true, 'aborted'],
    ['ERR_INVALID_URL', false, 'invalid_request'],
    ['UND_ERR_INVALID_ARG', false, 'invalid_request'],
    ['ENOTFOUND', false, 'name_not_resolved'],
    ['EAI_AGAIN', false, 'name_not_resolved'],
    ['EPROTO', false, 'tls'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', false, 'tls'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', false, 'tls'],
    ['CERT_HAS_EXPIRED', false, 'tls'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', false, 'tls'],
    ['SELF_SIGNED_CERT_IN_CHAIN', false, 'tls'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', false, 'tls'],
    ['ECONNREFUSED', false, 'connection_failed'],
    ['EHOSTUNREACH', false, 'connection_failed'],
    ['UND_ERR_CONNECT_TIMEOUT', false, 'connection_failed'],
    ['ECONNRESET', false, 'connection_failed'],
    ['ECONNRESET', true, 'connection_lost'],
    ['UND_ERR_SOCKET', true, 'connection_lost'],
    ['HPE_INVALID_CONSTANT', true, 'invalid_reply'],
    ['UND_ERR_RES_EXCEEDED_MAX_SIZE', true, 'invalid_reply'],
    ['SOMETHING_NEW', true, 'connection_lost'],
    ['SOMETHING_NEW', false, 'connection_failed'],
  ])('%s, sent: %s, is %s', (code, isSent, reason) =>
    expect(failedWith(code, isSent)).toEqual({ outcome: 'failed', reason }),
  )

  test('an internal error is not blamed on the receiver', () => {
    for (const error of [new TypeError('x'), undefined, null, 'text', { code: 'TIMEOUT' }])
      expect(classifyReply({ error }, NOW)).toEqual({ outcome: 'failed', reason: 'internal' })
  })
})

test('whatever comes is one of three, with a reason that is short and safe to show', () => {
  const response = fc
    .record({
      status: fc.integer({ min: 100, max: 999 }),
      headers: fc.dictionary(fc.constantFrom('retry-after', 'date', 'location'), fc.string()),
      body: fc.string(),
    })
    .map((value) => ({ response: value }))
  const error = fc
    .tuple(fc.string(), fc.boolean())
    .map(([code, isSent]) => ({ error: new TransportError(code, isSent) }))
  fc.assert(
    fc.property(
      fc.oneof(
        response,
        error,
        fc.anything().map((value) => ({ error: value })),
      ),
      (exchange) => {
        const { outcome, reason } = classifyReply(exchange, NOW)
        expect(outcome).toBe(
          'response' in exchange && exchange.response.status < 300 && exchange.response.status >= 200
            ? 'delivered'
            : 'response' in exchange && exchange.response.status === 410
              ? 'gone'
              : 'failed',
        )
        if (outcome !== 'delivered') expect(reason).toMatch(/^[a-z0-9_]{2,20}$/)
      },
    ),
  )
})
