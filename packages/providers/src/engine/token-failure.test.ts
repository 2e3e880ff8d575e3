import { describe, expect, test } from 'vitest'
import { json, text } from '../../test/conformance.ts'
import type { RemoteResponse } from '../provider.ts'
import { classifyTokenFailure } from './token-failure.ts'

const error = (code: string, description?: string, status = 400) =>
  json(status, { error: code, ...(description === undefined ? {} : { error_description: description }) })

describe('a token endpoint that refuses', () => {
  test.each<[string, RemoteResponse, string]>([
    ['a grant that was revoked', error('invalid_grant', 'revoked'), 'credentials_rejected'],
    [
      'Salesforce, an ended refresh token',
      error('invalid_grant', 'expired access/refresh token'),
      'credentials_rejected',
    ],
    ['an unknown client', error('invalid_client', undefined, 401), 'credentials_rejected'],
    ['a client that may not', error('unauthorized_client'), 'credentials_rejected'],
    [
      'a client that was deleted',
      error('deleted_client', 'The OAuth client was deleted.', 401),
      'credentials_rejected',
    ],
    ['a scope that was not granted', error('invalid_scope'), 'permission_denied'],
  ])('is believed at once about %s', (_, response, code) => {
    expect(classifyTokenFailure(response)).toMatchObject({ outcome: 'held', code, certainty: 'final' })
  })

  test.each<[string, RemoteResponse]>([
    ['an unknown code', error('app_not_ready', 'The app is not ready.')],
    ['a request that it cannot read', error('invalid_request', 'bad parameters')],
    ['no code of OAuth', json(403, { errorCode: 'E0000006', errorSummary: 'You do not have permission' })],
  ])('is in doubt with %s', (_, response) => {
    const failure = classifyTokenFailure(response)
    expect(failure).toMatchObject({ code: 'credentials_rejected', outcome: 'held' })
    expect(failure).not.toHaveProperty('certainty')
  })

  test('its words are bounded', () => {
    expect(classifyTokenFailure(error('x'.repeat(100_000))).message.length).toBeLessThan(2_000)
  })
})

describe('a token endpoint that stammers', () => {
  test.each<[string, RemoteResponse]>([
    ['Salesforce, that wants to be asked again', error('unknown_error', 'retry your request')],
    ['Salesforce, two renewals at once', error('invalid_request', 'token request is already being processed')],
    ['the same under a code that is final', error('invalid_grant', 'token request is already being processed')],
    ['Salesforce, two renewals at once, in other words', error('invalid_grant', 'expired authorization code')],
    ['Google, a backend error', error('internal_failure', 'Backend Error')],
    ['Google, in its other form', json(403, { error: { code: 403, status: 'UNAVAILABLE', message: 'Try later' } })],
    ['a server error as a 400', error('server_error')],
    ['a server that is away as a 403', error('temporarily_unavailable', undefined, 403)],
    ['an unknown code with words that suggest a pause', error('oops', 'Please try again later.')],
    ['a page of a firewall', text(403, '<html>Access denied</html>')],
    ['a page with 401', text(401, '<html>Unauthorized</html>')],
    ['an empty 400', text(400, '')],
    ['an empty 404', text(404, '')],
    ['a gateway', text(503, '')],
    ['a time-out', json(408, {})],
  ])('is asked again: %s', (_, response) => {
    expect(classifyTokenFailure(response)).toMatchObject({
      code: 'provider_unavailable',
      outcome: 'retrying',
    })
  })

  test.each<[string, RemoteResponse]>([
    ['429', json(429, {})],
    ['RFC 8628', error('slow_down')],
    ['Google', error('rate_limit_exceeded')],
    ['Salesforce, beside a code that is final', error('invalid_grant', 'login rate exceeded')],
    ['words alone', error('invalid_request', 'Too many requests')],
  ])('is left alone for a while where it throttles: %s', (_, response) => {
    expect(classifyTokenFailure(response)).toMatchObject({ code: 'rate_limited', outcome: 'rate_limited' })
  })

  test('is left alone for as long as it asks', () => {
    expect(classifyTokenFailure(json(429, {}, { 'retry-after': '7' })).retryAfterMs).toBe(7_000)
    expect(classifyTokenFailure(text(503, '', { 'retry-after': '7' })).retryAfterMs).toBe(7_000)
  })
})
