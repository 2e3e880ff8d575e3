import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { describe, expect, test, vi } from 'vitest'
import { describeProvider, json, text } from '../../test/conformance.ts'
import { attemptCreate } from '../engine/attempt.ts'
import { checkInput } from '../engine/field-support.ts'
import type { AccountContext, CreateInput } from '../provider.ts'
import { RemoteFailureError } from '../provider.ts'
import { toUrl } from '../engine/remote-request.ts'
import { toBcp47, toGoogleLanguage } from './languages.ts'
import { googleWorkspace } from './provider.ts'

const account: AccountContext = { config: {}, credentialType: 'service_account' }
const readFixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8')) as Record<string, unknown>
/** A recorded answer of an insert (vendor facts, G.4), with another name. */
const created = readFixture('created.json')
/** A recorded answer of a get (vendor facts, G.4), with another name. */
const found = readFixture('found.json')
const minimal: CreateInput = {
  user: {
    emails: [{ email: 'ada.lovelace@example.com' }],
    password: 'Correct-Horse-9',
    first_name: 'Ada',
    last_name: 'Lovelace',
  },
  remoteQuery: {},
}
const having = (user: Partial<CreateInput['user']>, remoteQuery: CreateInput['remoteQuery'] = {}): CreateInput => ({
  user: { ...minimal.user, ...user },
  remoteQuery,
})
const bodyOf = (input: CreateInput, config: AccountContext['config'] = {}) =>
  googleWorkspace.toCreateRequest(input, { ...account, config }, {}).request.body
const problemsOf = (input: CreateInput) =>
  googleWorkspace.validate(input, account).map(({ pointer, code }) => [pointer, code])

describeProvider(googleWorkspace, {
  account,
  minimal,
  full: {
    user: {
      emails: [
        { email: 'Ada.Lovelace@example.com', is_primary: true },
        { email: 'ada@home.example', type: 'home' },
      ],
      username: 'ada.lovelace@example.com',
      password: 'Correct-Horse-9',
      first_name: 'Ada',
      last_name: 'Lovelace',
      phones: [{ number: '+44 20 0000 0000', extension: '12', type: 'work' }],
      languages: ['en-GB', 'he'],
      status: 'active',
      remote_data: { orgUnitPath: '/Engineering', recoveryEmail: 'ada@home.example' },
    },
    remoteQuery: { resolveConflictAccount: 'true' },
  },
  created: json(200, created),
  foundResponse: json(200, found),
  absent: [
    json(404, {
      error: {
        code: 404,
        message: 'Resource Not Found: userKey',
        errors: [{ domain: 'global', reason: 'notFound', message: 'Resource Not Found: userKey' }],
      },
    }),
  ],
  user: {
    id: '107930582025231265723',
    first_name: 'Ada',
    last_name: 'Lovelace',
    name: 'Ada Lovelace',
    emails: [{ email: 'ada.lovelace@example.com', type: 'primary', is_primary: true }],
    phones: [],
    status: 'active',
    is_2fa_enabled: null,
    avatar: null,
    languages: [],
    created_at: '2017-01-13T22:23:27.000Z',
    last_login_at: null,
  },
})

describe('Google Workspace requests', () => {
  test('a plain user is an address, a password and a name', () => {
    expect(googleWorkspace.toCreateRequest(minimal, account, {})).toEqual({
      request: {
        method: 'POST',
        path: '/admin/directory/v1/users',
        query: {},
        body: {
          primaryEmail: 'ada.lovelace@example.com',
          password: 'Correct-Horse-9',
          name: { givenName: 'Ada', familyName: 'Lovelace' },
        },
      },
      warnings: [],
    })
  })

  test('the primary address is sent in lower case and not among the others', () => {
    const emails = [
      { email: 'ada@home.example', type: 'home' },
      { email: 'Ada@Example.com', is_primary: true },
      { email: 'ada@lab.example', type: 'laboratory' },
      { email: 'ada@x.example' },
    ]
    expect(bodyOf(having({ emails }))).toMatchObject({
      primaryEmail: 'ada@example.com',
      emails: [
        { address: 'ada@home.example', type: 'home' },
        { address: 'ada@lab.example', type: 'custom', customType: 'laboratory' },
        { address: 'ada@x.example', type: 'other' },
      ],
    })
  })

  test.each([
    [
      { number: '1', type: 'mobile' },
      { value: '1', type: 'mobile' },
    ],
    [
      { number: '1', type: 'Cell' },
      { value: '1', type: 'mobile' },
    ],
    [
      { number: '1', type: 'Work Fax' },
      { value: '1', type: 'work_fax' },
    ],
    [
      { number: '1', type: 'fax' },
      { value: '1', type: 'other_fax' },
    ],
    [
      { number: '1', type: 'boat' },
      { value: '1', type: 'custom', customType: 'boat' },
    ],
    [
      { number: '1', extension: '22', type: 'work' },
      { value: '1 x22', type: 'work' },
    ],
    [{ number: '1' }, { value: '1', type: 'other' }],
  ])('phone %j is sent as %j', (phone, sent) => {
    expect(bodyOf(having({ phones: [phone] }))?.phones).toEqual([sent])
  })

  test('the first language is the preferred one, and what is not a language code is a custom language', () => {
    expect(bodyOf(having({ languages: ['en-GB', 'de', 'Klingonaase'] }))?.languages).toEqual([
      { languageCode: 'en-GB', preference: 'preferred' },
      { languageCode: 'de', preference: 'not_preferred' },
      { customLanguage: 'Klingonaase' },
    ])
  })

  test.each([
    ['en-US', 'en'],
    ['en_gb', 'en-GB'],
    ['he', 'iw'],
    ['zh-Hans', 'zh-CN'],
    ['pt-br', 'pt-BR'],
    ['fr', 'fr'],
    ['!', undefined],
  ])('language %s is %s to Google', (tag, code) => {
    expect(toGoogleLanguage(tag)).toBe(code)
  })

  test('the withdrawn code for Hebrew is given back as BCP 47 has it', () => {
    expect([toBcp47('iw'), toBcp47('en-GB')]).toEqual(['he', 'en-GB'])
  })

  test('status inactive suspends the user', () => {
    expect(bodyOf(having({ status: 'inactive' }))?.suspended).toBe(true)
    expect(bodyOf(having({ status: 'active' }))).not.toHaveProperty('suspended')
  })

  test("the account's defaults are sent, and remote_data wins over them", () => {
    const config = { org_unit_path: '/Staff', change_password_at_next_login: true }
    expect(bodyOf(minimal, config)).toMatchObject({ orgUnitPath: '/Staff', changePasswordAtNextLogin: true })
    expect(
      bodyOf(having({ remote_data: { orgUnitPath: '/Engineering', name: { displayName: 'Countess' } } }), config),
    ).toMatchObject({
      orgUnitPath: '/Engineering',
      changePasswordAtNextLogin: true,
      name: { givenName: 'Ada', familyName: 'Lovelace', displayName: 'Countess' },
    })
  })

  test('a username that is an address serves where there are no emails, and that is said', () => {
    const plan = googleWorkspace.toCreateRequest(having({ emails: [], username: 'Ada@Example.com' }), account, {})
    expect(plan.request.body?.primaryEmail).toBe('ada@example.com')
    expect(plan.warnings).toEqual([
      { code: 'derived', pointer: '/emails', detail: 'primaryEmail was taken from the username.' },
    ])
  })

  test('a username beside an address, and fields that Google sets itself, are warned of', () => {
    const plan = googleWorkspace.toCreateRequest(
      having({ username: 'ada', remote_data: { isAdmin: true } }),
      account,
      {},
    )
    expect(plan.warnings.map(({ code, pointer }) => [code, pointer])).toEqual([
      ['not_sent', '/username'],
      ['ignored_by_provider', '/remote_data/isAdmin'],
    ])
    expect(
      googleWorkspace.toCreateRequest(having({ username: 'ADA.lovelace@example.com' }), account, {}).warnings,
    ).toEqual([])
  })

  test('the look-up asks for the address, encoded', () => {
    expect(googleWorkspace.toFindRequest(having({ emails: [{ email: "Ada.O'Neil@example.com" }] }), account)).toEqual({
      method: 'GET',
      path: "/admin/directory/v1/users/ada.o'neil%40example.com",
    })
  })
})

describe('Google Workspace input', () => {
  test('everything missing is reported at once', () => {
    const { problems } = checkInput(googleWorkspace, { user: { username: 'ada' }, remoteQuery: {} }, account)
    expect(problems.map(({ pointer }) => pointer).sort()).toEqual(['/emails', '/first_name', '/last_name', '/password'])
  })

  test.each([
    ['a password of seven characters', { password: 'Short-7' }, '/password', 'invalid_value'],
    ['a password of 101 characters', { password: 'x'.repeat(101) }, '/password', 'invalid_value'],
    ['a password that is not ASCII', { password: 'Pässwörter' }, '/password', 'invalid_value'],
    [
      'a short password in remote_data',
      { remote_data: { password: 'short' } },
      '/remote_data/password',
      'invalid_value',
    ],
    ['a plain password as a digest', { remote_data: { hashFunction: 'SHA-1' } }, '/password', 'invalid_value'],
    [
      'an unknown hash function',
      { remote_data: { hashFunction: 'bcrypt' } },
      '/remote_data/hashFunction',
      'invalid_value',
    ],
    [
      'too many rounds',
      { password: '$6$rounds=10001$salt$digest', remote_data: { hashFunction: 'crypt' } },
      '/password',
      'invalid_value',
    ],
    ['a long first name', { first_name: 'x'.repeat(61) }, '/first_name', 'too_long'],
    ['a long last name', { last_name: 'x'.repeat(61) }, '/last_name', 'too_long'],
    [
      'two periods in a row',
      { emails: [{ email: 'b@example.com' }, { email: 'a..b@example.com', is_primary: true }] },
      '/emails/1/email',
      'invalid_value',
    ],
    ['a plus in the address', { emails: [{ email: 'ada+1@example.com' }] }, '/emails/0/email', 'invalid_value'],
    ['a bad address as username', { emails: [], username: 'a<b@example.com' }, '/username', 'invalid_value'],
    [
      'an address in remote_data that is none',
      { remote_data: { primaryEmail: 'ada' } },
      '/remote_data/primaryEmail',
      'invalid_value',
    ],
    ['a user created as invited', { status: 'invited' as const }, '/status', 'not_supported'],
    [
      'a relative organizational unit',
      { remote_data: { orgUnitPath: 'Engineering' } },
      '/remote_data/orgUnitPath',
      'invalid_value',
    ],
    [
      'a recovery phone without +',
      { remote_data: { recoveryPhone: '555-0100' } },
      '/remote_data/recoveryPhone',
      'invalid_value',
    ],
  ])('%s is refused', (_, user, pointer, code) => {
    expect(problemsOf(having(user))).toEqual([[pointer, code]])
  })

  test.each([
    ['an MD5 digest', { password: 'd41d8cd98f00b204e9800998ecf8427e', remote_data: { hashFunction: 'MD5' } }],
    [
      'a crypt digest longer than a password may be',
      { password: `$6$rounds=10000$salt$${'x'.repeat(86)}`, remote_data: { hashFunction: 'crypt' } },
    ],
    ['an address in remote_data alone', { emails: [], remote_data: { primaryEmail: 'ada@example.com' } }],
    ['names of 60 characters', { first_name: 'x'.repeat(60), last_name: 'x'.repeat(60) }],
  ])('%s is accepted', (_, user) => {
    expect(problemsOf(having(user))).toEqual([])
  })
})

describe('Google Workspace answers', () => {
  test('names and a password of remote_data need not be given twice', () => {
    const user = {
      emails: [{ email: 'ada.lovelace@example.com' }],
      remote_data: { password: 'Correct-Horse-9', name: { givenName: 'Ada', familyName: 'Lovelace' } },
    }
    expect(checkInput(googleWorkspace, { user, remoteQuery: {} }, account).problems).toEqual([])
    expect(
      checkInput(
        googleWorkspace,
        { user: { ...user, remote_data: { name: { givenName: 'Ada' } } }, remoteQuery: {} },
        account,
      ).problems.map(({ pointer }) => pointer),
    ).toEqual(['/password', '/last_name'])
  })

  const read = (body: unknown, input = minimal) => googleWorkspace.toUser(body, input, account)

  test('the answer of a get has more than that of an insert', () => {
    expect(read(found)).toEqual({
      id: '114408423451218541230',
      first_name: 'Ada',
      last_name: 'Lovelace',
      name: 'Ada Lovelace',
      emails: [{ email: 'ada.lovelace@example.com', type: 'primary', is_primary: true }],
      phones: [{ number: '555-0100', extension: null, type: 'work' }],
      status: 'active',
      is_2fa_enabled: false,
      avatar: 'https://lh3.googleusercontent.com/a-/example=s96-c',
      languages: ['en'],
      created_at: '2026-02-10T18:02:56.000Z',
      last_login_at: null,
    })
  })

  test.each([
    ['suspended', { suspended: true }, 'inactive'],
    ['archived', { archived: true }, 'inactive'],
    ['deleted', { suspended: true, deletionTime: '2026-02-11T00:00:00.000Z' }, 'deleted'],
    ['neither', {}, 'active'],
  ])('a user that is %s', (_, change, status) => {
    expect(read({ ...found, ...change }).status).toBe(status)
  })

  test('a real sign-in is a date, the epoch is never', () => {
    expect(read({ ...found, lastLoginTime: '2026-03-01T08:00:00.000Z' }).last_login_at).toBe('2026-03-01T08:00:00.000Z')
    expect(read({ ...found, lastLoginTime: '1970-01-01T00:00:00.000Z' }).last_login_at).toBeNull()
  })

  test('custom types are given by their own name, the preferred language first, the test alias only when it is editable', () => {
    const body = {
      ...found,
      emails: [
        { address: 'ada@lab.example', type: 'custom', customType: 'laboratory' },
        { address: 'a@x.test-google-a.com' },
        { address: 'ada.lovelace@example.com', primary: true },
      ],
      phones: [{ value: '1', type: 'custom', customType: 'boat' }],
      languages: [{ customLanguage: 'Klingonaase' }, { languageCode: 'iw', preference: 'preferred' }],
    }
    expect(read(body)).toMatchObject({
      emails: [
        { email: 'ada@lab.example', type: 'laboratory', is_primary: false },
        { email: 'a@x.test-google-a.com', type: null, is_primary: false },
        { email: 'ada.lovelace@example.com', type: 'primary', is_primary: true },
      ],
      phones: [{ number: '1', type: 'boat' }],
      languages: ['he', 'Klingonaase'],
    })
  })

  test('lists of another shape are absent, not an error', () => {
    expect(read({ ...created, emails: { address: 'x' }, phones: 'none', languages: [1] })).toMatchObject({
      emails: [{ is_primary: true }],
      phones: [],
      languages: [],
    })
  })

  test('fields missing from the answer of an insert are taken from the request; those missing from a get are absent', () => {
    const input = having({
      status: 'inactive',
      emails: [{ email: 'ada.lovelace@example.com' }, { email: 'ada@home.example', type: 'home' }],
      phones: [{ number: '1', extension: '2', type: 'mobile' }],
      languages: ['he'],
    })
    expect(read(created, input)).toMatchObject({
      status: 'inactive',
      emails: [
        { email: 'ada.lovelace@example.com', is_primary: true },
        { email: 'ada@home.example', type: 'home', is_primary: false },
      ],
      phones: [{ number: '1 x2', type: 'mobile' }],
      languages: ['he'],
    })
    const { phones: _phones, languages: _languages, ...bare } = found
    expect(read(bare, input)).toMatchObject({ status: 'active', phones: [], languages: [] })
  })

  test.each([200, 201])('a create answered %i is a create', (status) => {
    expect(googleWorkspace.parseCreated(json(status, created), minimal)).toEqual({
      remoteId: '107930582025231265723',
      body: created,
    })
  })

  test('202 with resolveConflictAccount is an invitation, even without an id', () => {
    const asked = having({}, { resolveConflictAccount: 'true' })
    for (const [body, id] of [
      [created, created.id],
      [{ primaryEmail: 'ada.lovelace@example.com' }, 'ada.lovelace@example.com'],
      [{}, 'ada.lovelace@example.com'],
    ] as const) {
      const invited = googleWorkspace.parseCreated(json(202, body), asked)
      expect(invited).toEqual({ remoteId: id, body, status: 'invited' })
      expect(read(invited?.body, asked).id).toBe(id)
    }
    expect(googleWorkspace.classifyFailure(text(202, ''), asked)).toMatchObject({
      code: 'user_exists',
      outcome: 'failed',
      pointer: '/emails/0/email',
    })
    expect(googleWorkspace.classifyFailure(text(202, ''), minimal).outcome).toBe('unknown')
  })

  test.each(['aliases', 'nonEditableAliases'])(
    '%s: a user who has the address as an alias is another user',
    (field) => {
      const holder = {
        ...found,
        primaryEmail: 'other@example.com',
        [field]: ['x@example.com', 'Ada.Lovelace@Example.com'],
      }
      expect(googleWorkspace.parseFound(json(200, holder), minimal, account)).toMatchObject({
        remoteId: found.id,
        isOther: true,
      })
    },
  )

  test('after a lost answer, a deleted user who still keeps the address is found once the create is refused', async () => {
    const deleted = { ...found, id: '7', deletionTime: '2026-11-01T00:00:00.000Z' }
    const taken = json(409, {
      error: { code: 409, message: 'Entity already exists.', errors: [{ reason: 'duplicate' }] },
    })
    const gone = json(404, { error: { code: 404, message: 'm', errors: [{ domain: 'global', reason: 'notFound' }] } })
    const asked: string[] = []
    const result = await attemptCreate({
      provider: googleWorkspace,
      account,
      input: having({ emails: [{ email: "o'brien@example.com" }] }),
      connection: {
        read: (_, request) => {
          asked.push(toUrl('', request))
          const users = [{ ...deleted, primaryEmail: "o'brien@example.com" }]
          return Promise.resolve(request.query ? json(200, { kind: 'admin#directory#users', users }) : gone)
        },
        write: () => Promise.resolve(taken),
        clockOffsetMs: () => 0,
      },
      onConflict: 'adopt',
      unknown: { firstSentAt: 0, lastSentAt: 0 },
      expiresAt: Infinity,
      lookUp: () => Promise.resolve(undefined),
      recordIntent: () => Promise.resolve(),
      withdrawIntent: () => Promise.resolve(),
    })
    expect(result).toMatchObject({ outcome: 'failed', remoteId: '7', code: 'user_exists' })
    expect(asked.at(-1)).toBe(
      "/admin/directory/v1/users?customer=my_customer&query=email%3D'o%5C'brien%40example.com'&showDeleted=true",
    )
  })

  test('a list of deleted users without the address proves nothing about anyone else, nor does another body', () => {
    const [lookUp] = googleWorkspace.holderLookUps?.(minimal, account) ?? []
    const list = (body: Record<string, unknown>) => lookUp?.parse(json(200, { kind: 'admin#directory#users', ...body }))
    expect(list({})).toBeUndefined()
    expect(list({ users: [{ ...found, primaryEmail: 'other@example.com' }] })).toBeUndefined()
    expect(lookUp?.parse(json(200, {}))).toBe('unreadable')
  })

  test('an answer that names another user, without the alias, matches no one', () => {
    expect(
      googleWorkspace.parseFound(json(200, { ...found, primaryEmail: 'other@example.com' }), minimal, account),
    ).toBeUndefined()
    expect(
      googleWorkspace.parseFound(json(200, { ...found, primaryEmail: 'Ada.Lovelace@Example.com' }), minimal, account),
    ).toMatchObject({ createdAt: '2026-02-10T18:02:56.000Z' })
  })

  test('absent is 404 from the API, and nothing else', () => {
    const notFound = {
      error: {
        code: 404,
        message: 'Resource Not Found: userKey',
        errors: [{ domain: 'global', reason: 'notFound', message: 'Resource Not Found: userKey' }],
      },
    }
    const forbidden = {
      error: {
        code: 403,
        message: 'Not Authorized to access this resource/api',
        errors: [{ domain: 'global', reason: 'forbidden' }],
      },
    }
    expect(
      [json(404, notFound), json(403, forbidden), text(404, '<html>')].map((answer) =>
        googleWorkspace.isAbsent?.(answer),
      ),
    ).toEqual([true, false, false])
  })
})

describe('Google Workspace failures', () => {
  const error = (status: number, reason: string, message: string, more: object = {}) =>
    json(status, { error: { code: status, message, errors: [{ domain: 'global', reason, message }], ...more } })
  const detail = (reason: string) => ({ details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason }] })
  const unit = having({ remote_data: { orgUnitPath: '/Nowhere' } })
  const schemas = having({ remote_data: { customSchemas: { a: { b: 1 } } } })

  test.each([
    [
      'a duplicate user, alias or group',
      error(409, 'duplicate', 'Entity already exists.'),
      'user_exists',
      'failed',
      '/emails/0/email',
    ],
    [
      'a bad last name',
      error(400, 'invalid', 'Invalid Given/Family Name: FamilyName'),
      'provider_validation_failed',
      'failed',
      '/last_name',
    ],
    [
      'a bad first name',
      error(400, 'invalid', 'Invalid Given/Family Name: GivenName'),
      'provider_validation_failed',
      'failed',
      '/first_name',
    ],
    [
      'a missing name',
      error(400, 'required', 'Required parameter: [resource.name]'),
      'provider_validation_failed',
      'failed',
      '/first_name',
    ],
    ['a bad password', error(400, 'invalid', 'Invalid Password'), 'password_rejected', 'failed', '/password'],
    [
      'a bad address',
      error(400, 'invalid', 'Invalid Input: primary_user_email'),
      'provider_validation_failed',
      'failed',
      '/emails/0/email',
    ],
    [
      'an organizational unit of the account',
      error(400, 'invalid', 'Invalid Input: INVALID_OU_ID'),
      'provider_not_found',
      'failed',
      undefined,
    ],
    [
      'a bad custom schema',
      error(400, 'invalid', 'Invalid Input: custom_schema'),
      'provider_validation_failed',
      'failed',
      undefined,
    ],
    [
      'another bad request',
      error(400, 'invalidInput', 'Invalid Input: Bad request for x'),
      'provider_validation_failed',
      'failed',
      undefined,
    ],
    [
      'a system error dressed as a 400',
      error(400, 'invalid', 'A system error has occurred'),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      'a foreign domain, or an admin without the right',
      error(403, 'forbidden', 'Not Authorized to access this resource/api'),
      'permission_denied',
      'failed',
      undefined,
    ],
    [
      'a domain that does not exist',
      error(404, 'domainNotFound', 'Domain not found.'),
      'provider_not_found',
      'failed',
      '/emails/0/email',
    ],
    [
      'a domain that does not exist, in other words',
      error(404, 'notFound', 'Resource Not Found: domain'),
      'provider_not_found',
      'failed',
      '/emails/0/email',
    ],
    [
      'the user limit',
      error(412, 'limitExceeded', 'Domain user limit reached.'),
      'license_limit_reached',
      'failed',
      undefined,
    ],
    [
      'a user still being made',
      error(412, 'conditionNotMet', 'User creation is not complete.'),
      'provider_unavailable',
      'retrying',
      undefined,
    ],
    [
      'a missing scope',
      error(403, 'insufficientPermissions', 'Request had insufficient authentication scopes.', {
        status: 'PERMISSION_DENIED',
        ...detail('ACCESS_TOKEN_SCOPE_INSUFFICIENT'),
      }),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'a missing scope, in the detail alone',
      error(
        403,
        'forbidden',
        'Request had insufficient authentication scopes.',
        detail('ACCESS_TOKEN_SCOPE_INSUFFICIENT'),
      ),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'an API that is switched off',
      error(403, 'accessNotConfigured', 'Admin SDK API has not been used in project 1.'),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'a domain without API access',
      error(403, 'domainCannotUseApis', 'The domain cannot use apis.'),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'a dead token',
      error(401, 'authError', 'Request had invalid authentication credentials.', { status: 'UNAUTHENTICATED' }),
      'credentials_rejected',
      'held',
      undefined,
    ],
    [
      'a quota of the user',
      error(403, 'userRateLimitExceeded', 'User Rate Limit Exceeded'),
      'rate_limited',
      'rate_limited',
      undefined,
    ],
    [
      'a quota of the project',
      error(403, 'quotaExceeded', 'Quota exceeded'),
      'rate_limited',
      'rate_limited',
      undefined,
    ],
    [
      'a rate limit',
      error(429, 'rateLimitExceeded', 'Rate Limit Exceeded', { status: 'RESOURCE_EXHAUSTED' }),
      'rate_limited',
      'rate_limited',
      undefined,
    ],
    ['a backend error', error(500, 'backendError', 'Backend Error'), 'provider_unavailable', 'unknown', undefined],
    [
      'a backend error that says 403',
      error(403, 'backendError', 'Backend Error'),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      'an overloaded service',
      error(503, 'backendError', 'Service unavailable. Please try again'),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    ['a gateway page', text(502, '<html><h1>502</h1></html>'), 'provider_unavailable', 'unknown', undefined],
    [
      'two writers at once',
      error(409, 'conflict', 'The operation was aborted.'),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      'two writers at once, in the newer form',
      json(409, { error: { code: 409, message: 'Conflict', status: 'ABORTED' } }),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      'a duplicate in the newer form',
      json(409, { error: { code: 409, message: 'Entity', status: 'ALREADY_EXISTS' } }),
      'user_exists',
      'failed',
      '/emails/0/email',
    ],
    ['a rate by user', error(403, 'userRateLimitExceededUnreg', 'Daily'), 'rate_limited', 'rate_limited', undefined],
    [
      'a rate, nested alone',
      json(403, { error: { code: 403, message: 'Quota', details: [{ reason: 'RATE_LIMIT_EXCEEDED' }] } }),
      'rate_limited',
      'rate_limited',
      undefined,
    ],
    [
      'a rate, by status alone',
      json(403, { error: { code: 403, message: 'Quota', status: 'RESOURCE_EXHAUSTED' } }),
      'rate_limited',
      'rate_limited',
      undefined,
    ],
    [
      'an overloaded service that says 403',
      json(403, { error: { code: 403, message: 'Busy', status: 'UNAVAILABLE' } }),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
  ])('%s', (_, response, code, outcome, pointer) => {
    const failure = googleWorkspace.classifyFailure(response, minimal)
    expect({ code: failure.code, outcome: failure.outcome, pointer: failure.pointer }).toEqual({
      code,
      outcome,
      pointer,
    })
    expect(failure).not.toHaveProperty('retryAfterMs')
  })

  test('a daily quota cools down until midnight in California, with a probe once an hour', () => {
    const daily = () => googleWorkspace.classifyFailure(error(403, 'dailyLimitExceeded', 'Daily Limit Exceeded'))
    vi.useFakeTimers()
    try {
      vi.setSystemTime(Date.parse('2026-03-01T10:00:00-08:00'))
      expect(daily()).toMatchObject({ code: 'rate_limited', outcome: 'rate_limited', retryAfterMs: 3_600_000 })
      vi.setSystemTime(Date.parse('2026-03-01T23:45:00-08:00'))
      expect(daily()).toMatchObject({ code: 'rate_limited', outcome: 'rate_limited', retryAfterMs: 900_000 })
    } finally {
      vi.useRealTimers()
    }
  })

  test('403 `forbidden` does not answer a look-up: users who are seconds old get it', () => {
    const forbidden = error(403, 'forbidden', 'Not Authorized to access this resource/api')
    expect(googleWorkspace.classifyFailure(forbidden, minimal, { purpose: 'find', account })).toMatchObject({
      code: 'provider_unavailable',
      outcome: 'retrying',
    })
    for (const purpose of ['create', 'check'] as const)
      expect(googleWorkspace.classifyFailure(forbidden, minimal, { purpose, account })).toMatchObject({
        code: 'permission_denied',
        outcome: 'failed',
      })
  })

  test('points at what the request gave', () => {
    const pointerOf = (response: ReturnType<typeof json>, input: CreateInput) =>
      googleWorkspace.classifyFailure(response, input).pointer
    expect(pointerOf(error(400, 'invalid', 'Invalid Input: INVALID_OU_ID'), unit)).toBe('/remote_data/orgUnitPath')
    expect(pointerOf(error(400, 'invalidOrgunit', 'Bad'), unit)).toBe('/remote_data/orgUnitPath')
    expect(pointerOf(error(400, 'invalidSchemaValue', 'Bad'), schemas)).toBe('/remote_data/customSchemas')
    expect(
      pointerOf(
        error(409, 'duplicate', 'Entity already exists.'),
        having({ emails: [{ email: 'a@x.example' }, { email: 'b@x.example', is_primary: true }] }),
      ),
    ).toBe('/emails/1/email')
    expect(
      pointerOf(error(409, 'duplicate', 'Entity already exists.'), having({ emails: [], username: 'a@x.example' })),
    ).toBe('/username')
  })

  test('a gateway that sends Retry-After is believed', () => {
    const { body } = error(429, 'rateLimitExceeded', 'Rate Limit Exceeded')
    expect(googleWorkspace.classifyFailure(json(429, body, { 'retry-after': '3' }), minimal).retryAfterMs).toBe(3_000)
  })

  test('markup leaves the message', () => {
    const failure = googleWorkspace.classifyFailure(error(400, 'invalid', '<b>Invalid</b>\n<p>Input</p>'), minimal)
    expect(failure.message).toBe('Invalid Input')
  })
})

describe('Google Workspace logins', () => {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const now = Date.UTC(2026, 2, 2, 10)
  const scope = 'https://www.googleapis.com/auth/admin.directory.user'
  const serviceAccount = googleWorkspace.authentications.service_account
  const refreshToken = googleWorkspace.authentications.refresh_token
  if (serviceAccount?.kind !== 'token' || refreshToken?.kind !== 'token')
    throw new Error('both trade credentials for a token')
  const credentials = {
    type: 'service_account' as const,
    client_email: 'muster@project.iam.gserviceaccount.com',
    private_key: privateKey,
    subject: 'admin@example.com',
  }

  test('a service account signs for an administrator, for an hour', async () => {
    const request = await serviceAccount.toTokenRequest(credentials, account, 'https://admin.googleapis.com', now)
    expect(request).toMatchObject({
      url: 'https://oauth2.googleapis.com/token',
      form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer' },
    })
    const assertion = request.form.assertion ?? ''
    expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'RS256', typ: 'JWT' })
    expect(decodeJwt(assertion)).toMatchObject({
      iss: credentials.client_email,
      sub: 'admin@example.com',
      scope,
      aud: 'https://oauth2.googleapis.com/token',
      iat: now / 1000,
      exp: now / 1000 + 3600,
    })
  })

  test('token_url moves the endpoint and the audience with it', async () => {
    const moved = { ...account, config: { token_url: 'http://127.0.0.1:9103/token' } }
    const request = await serviceAccount.toTokenRequest(credentials, moved, 'http://127.0.0.1:9103', now)
    expect(request.url).toBe('http://127.0.0.1:9103/token')
    expect(decodeJwt(request.form.assertion ?? '').aud).toBe('http://127.0.0.1:9103/token')
  })

  test('a refresh token is traded as a form', async () => {
    const own = { type: 'refresh_token' as const, client_id: 'id', client_secret: 'secret', refresh_token: '1//0g' }
    expect(await refreshToken.toTokenRequest(own, account, 'https://admin.googleapis.com', now)).toEqual({
      url: 'https://oauth2.googleapis.com/token',
      form: { grant_type: 'refresh_token', client_id: 'id', client_secret: 'secret', refresh_token: '1//0g' },
    })
  })

  test('an access token is sent as a bearer, and its end is known', () => {
    const token = serviceAccount.parseToken({ access_token: 'ya29.c', expires_in: 3599, token_type: 'Bearer' }, now)
    expect(token).toEqual({ value: 'ya29.c', expiresAt: now + 3_599_000 })
    expect(serviceAccount.toHeaders(token)).toEqual({ authorization: 'Bearer ya29.c' })
  })

  test('a consent without the directory scope holds the account', () => {
    const token = { access_token: 'ya29.a', expires_in: 3599, token_type: 'Bearer' }
    expect(refreshToken.parseToken({ ...token, scope: `openid ${scope}` }, now).value).toBe('ya29.a')
    const refused = () => refreshToken.parseToken({ ...token, scope: `${scope}.readonly` }, now)
    expect(refused).toThrow(RemoteFailureError)
    expect(refused).toThrow(
      expect.objectContaining({
        failure: expect.objectContaining({ outcome: 'held', code: 'permission_denied' }) as unknown,
      }),
    )
  })

  test.each(['admin.googleapis.com', 'oauth2.googleapis.com', 'www.googleapis.com'])(
    '%s is a host of Google',
    (host) => {
      expect(googleWorkspace.hosts.patterns.some((pattern) => pattern.test(host))).toBe(true)
    },
  )

  test.each(['admin.googleapis.com.example.com', 'storage.googleapis.com', 'googleapis.com'])(
    '%s gets no credentials',
    (host) => {
      expect(googleWorkspace.hosts.patterns.some((pattern) => pattern.test(host))).toBe(false)
    },
  )
})
