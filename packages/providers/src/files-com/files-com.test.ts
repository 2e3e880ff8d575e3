import { readFileSync } from 'node:fs'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import { describe, expect, test } from 'vitest'
import { describeProvider, json, text } from '../../test/conformance.ts'
import { RemoteFailureError, UnresolvedInputError, type AccountContext, type CreateInput } from '../provider.ts'
import { toUrl } from '../engine/remote-request.ts'
import { filesCom } from './provider.ts'

const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8')) as Record<string, unknown>
/**
 * The vendor's complete example of a user (files-mock-server, app/user_api.rb); its group_ids "example" is a
 * placeholder.
 */
const created = fixture('created')
/** Test of the vendor's Java SDK, FilesApiTest.java. */
const modelSaveError = fixture('model-save-error')

const account: AccountContext = { config: {}, credentialType: 'api_key' }
const withConfig = (config: AccountContext['config']): AccountContext => ({ ...account, config })
const inputOf = (user: UnifiedUserInput, remoteQuery: CreateInput['remoteQuery'] = {}): CreateInput => ({
  user,
  remoteQuery,
})
const ada = { username: 'ada', emails: [{ email: 'ada@example.com' }] }
const planOf = (user: UnifiedUserInput, found: Record<string, unknown> = {}, config: AccountContext['config'] = {}) =>
  filesCom.toCreateRequest(inputOf(user), withConfig(config), found)
const bodyOf = (...of: Parameters<typeof planOf>) => planOf(...of).request.body
const problemsOf = (user: UnifiedUserInput, config: AccountContext['config'] = {}) =>
  filesCom.validate(inputOf(user), withConfig(config)).map(({ pointer, code }) => [pointer, code])

describeProvider(filesCom, {
  account,
  minimal: inputOf({ username: 'user' }),
  full: inputOf(
    {
      name: 'John Doe',
      username: 'user',
      emails: [{ email: 'john.doe@files.com', is_primary: true }],
      password: 'Correct-Horse-9',
      roles: [{ id: 'workspace_admin', workspace: '1' }, { name: 'Billing' }],
      timezone: 'America/Los_Angeles',
      languages: ['en'],
      description: 'Internal notes on this user.',
      groups: [{ id: '1' }, { name: 'owners' }],
      status: 'active',
      remote_data: { company: 'ACME Corp.' },
    },
    { some: 'query' },
  ),
  found: { 'group:owners': [{ id: '2', name: 'owners' }] },
  created: json(201, created),
  foundResponse: json(200, [created]),
  absent: [json(200, [])],
  user: {
    id: '1',
    name: 'John Doe',
    username: 'user',
    emails: [{ email: 'john.doe@files.com', is_primary: true }],
    status: 'inactive',
    is_2fa_enabled: true,
    roles: [
      { id: 'site_admin', name: 'Site Admin' },
      { id: 'readonly_site_admin', name: 'Read-only Site Admin' },
      { id: 'workspace_admin', name: 'Workspace Admin', workspace: '1' },
      { id: 'partner_admin', name: 'Partner Admin' },
      { id: 'group_admin', name: 'Group Admin', group: '1' },
    ],
    groups: [],
    avatar: 'example',
    timezone: 'America/Los_Angeles',
    languages: ['en'],
    created_at: '2000-01-01T01:00:00Z',
    last_active_at: '2000-01-01T01:00:00Z',
    last_login_at: '2000-01-01T01:00:00Z',
    activated_at: '2000-01-01T01:00:00Z',
  },
})

describe('Files.com requests', () => {
  test('every field has its place in the body', () => {
    const user: UnifiedUserInput = {
      ...ada,
      name: 'Ada Lovelace',
      password: 'Correct-Horse-9',
      description: 'Engines',
      languages: ['en'],
      timezone: 'Europe/London',
      groups: [{ id: '7' }, { id: '9' }, { id: '7' }],
      roles: [{ name: 'Site Admin' }, { id: 'billing' }],
      status: 'inactive',
    }
    expect(filesCom.toCreateRequest(inputOf(user, { a: 'b' }), account, {})).toEqual({
      request: {
        method: 'POST',
        path: '/api/rest/v1/users',
        query: { a: 'b' },
        body: {
          username: 'ada',
          name: 'Ada Lovelace',
          email: 'ada@example.com',
          notes: 'Engines',
          language: 'en',
          time_zone: 'London',
          authentication_method: 'password',
          password: 'Correct-Horse-9',
          group_ids: '7,9',
          site_admin: true,
          billing_permission: true,
          disabled: true,
        },
      },
      warnings: [],
    })
  })

  test('a missing username is taken from the primary e-mail, and that is said', () => {
    const { request, warnings } = planOf({
      emails: [{ email: 'other@example.com' }, { email: 'ada@example.com', is_primary: true }],
    })
    expect(request.body).toEqual({
      username: 'ada@example.com',
      email: 'ada@example.com',
      authentication_method: 'email_signup',
    })
    expect(warnings.map(({ code, pointer }) => [code, pointer])).toEqual([
      ['derived', '/username'],
      ['not_sent', '/emails/0'],
    ])
  })

  test.each<[string, UnifiedUserInput, AccountContext['config'], string]>([
    ['a password', { ...ada, password: 'Correct-Horse-9' }, {}, 'password'],
    ['an e-mail alone', ada, {}, 'email_signup'],
    ['neither', { username: 'ada' }, {}, 'none'],
    [
      'an invitation',
      { ...ada, status: 'invited' },
      { authentication_method: 'sso', sso_strategy_id: 3 },
      'email_signup',
    ],
    ["the account's own choice", ada, { authentication_method: 'none' }, 'none'],
    [
      "a password, whatever the account's choice",
      { ...ada, password: 'p' },
      { authentication_method: 'none' },
      'password',
    ],
    [
      'an imported hash',
      { ...ada, remote_data: { imported_password_hash: '5f4dcc3b5aa765d61d8327deb882cf99' } },
      {},
      'password_with_imported_hash',
    ],
    ['an SSO strategy', { ...ada, remote_data: { sso_strategy_id: 3 } }, {}, 'sso'],
    [
      'remote_data',
      { ...ada, password: 'p', remote_data: { authentication_method: 'password_and_ssh_key' } },
      {},
      'password_and_ssh_key',
    ],
  ])('%s decides how the user logs in', (_, user, config, method) => {
    expect(bodyOf(user, {}, config)?.authentication_method).toBe(method)
  })

  test('a user without a way to log in is warned of', () => {
    expect(planOf({ username: 'ada' }).warnings.map(({ pointer }) => pointer)).toEqual(['/password'])
  })

  test("the account's SSO strategy and workspace go along", () => {
    expect(bodyOf(ada, {}, { authentication_method: 'sso', sso_strategy_id: 3, workspace_id: 5 })).toMatchObject({
      authentication_method: 'sso',
      sso_strategy_id: 3,
      workspace_id: 5,
    })
    expect(
      bodyOf({ ...ada, roles: [{ id: 'workspace_admin', workspace: '8' }] }, {}, { workspace_id: 5 }),
    ).toMatchObject({ workspace_admin: true, workspace_id: 8 })
  })

  test('only status says anything about disabled', () => {
    expect(bodyOf(ada)).not.toHaveProperty('disabled')
    expect(bodyOf({ ...ada, status: 'active' })).toMatchObject({ disabled: false })
    expect(bodyOf({ ...ada, status: 'invited' })).not.toHaveProperty('disabled')
  })

  test('remote_data wins over what was mapped', () => {
    expect(
      bodyOf({
        ...ada,
        name: 'Ada',
        remote_data: { username: 'lovelace', name: 'Countess', ssl_required: 'always_require' },
      }),
    ).toMatchObject({ username: 'lovelace', name: 'Countess', ssl_required: 'always_require' })
    expect(filesCom.toNaturalKey(inputOf({ ...ada, remote_data: { username: 'Lovelace' } }), account)).toEqual({
      field: 'username',
      sent: 'Lovelace',
      value: 'lovelace',
      pointer: '/remote_data/username',
    })
  })

  test('what has no place is warned of, one by one', () => {
    const { warnings } = planOf({
      ...ada,
      emails: [...ada.emails, { email: 'ada@home.example' }],
      roles: [{ id: 'site_admin', group: '1', organization: '2', workspace: '3' }],
      groups: [{ id: '1', organization: 'x' }],
      languages: ['pt-BR', 'en'],
    })
    expect(warnings.map(({ code, pointer }) => [code, pointer])).toEqual([
      ['not_sent', '/emails/1'],
      ['not_sent', '/roles/0/group'],
      ['not_sent', '/roles/0/organization'],
      ['not_sent', '/roles/0/workspace'],
      ['not_sent', '/groups/0/organization'],
      ['derived', '/languages/0'],
      ['not_sent', '/languages/1'],
    ])
  })

  test('the user is looked up by the whole username', () => {
    const request = filesCom.toFindRequest(inputOf({ username: 'ada & co' }), account)
    expect(toUrl('https://app.files.com', request)).toBe(
      'https://app.files.com/api/rest/v1/users?filter[username]=ada%20%26%20co',
    )
  })
})

describe('Files.com time zones', () => {
  test.each([
    ['an IANA name', 'America/Los_Angeles', 'Pacific Time (US & Canada)', undefined],
    ['an older spelling', 'US/Pacific', 'Pacific Time (US & Canada)', undefined],
    ['a renamed city', 'Asia/Calcutta', 'Kolkata', undefined],
    ['its present name', 'Europe/Kyiv', 'Kyiv', undefined],
    ['universal time', 'UTC', 'UTC', undefined],
    ['universal time by its long name', 'Etc/UTC', 'UTC', undefined],
    ['a Rails name', 'Edinburgh', 'Edinburgh', undefined],
    ['a zone that a label covers', 'America/Toronto', 'Eastern Time (US & Canada)', 'derived'],
    ['a zone without a label', 'Europe/Oslo', 'Europe/Oslo', 'not_translated'],
    ['nonsense', 'Atlantis', 'Atlantis', 'not_translated'],
  ])('%s: %s is sent as %s', (_, timezone, label, warning) => {
    const { request, warnings } = planOf({ ...ada, timezone })
    expect(request.body?.time_zone).toBe(label)
    expect(warnings.map(({ code, pointer }) => [code, pointer])).toEqual(warning ? [[warning, '/timezone']] : [])
  })

  test.each([
    ['Edinburgh', 'Europe/London'],
    ['Kyiv', 'Europe/Kyiv'],
    ['New Delhi', 'Asia/Kolkata'],
    ['Europe/Oslo', 'Europe/Oslo'],
  ])('%s is given back as %s', (time_zone, timezone) => {
    expect(filesCom.toUser({ ...created, time_zone }, inputOf(ada), account).timezone).toBe(timezone)
  })
})

describe('Files.com groups', () => {
  const named = inputOf({ ...ada, groups: [{ id: '7' }, { name: 'owners' }, { name: 'owners' }] })
  const lookUp = filesCom.lookUps?.(named, account)[0]
  const parse = (body: unknown) => lookUp?.parse(json(200, body))

  test('a name costs one look-up, an id none', () => {
    expect(filesCom.lookUps?.(named, account)).toHaveLength(1)
    expect(lookUp && toUrl('', lookUp.request)).toBe('/api/rest/v1/groups?filter[name]=owners')
    expect(filesCom.lookUps?.(inputOf({ ...ada, groups: [{ id: '7', name: 'owners' }] }), account)).toEqual([])
    expect(
      filesCom.lookUps?.(inputOf({ ...ada, groups: [{ name: 'owners' }], remote_data: { group_ids: '1' } }), account),
    ).toEqual([])
  })

  test('a dry run shows which id would stand there', () => {
    expect(
      filesCom.toCreateRequest(named, account, { 'group:owners': lookUp?.placeholder }).request.body?.group_ids,
    ).toBe('7,<id of group "owners">')
  })

  test('the found id is sent, an exact match first', () => {
    const found = parse([
      { id: 3, name: 'Owners' },
      { id: 4, name: 'owners' },
    ])
    expect(filesCom.toCreateRequest(named, account, { 'group:owners': found }).request.body?.group_ids).toBe('7,4')
    expect(
      filesCom.toCreateRequest(named, account, { 'group:owners': parse([{ id: 3, name: 'OWNERS' }]) }).request.body
        ?.group_ids,
    ).toBe('7,3')
  })

  test.each([
    ['unknown', [], /no group named "owners"/],
    [
      'ambiguous',
      [
        { id: 3, name: 'owners' },
        { id: 4, name: 'owners' },
      ],
      /several groups named "owners" \(3, 4\)/,
    ],
  ])('an %s name is the input’s fault', (_, body, message) => {
    const create = () => filesCom.toCreateRequest(named, account, { 'group:owners': parse(body) })
    expect(create).toThrow(UnresolvedInputError)
    expect(create).toThrow(message)
    expect(create).toThrow(expect.objectContaining({ pointer: '/groups/1/name' }))
  })
})

describe('Files.com input', () => {
  test.each<[string, UnifiedUserInput, string[][]]>([
    ['nothing at all', {}, [['/username', 'required']]],
    ['a username in remote_data is one', { remote_data: { username: 'ada' } }, []],
    ['a space before the username', { username: ' ada' }, [['/username', 'invalid_value']]],
    ['two spaces in the username', { username: 'ada  lovelace' }, [['/username', 'invalid_value']]],
    ['51 characters', { username: 'a'.repeat(51) }, [['/username', 'too_long']]],
    ['50 characters', { username: 'a'.repeat(50) }, []],
    ['a username in remote_data is not measured', { remote_data: { username: 'a'.repeat(51) } }, []],
    [
      'an e-mail too long to be the username',
      { emails: [{ email: `${'a'.repeat(50)}@example.com` }] },
      [['/username', 'too_long']],
    ],
    ['invited without an address', { username: 'ada', status: 'invited' }, [['/emails', 'required']]],
    ['invited with a password', { ...ada, status: 'invited', password: 'p' }, [['/status', 'conflict']]],
    [
      'single sign-on without a strategy',
      { ...ada, remote_data: { authentication_method: 'sso' } },
      [['/remote_data/sso_strategy_id', 'required']],
    ],
    [
      'roles by id, name and with a workspace',
      {
        ...ada,
        roles: [
          { id: 'site_admin' },
          { name: 'Read-only Site Admin' },
          { id: 'workspace_admin', workspace: '1' },
          { name: 'partner admin' },
        ],
      },
      [],
    ],
    ['an unknown role', { ...ada, roles: [{ name: 'Captain' }] }, [['/roles/0', 'invalid_value']]],
    ['an empty role', { ...ada, roles: [{ workspace: '1' }] }, [['/roles/0', 'required']]],
    [
      'the administrator of a group',
      { ...ada, roles: [{ id: 'group_admin', group: '1' }] },
      [['/roles/0', 'not_supported']],
    ],
    [
      'a workspace by name',
      { ...ada, roles: [{ id: 'workspace_admin', workspace: 'EU' }] },
      [['/roles/0/workspace', 'invalid_value']],
    ],
    [
      'two workspaces',
      {
        ...ada,
        roles: [
          { id: 'workspace_admin', workspace: '1' },
          { id: 'workspace_admin', workspace: '2' },
        ],
      },
      [['/roles/1/workspace', 'ambiguous']],
    ],
    ['a group without id and name', { ...ada, groups: [{}] }, [['/groups/0', 'required']]],
    ['a name in the place of an id', { ...ada, groups: [{ id: 'owners' }] }, [['/groups/0/id', 'invalid_value']]],
  ])('%s', (_, user, problems) => {
    expect(problemsOf(user)).toEqual(problems)
  })

  test("the account's own method has its needs too", () => {
    expect(problemsOf({ username: 'ada' }, { authentication_method: 'email_signup' })).toEqual([
      ['/emails', 'required'],
    ])
    expect(problemsOf(ada, { authentication_method: 'sso' })).toEqual([['/remote_data/sso_strategy_id', 'required']])
    expect(problemsOf(ada, { authentication_method: 'sso', sso_strategy_id: 3 })).toEqual([])
  })
})

describe('Files.com answers', () => {
  const enabled = { ...created, disabled: false, disabled_expired_or_inactive: false }
  const userOf = (body: object) => filesCom.toUser(body, inputOf(ada), account)

  test.each([
    ['disabled', { ...enabled, disabled: true }, 'inactive'],
    ['expired', { ...enabled, disabled_expired_or_inactive: true }, 'inactive'],
    ['waiting for a first password', { ...enabled, authentication_method: 'email_signup' }, 'invited'],
    ['waiting, and disabled', { ...created, authentication_method: 'email_signup' }, 'inactive'],
    ['in use', enabled, 'active'],
    ['not reported', { id: 1, username: 'ada' }, null],
  ])('a user that is %s', (_, body, status) => {
    expect(userOf(body).status).toBe(status)
  })

  test.each([
    ['a comma-separated string', '3,4', ['3', '4']],
    ['an array, as in earlier years', [3, 4], ['3', '4']],
    ['an empty string', '', []],
    ['null', null, []],
  ])('groups come as %s', (_, group_ids, ids) => {
    expect(userOf({ ...created, group_ids }).groups).toEqual(ids.map((id) => ({ id })))
  })

  test('a new user has no dates, no avatar and no roles yet', () => {
    expect(
      userOf({
        id: 9_007_199_254_740_991,
        username: 'ada',
        email: null,
        created_at: '2026-11-23T10:00:00Z',
        first_login_at: null,
      }),
    ).toEqual({
      id: '9007199254740991',
      name: null,
      username: 'ada',
      emails: [],
      status: null,
      is_2fa_enabled: null,
      roles: [],
      groups: [],
      avatar: null,
      timezone: null,
      languages: [],
      created_at: '2026-11-23T10:00:00Z',
      last_active_at: null,
      last_login_at: null,
      activated_at: null,
    })
  })

  test('an unexpected type in a side field does not hide the user', () => {
    expect(
      filesCom.parseCreated(json(201, { ...created, language: 7, disabled: 'no', workspace_id: {} }), inputOf(ada))
        ?.remoteId,
    ).toBe('1')
  })

  test('the found user is the one with this very username, but for case', () => {
    const response = json(200, [
      { id: 1, username: 'ada2' },
      { id: 2, username: 'ADA', created_at: '2026-11-23T10:00:00Z' },
    ])
    expect(filesCom.parseFound(response, inputOf(ada), account)).toMatchObject({
      remoteId: '2',
      createdAt: '2026-11-23T10:00:00Z',
    })
    expect(filesCom.parseFound(json(200, [{ id: 1, username: 'ada2' }]), inputOf(ada), account)).toBeUndefined()
    expect(
      filesCom.parseFound(json(200, [{ id: 1, username: 'ada2' }], { 'x-files-cursor': 'MQ' }), inputOf(ada), account),
    ).toBe('unreadable')
  })

  test('a 404 of the look-up does not prove that the user is absent', () => {
    expect(filesCom.isAbsent?.(json(404, { type: 'not-found' })) ?? false).toBe(false)
  })
})

describe('Files.com failures', () => {
  const failed = (status: number, type: string, more: object = {}, headers: Record<string, string> = {}) =>
    json(status, { type, 'http-code': status, title: 'Title', error: 'In any language', ...more }, headers)
  const invalid = (fields: Record<string, [key: string, words: string][]>, status = 422) =>
    failed(status, 'processing-failure/model-save-error', {
      error: 'Error saving model.',
      model_errors: Object.fromEntries(
        Object.entries(fields).map(([field, entries]) => [field, entries.map(([, words]) => words)]),
      ),
      model_error_keys: Object.fromEntries(
        Object.entries(fields).map(([field, entries]) => [field, entries.map(([key]) => key)]),
      ),
    })

  test.each([
    ['a badly formed username', json(422, modelSaveError), 'provider_validation_failed', 'failed', '/username'],
    ['the same under another status', json(400, modelSaveError), 'provider_validation_failed', 'failed', '/username'],
    ['the same in an array', json(422, [modelSaveError]), 'provider_validation_failed', 'failed', '/username'],
    [
      'the same without a group in its type',
      json(422, { ...modelSaveError, type: 'model-save-error' }),
      'provider_validation_failed',
      'failed',
      '/username',
    ],
    [
      'a taken username',
      invalid({ username: [['taken', 'Username has already been taken']] }),
      'user_exists',
      'failed',
      '/username',
    ],
    [
      'a username refused for an unknown reason',
      invalid({ username: [['no_key_we_know', 'Nom déjà pris']] }),
      'user_exists',
      'failed',
      '/username',
    ],
    [
      'a username refused without a key',
      failed(422, 'processing-failure/model-save-error', { model_errors: { username: ['?'] } }),
      'user_exists',
      'failed',
      '/username',
    ],
    [
      'a taken username among other errors',
      invalid({ time_zone: [['inclusion', 'x']], username: [['taken', 'x']] }),
      'user_exists',
      'failed',
      '/username',
    ],
    [
      'a reserved username by its key',
      invalid({ username: [['exclusion', 'x']] }),
      'provider_validation_failed',
      'failed',
      '/username',
    ],
    [
      'a reserved username by its words',
      invalid({ username: [['no_key_we_know', 'Username is reserved']] }),
      'provider_validation_failed',
      'failed',
      '/username',
    ],
    ['a weak password', invalid({ password: [['too_short', 'x']] }), 'password_rejected', 'failed', '/password'],
    [
      'a field that is listed without an error',
      invalid({ avatar_file: [], username: [], time_zone: [['inclusion', 'x']] }),
      'provider_validation_failed',
      'failed',
      '/timezone',
    ],
    [
      'a bad address',
      invalid({ email: [['invalid', 'x']] }),
      'provider_validation_failed',
      'failed',
      '/emails/1/email',
    ],
    [
      'a field of remote_data',
      invalid({ company: [['too_long', 'x']] }),
      'provider_validation_failed',
      'failed',
      '/remote_data/company',
    ],
    [
      'a field that was not sent',
      invalid({ avatar_file: [['invalid', 'x']] }),
      'provider_validation_failed',
      'failed',
      undefined,
    ],
    [
      'a missing parameter',
      failed(422, 'bad-request/request-params-required', { error: 'Required request parameter missing: username' }),
      'provider_validation_failed',
      'failed',
      '/username',
    ],
    [
      'a bad parameter',
      failed(400, 'bad-request/request-params-invalid', { error: 'Invalid request parameters: time_zone' }),
      'provider_validation_failed',
      'failed',
      '/timezone',
    ],
    ['a bad date', failed(400, 'bad-request/datetime-parse'), 'provider_validation_failed', 'failed', undefined],
    ['a bad key', failed(401, 'not-authenticated/invalid-credentials'), 'credentials_rejected', 'held', undefined],
    ['no key', failed(401, 'not-authenticated/authentication-required'), 'credentials_rejected', 'held', undefined],
    [
      'a bad key under another status',
      failed(403, 'not-authenticated/invalid-credentials'),
      'credentials_rejected',
      'held',
      undefined,
    ],
    ['a disabled key', failed(403, 'not-authorized/api-key-is-disabled'), 'credentials_rejected', 'held', undefined],
    [
      'a key for some paths only',
      failed(403, 'not-authorized/api-key-is-path-restricted'),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'a key of no administrator',
      failed(403, 'not-authorized/site-admin-required'),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'a key of neither kind of administrator',
      failed(403, 'not-authorized/site-admin-or-workspace-admin-permission-required'),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'more asked for than the key may give',
      failed(403, 'not-authorized/insufficient-permission-for-params'),
      'permission_denied',
      'failed',
      undefined,
    ],
    [
      'another region',
      failed(403, 'not-authenticated/lockout-region-mismatch', { data: { host: 'test.host' } }),
      'permission_denied',
      'held',
      undefined,
    ],
    ['an unknown group', failed(404, 'not-found/group-not-found'), 'provider_not_found', 'failed', '/groups'],
    [
      'nothing there',
      json(404, { type: 'not-found', 'http-code': 404, error: 'Not Found.  This may be related to your permissions.' }),
      'provider_not_found',
      'failed',
      undefined,
    ],
    [
      'an unpaid account',
      failed(402, 'site-configuration/account-overdue'),
      'license_limit_reached',
      'held',
      undefined,
    ],
    ['an ended trial', failed(403, 'site-configuration/trial-expired'), 'license_limit_reached', 'held', undefined],
    ['a locked trial', failed(403, 'site-configuration/trial-locked'), 'license_limit_reached', 'held', undefined],
    ['a removed site', failed(403, 'site-configuration/site-was-removed'), 'permission_denied', 'held', undefined],
    ['a disabled site', failed(503, 'service-unavailable/site-disabled'), 'permission_denied', 'held', undefined],
    [
      'a migration',
      failed(503, 'service-unavailable/migration-in-progress'),
      'provider_unavailable',
      'retrying',
      undefined,
    ],
    [
      'a service that we do not know to be off',
      failed(503, 'service-unavailable/uploads-unavailable'),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      'a lock that is busy, under another status',
      failed(423, 'service-unavailable/lock-operation-busy'),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      'an internal error, its code a string',
      json(500, {
        error: 'Internal server error, please contact support or the person who created your account.',
        'http-code': '500',
      }),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      'an internal error under a client’s status',
      json(400, { error: 'Internal server error', 'http-code': '500' }),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      'a gateway’s page',
      text(502, '<html><head><title>502 Bad Gateway</title></head></html>'),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      'a type that came after this was written',
      failed(422, 'something/new'),
      'provider_validation_failed',
      'failed',
      undefined,
    ],
    ['too many requests', failed(429, 'rate-limited/too-many-requests'), 'rate_limited', 'rate_limited', undefined],
    [
      'too many requests under another status',
      failed(403, 'rate-limited/too-many-requests'),
      'rate_limited',
      'rate_limited',
      undefined,
    ],
    [
      'too many at once',
      failed(429, 'rate-limited/too-many-concurrent-requests'),
      'rate_limited',
      'rate_limited',
      undefined,
    ],
  ])('%s', (_, response, code, outcome, pointer) => {
    const input = inputOf({
      emails: [{ email: 'a@example.com' }, { email: 'b@example.com', is_primary: true }],
      remote_data: { company: 'x' },
    })
    const failure = filesCom.classifyFailure(response, input)
    expect({ code: failure.code, outcome: failure.outcome, pointer: failure.pointer }).toEqual({
      code,
      outcome,
      pointer,
    })
  })

  test('the words are the vendor’s, each once and without markup', () => {
    expect(filesCom.classifyFailure(json(422, modelSaveError)).message).toBe(
      'Error saving model. — Username must not contain multiple spaces together — Username must not begin or end with a space.',
    )
    expect(
      filesCom.classifyFailure(failed(422, 'bad-request', { error: 'No <b>such</b> zone', errors: ['such'] })).message,
    ).toBe('No such zone.')
  })

  test('Retry-After is kept, in seconds and as a date', () => {
    expect(
      filesCom.classifyFailure(failed(429, 'rate-limited/too-many-requests', {}, { 'retry-after': '7' })).retryAfterMs,
    ).toBe(7_000)
    const headers = { date: 'Mon, 23 Nov 2026 10:00:00 GMT', 'retry-after': 'Mon, 23 Nov 2026 10:00:09 GMT' }
    expect(
      filesCom.classifyFailure(failed(429, 'rate-limited/too-many-concurrent-requests', {}, headers)).retryAfterMs,
    ).toBe(9_000)
  })

  test('throttled logins are left alone for a long while', () => {
    const response = failed(429, 'rate-limited/too-many-login-attempts', {}, { 'retry-after': '1' })
    expect(filesCom.classifyFailure(response)).toMatchObject({ outcome: 'rate_limited', retryAfterMs: 900_000 })
  })

  test('a site pinned elsewhere names its host, in the body or in a header', () => {
    const mismatch = (more: object, headers = {}) =>
      failed(403, 'not-authenticated/lockout-region-mismatch', more, headers)
    expect(filesCom.toRedirect?.(mismatch({ data: { host: 'acme.files.com' } }))).toBe('https://acme.files.com')
    expect(filesCom.toRedirect?.(mismatch({}, { 'x-files-host': 'acme.files.com' }))).toBe('https://acme.files.com')
    expect(filesCom.toRedirect?.(mismatch({}))).toBeUndefined()
    expect(filesCom.toRedirect?.(mismatch({ data: { host: 'me@acme.files.com/path' } }))).toBeUndefined()
    expect(
      filesCom.toRedirect?.(failed(403, 'not-authorized/site-admin-required', { data: { host: 'acme.files.com' } })),
    ).toBeUndefined()
    expect(filesCom.classifyFailure(mismatch({ data: { host: 'acme.files.com' } })).message).toContain(
      'https://acme.files.com',
    )
  })
})

describe('Files.com credentials and hosts', () => {
  test('a failure is reported by its instance', () => {
    expect(
      filesCom.toProviderRequestId?.(
        json(422, { type: 'processing-failure/model-save-error', instance: '508503b0-2423-4edc-a46f-77d77ac4a7e3' }),
      ),
    ).toBe('508503b0-2423-4edc-a46f-77d77ac4a7e3')
    expect(filesCom.toProviderRequestId?.(json(200, [created]))).toBeUndefined()
  })

  const { api_key: authentication } = filesCom.authentications
  const headersOf = (api_key: string) =>
    authentication?.kind === 'static' ? authentication.toHeaders({ type: 'api_key', api_key }) : undefined

  test('the key goes into the vendor’s own header, trimmed', () => {
    expect(headersOf(' 0123abc\n')).toEqual({ 'x-filesapi-key': '0123abc' })
  })

  test('a key with white space in it is refused before it is sent, and not repeated', () => {
    const refused = () => headersOf('01 23')
    expect(refused).toThrow(RemoteFailureError)
    expect(refused).not.toThrow(/01 23/)
  })

  test.each([
    ['app.files.com', true],
    ['acme.files.com', true],
    ['files.com', false],
    ['files.com.example', false],
    ['evilfiles.com', false],
  ])('%s', (host, isOwn) => {
    expect(filesCom.hosts.patterns.some((pattern) => pattern.test(host))).toBe(isOwn)
  })

  test('the account’s settings are strict', () => {
    expect(
      filesCom.configSchema.safeParse({ authentication_method: 'sso', sso_strategy_id: 3, workspace_id: 0 }).success,
    ).toBe(true)
    expect(filesCom.configSchema.safeParse({ authentication_method: 'password' }).success).toBe(false)
    expect(filesCom.configSchema.safeParse({ region: 'eu' }).success).toBe(false)
  })
})
