import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { describeProvider, json, text } from '../../test/conformance.ts'
import type { AccountContext, CreateInput, RemoteResponse } from '../provider.ts'
import { okta } from './provider.ts'

const account: AccountContext = { config: { base_url: 'https://acme.okta.com' }, credentialType: 'api_token' }
/** Recorded shape: vendor facts, O.4. */
const created = JSON.parse(readFileSync(new URL('fixtures/created.json', import.meta.url), 'utf8')) as unknown
const minimal: CreateInput = {
  user: { emails: [{ email: 'ada.lovelace@example.com' }], first_name: 'Ada', last_name: 'Lovelace' },
  remoteQuery: {},
}
const error = (
  status: number,
  errorCode: string,
  errorSummary: string,
  causes: string[] = [],
  headers: Record<string, string> = {},
) =>
  json(
    status,
    {
      errorCode,
      errorSummary,
      errorLink: errorCode,
      errorId: 'oae1',
      errorCauses: causes.map((cause) => ({ errorSummary: cause })),
    },
    headers,
  )

describeProvider(okta, {
  account,
  minimal,
  full: {
    user: {
      emails: [{ email: 'Ada.Lovelace@example.com', is_primary: true }, { email: 'ada@home.example' }],
      username: 'ada.lovelace@example.com',
      first_name: 'Ada',
      last_name: 'Lovelace',
      phones: [
        { number: '+44 7000 000000', type: 'mobile' },
        { number: '+44 20 0000 0000', type: 'work' },
      ],
      password: 'Correct-Horse-9',
      timezone: 'Europe/London',
      languages: ['en-GB'],
      groups: [{ id: '00g1emaKYZTWRYYRRTSK' }],
      status: 'active',
      remote_data: { profile: { department: 'Engines' } },
    },
    remoteQuery: { nextLogin: 'changePassword' },
  },
  created: json(200, created),
  foundResponse: json(200, created),
  absent: [error(404, 'E0000007', 'Not found: Resource not found: ada.lovelace@example.com (User)')],
  user: {
    id: '00u14y6xs81Lh9wJV698',
    first_name: 'Ada',
    last_name: 'Lovelace',
    name: 'Ada Lovelace',
    username: 'ada.lovelace@example.com',
    emails: [{ email: 'ada.lovelace@example.com', type: 'primary', is_primary: true }],
    phones: [],
    status: 'invited',
    timezone: null,
    languages: [],
    created_at: '2026-03-01T18:49:54.000Z',
    updated_at: '2026-03-01T18:49:54.000Z',
    last_login_at: null,
    status_changed_at: '2026-03-01T18:49:54.000Z',
    activated_at: '2026-03-01T18:49:54.000Z',
  },
})

describe('Okta requests', () => {
  test('login and email come from the primary address, and the derivation is said', () => {
    const { request, warnings } = okta.toCreateRequest(minimal, account, {})
    expect(request).toEqual({
      method: 'POST',
      path: '/api/v1/users',
      query: { activate: true },
      body: {
        profile: {
          login: 'ada.lovelace@example.com',
          email: 'ada.lovelace@example.com',
          firstName: 'Ada',
          lastName: 'Lovelace',
        },
      },
    })
    expect(warnings).toEqual([
      { code: 'derived', pointer: '/username', detail: 'login was taken from the primary e-mail.' },
    ])
  })

  test('custom attributes of remote_data join the mapped profile', () => {
    const { request } = okta.toCreateRequest(
      { ...minimal, user: { ...minimal.user, remote_data: { profile: { costCenter: '7', firstName: 'Augusta' } } } },
      account,
      {},
    )
    expect(request.body?.profile).toMatchObject({
      login: 'ada.lovelace@example.com',
      costCenter: '7',
      firstName: 'Augusta',
    })
  })

  test('what has no place is warned of, one by one', () => {
    const phones = [{ number: '1', type: 'mobile' }, { number: '2', extension: '9' }, { number: '3' }]
    const emails = ['a@x.example', 'b@x.example', 'c@x.example'].map((email) => ({ email }))
    const { warnings } = okta.toCreateRequest(
      { ...minimal, user: { ...minimal.user, emails, phones, languages: ['en', 'de'] } },
      account,
      {},
    )
    expect(warnings.map((warning) => warning.pointer)).toEqual([
      '/username',
      '/emails/2',
      '/phones/1/extension',
      '/phones/2',
      '/languages/1',
    ])
  })

  test.each([
    ['status inactive stages the user', { status: 'inactive' as const }, {}, {}, false],
    ['the account can be set to stage', {}, { activate: false }, {}, false],
    ['remote_query wins over both', { status: 'inactive' as const }, { activate: false }, { activate: 'true' }, 'true'],
  ])('%s', (_, user, config, remoteQuery, activate) => {
    const { request } = okta.toCreateRequest(
      { user: { ...minimal.user, ...user }, remoteQuery },
      { ...account, config: { ...account.config, ...config } },
      {},
    )
    expect(request.query).toEqual({ activate })
  })

  test('two logins that Okta takes for equal have one natural key', () => {
    const key = (username: string) =>
      okta.toNaturalKey({ ...minimal, user: { ...minimal.user, username } }, account).value
    expect(key('José@Example.com')).toBe(key('jose@example.com'))
  })
})

describe('Okta answers', () => {
  test.each([
    ['STAGED', 'inactive'],
    ['PROVISIONED', 'invited'],
    ['ACTIVE', 'active'],
    ['RECOVERY', 'active'],
    ['PASSWORD_EXPIRED', 'active'],
    ['LOCKED_OUT', 'LOCKED_OUT'],
    ['SUSPENDED', 'inactive'],
    ['DEPROVISIONED', 'inactive'],
    ['SOMETHING_NEW', 'SOMETHING_NEW'],
  ])('status %s is %s', (status, unified) => {
    expect(okta.toUser({ ...(created as object), status }, minimal, account).status).toBe(unified)
  })
})

describe('Okta failures', () => {
  test('is reported by the id that support asks for, of the answer or else of the failure', () => {
    expect(okta.toProviderRequestId?.(json(200, created, { 'x-okta-request-id': '3e3d0a2fd47e' }))).toBe('3e3d0a2fd47e')
    expect(okta.toProviderRequestId?.(error(400, 'E0000001', 'Api validation failed: login'))).toBe('oae1')
    expect(okta.toProviderRequestId?.(text(502, '<html>'))).toBeUndefined()
  })

  test('a refused value is looked for where the request gave it', () => {
    const refusal = error(400, 'E0000001', 'Api validation failed: email', ['email: Does not match required pattern'])
    const emails = [{ email: 'a@x.example' }, { email: 'b@x.example', is_primary: true }]
    expect(okta.classifyFailure(refusal, { ...minimal, user: { ...minimal.user, emails } }).pointer).toBe(
      '/emails/1/email',
    )
    expect(
      okta.classifyFailure(refusal, { ...minimal, user: { ...minimal.user, remote_data: { profile: { email: 'x' } } } })
        .pointer,
    ).toBe('/remote_data/profile/email')
  })

  test.each([
    [
      'a duplicate login',
      error(400, 'E0000001', 'Api validation failed: login', [
        'login: An object with this field already exists in the current organization',
      ]),
      'user_exists',
      'failed',
      '/username',
    ],
    [
      'an unknown attribute',
      error(400, 'E0000001', 'Api validation failed: newUser', ["Property name 'notValid' is not defined in profile"]),
      'provider_validation_failed',
      'failed',
      undefined,
    ],
    [
      'a malformed address',
      error(400, 'E0000001', 'Api validation failed: email', ['email: Does not match required pattern']),
      'provider_validation_failed',
      'failed',
      '/emails/0/email',
    ],
    [
      'a weak password',
      error(400, 'E0000001', 'Api validation failed: password', ['password: Password requirements were not met.']),
      'password_rejected',
      'failed',
      '/password',
    ],
    [
      'a weak password, the other way',
      error(403, 'E0000080', 'The password does not meet the complexity requirements.'),
      'password_rejected',
      'failed',
      '/password',
    ],
    [
      'too many groups',
      error(400, 'E0000093', 'Target count limit exceeded', ['The number of group targets is too large']),
      'provider_validation_failed',
      'failed',
      '/groups',
    ],
    ['a revoked token', error(401, 'E0000011', 'Invalid token provided'), 'credentials_rejected', 'held', undefined],
    [
      'an admin without the right',
      error(403, 'E0000006', 'You do not have permission to perform the requested action'),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'a missing scope, in the header alone',
      text(403, '', { 'www-authenticate': 'Bearer scope="okta.users.manage", error="insufficient_scope"' }),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'read-only mode',
      error(503, 'E0000010', 'Service is in read only mode'),
      'provider_unavailable',
      'retrying',
      undefined,
    ],
    [
      'an internal error',
      error(500, 'E0000009', 'Internal Server Error'),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      'a user type that is being set up',
      error(409, 'E0000253', 'The User type is still being initialized'),
      'provider_unavailable',
      'retrying',
      undefined,
    ],
  ])('%s', (_, response, code, outcome, pointer) => {
    const failure = okta.classifyFailure(response)
    expect({ code: failure.code, outcome: failure.outcome, pointer: failure.pointer }).toEqual({
      code,
      outcome,
      pointer,
    })
  })

  test('a denied action is in doubt, a refused token is to be confirmed, a missing scope is final', () => {
    const certaintyOf = (response: RemoteResponse) => okta.classifyFailure(response).certainty
    expect(certaintyOf(error(403, 'E0000006', 'You do not have permission'))).toBeUndefined()
    expect(certaintyOf(error(401, 'E0000011', 'Invalid token provided'))).toBe('confirm')
    expect(certaintyOf(text(403, '', { 'www-authenticate': 'Bearer error="insufficient_scope"' }))).toBe('final')
  })

  test('a rate limit waits until the reset, by the clock of the answer, and a second more', () => {
    const headers = {
      date: 'Mon, 02 Mar 2026 10:00:00 GMT',
      'x-rate-limit-limit': '300',
      'x-rate-limit-reset': String(Date.UTC(2026, 2, 2, 10, 0, 20) / 1000),
    }
    expect(okta.classifyFailure(error(429, 'E0000047', 'API call exceeded rate limit', [], headers))).toMatchObject({
      outcome: 'rate_limited',
      retryAfterMs: 21_000,
    })
  })

  test('a concurrency limit is not believed about its reset', () => {
    const headers = { 'x-rate-limit-limit': '0', 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': '9999999999' }
    expect(okta.classifyFailure(error(429, 'E0000047', 'API call exceeded rate limit', [], headers)).retryAfterMs).toBe(
      2_000,
    )
  })
})
