import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { vendor as filesCom } from '../src/files-com/simulator.ts'
import { startVendor } from './client.ts'

/** The vendor's SDK is CommonJS without types: these are the parts that are used here. */
interface SdkUser {
  attributes: Record<string, unknown> & { id: number; username: string }
  delete(): Promise<void>
}
type Options = { apiKey?: string }
interface Sdk {
  files: {
    setApiKey(key: string): void
    setBaseUrl(url: string): void
    setLogLevel(level: number): void
    configureNetwork(options: object): void
  }
  user: {
    create(parameters: object, options?: Options): Promise<SdkUser>
    find(id: number): Promise<SdkUser>
    list(parameters?: object, options?: Options): Promise<SdkUser[]>
  }
  group: {
    list(parameters?: object): Promise<{ attributes: Record<string, unknown> }[]>
    find(id: number): Promise<{ attributes: Record<string, unknown> }>
  }
  groupUser: { create(parameters: object): Promise<{ attributes: Record<string, unknown> }> }
}
const load = createRequire(import.meta.url)
const sdk: Sdk = {
  files: load('files.com/lib/Files') as Sdk['files'],
  user: load('files.com/lib/models/User') as Sdk['user'],
  group: load('files.com/lib/models/Group') as Sdk['group'],
  groupUser: load('files.com/lib/models/GroupUser') as Sdk['groupUser'],
}

const KEY = 'SimulatorDemoKey-files_com'
const ada = { username: 'ada', email: 'ada@example.com', name: 'Ada Lovelace', authentication_method: 'email_signup' }

let simulator: Awaited<ReturnType<typeof startVendor>>
beforeAll(async () => {
  simulator = await startVendor(filesCom, { rate_limit: null })
  sdk.files.setBaseUrl(simulator.url)
  sdk.files.setApiKey(KEY)
  sdk.files.setLogLevel((load('files.com/lib/Logger') as { LogLevel: { NONE: number } }).LogLevel.NONE)
  // The SDK sends a POST again after a network error, which would hide what the simulator does.
  sdk.files.configureNetwork({ maxNetworkRetries: 0, networkTimeout: 10 })
})
beforeEach(() => simulator.control.reset())
afterAll(() => simulator.close())

interface Answer {
  status: number
  headers: Headers
  body: Record<string, unknown>
}
async function send(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${simulator.url}/api/rest/v1${path}`, {
    method,
    headers: { 'x-filesapi-key': KEY, 'content-type': 'application/json', ...headers },
    body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: (text === '' ? {} : JSON.parse(text)) as Answer['body'],
  }
}
const create = (changes: object = {}) => send('POST', '/users', { ...ada, ...changes })
const typeOf = async (answer: Promise<Answer>) => {
  const { status, body } = await answer
  return [status, body['type']]
}

describe("Files.com's own SDK", () => {
  it('creates a user, reads it by id and deletes it', async () => {
    const user = await sdk.user.create({
      ...ada,
      group_ids: '101,103',
      time_zone: 'London',
      notes: 'Engines',
      language: 'de',
      site_admin: true,
    })
    expect(user.attributes).toMatchObject({
      username: 'ada',
      email: 'ada@example.com',
      name: 'Ada Lovelace',
      notes: 'Engines',
      language: 'de',
      group_ids: '101,103',
      time_zone: 'London',
      site_admin: true,
      disabled: false,
      authentication_method: 'email_signup',
      first_login_at: null,
    })
    expect(user.attributes.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    expect(user.attributes.last_active_at).toBe(user.attributes.created_at)
    expect(Object.keys(user.attributes)).toHaveLength(88)
    expect((await sdk.user.find(user.attributes.id)).attributes).toEqual(user.attributes)
    await user.delete()
    await expect(sdk.user.find(user.attributes.id)).rejects.toMatchObject({
      name: 'NotFoundError',
      type: 'not-found',
      httpCode: 404,
    })
    // The name is free again.
    await sdk.user.create(ada)
  })

  it('raises its own errors for a duplicate, a bad key and an unknown group', async () => {
    await sdk.user.create(ada)
    await expect(sdk.user.create({ ...ada, username: 'ADA' })).rejects.toMatchObject({
      name: 'ProcessingFailure_ModelSaveErrorError',
      code: 422,
      error: 'Error saving model.',
      errors: ['Username has already been taken'],
      title: 'Model Save Error',
    })
    await expect(sdk.user.create(ada, { apiKey: 'revoked' })).rejects.toMatchObject({
      name: 'NotAuthenticated_InvalidCredentialsError',
      code: 401,
    })
    await expect(sdk.user.create({ ...ada, username: 'bob', group_ids: '9' })).rejects.toMatchObject({
      name: 'NotFound_GroupNotFoundError',
      code: 404,
    })
  })

  it('finds users by filter and search, and walks over pages', async () => {
    for (const number of [1, 2, 3, 4, 5])
      await sdk.user.create({
        ...ada,
        username: `user${number}`,
        email: `user${number}@example.com`,
        company: 'ACME',
        disabled: number > 3,
      })
    const names = async (parameters: object) =>
      (await sdk.user.list(parameters)).map(({ attributes }) => attributes.username)
    expect(await names({ filter: { username: 'user3' } })).toEqual(['user3'])
    expect(await names({ filter: { username: 'user' } })).toEqual([])
    expect(await names({ filter: { email: 'user4@example.com' } })).toEqual(['user4'])
    expect(await names({ filter: { company: 'ACME', disabled: true } })).toEqual(['user4', 'user5'])
    expect(await names({ search: 'SER2' })).toEqual(['user2'])
    expect(await names({ per_page: 2 })).toHaveLength(5)
    expect((await simulator.control.ledger()).requests.filter(({ path }) => path.includes('per_page=2'))).toHaveLength(
      3,
    )
    await expect(sdk.user.list({ filter: { shoe_size: '42' } })).rejects.toMatchObject({
      name: 'BadRequest_InvalidFilterFieldError',
    })
  })

  it('finds a group by name, and makes an administrator of it', async () => {
    const user = await sdk.user.create(ada)
    const [group] = await sdk.group.list({ filter: { name: 'Engineering' } })
    expect(group?.attributes).toMatchObject({ id: 102, name: 'Engineering', user_ids: '' })
    await sdk.groupUser.create({ group_id: 102, user_id: user.attributes.id, admin: true })
    expect((await sdk.user.find(user.attributes.id)).attributes).toMatchObject({
      group_ids: '102',
      admin_group_ids: [102],
    })
    expect((await sdk.group.find(102)).attributes).toMatchObject({
      usernames: 'ada',
      admin_ids: String(user.attributes.id),
    })
  })

  it('loses the answer of a create that was carried out, and finds the user afterwards', async () => {
    await simulator.control.arm({ fault: 'reset_after_commit' })
    await expect(sdk.user.create(ada)).rejects.toMatchObject({ name: 'FilesError' })
    expect(await sdk.user.list({ filter: { username: 'ada' } })).toHaveLength(1)
    expect((await simulator.control.ledger()).created).toHaveLength(1)
  })
})

describe('Files.com refuses users', () => {
  it('with the recorded body, in its order', async () => {
    const { status, headers, body } = await create({ username: ' ada  lovelace' })
    expect(status).toBe(422)
    expect(headers.get('x-files-error-class')).toBe('processing-failure/model-save-error')
    const words = ['Username must not contain multiple spaces together', 'Username must not begin or end with a space']
    expect(body).toEqual({
      error: 'Error saving model.',
      'http-code': 422,
      instance: expect.stringMatching(/^[\da-f-]{36}$/),
      model_errors: { username: words },
      model_error_keys: { username: ['multiple_spaces', 'leading_trailing_space'] },
      errors: words,
      title: 'Model Save Error',
      type: 'processing-failure/model-save-error',
    })
    expect(Object.keys(body)).toEqual([
      'error',
      'http-code',
      'instance',
      'model_errors',
      'model_error_keys',
      'errors',
      'title',
      'type',
    ])
  })

  it.each<[string, object, Record<string, unknown>, Record<string, string[]>]>([
    ['a name taken by another customer', {}, { usernames_taken_elsewhere: ['Ada'] }, { username: ['taken'] }],
    [
      'a taken name under another key',
      {},
      { usernames_taken_elsewhere: ['ada'], taken_key: 'not_unique' },
      { username: ['not_unique'] },
    ],
    ['a reserved name', {}, { reserved_usernames: ['ada'] }, { username: ['exclusion'] }],
    ['51 characters', { username: 'a'.repeat(51) }, {}, { username: ['too_long'] }],
    ['a short password', { password: 'short' }, {}, { password: ['too_short'] }],
    [
      'a plain password',
      { password: '!!!!!!!!' },
      {
        password_require_letter: true,
        password_require_mixed: true,
        password_require_number: true,
        password_require_special: true,
      },
      { password: ['require_letter', 'require_mixed', 'require_number'] },
    ],
    [
      'another confirmation',
      { password: 'Correct-Horse-9', password_confirmation: 'else' },
      {},
      { password_confirmation: ['confirmation'] },
    ],
    ['no address to sign up with', { email: null }, {}, { email: ['blank'] }],
    ['single sign-on without a strategy', { authentication_method: 'sso' }, {}, { sso_strategy_id: ['blank'] }],
    ['a zone that is none', { time_zone: 'Atlantis' }, {}, { time_zone: ['inclusion'] }],
    [
      'an IANA name, where only those of Rails go',
      { time_zone: 'Europe/London' },
      { accepts_iana_time_zones: false },
      { time_zone: ['inclusion'] },
    ],
    [
      'several things at once',
      { username: ' ada', email: 'no-address' },
      {},
      { username: ['leading_trailing_space'], email: ['invalid'] },
    ],
  ])('%s', async (_case, changes, settings, keys) => {
    await simulator.control.set(settings)
    const { status, body } = await create(changes)
    expect([status, body['type'], body['model_error_keys']]).toEqual([422, 'processing-failure/model-save-error', keys])
    expect((await simulator.control.ledger()).created).toEqual([])
  })

  it('shows no trace of a name that another customer holds', async () => {
    await simulator.control.set({ usernames_taken_elsewhere: ['ada'] })
    expect(await sdk.user.list({ filter: { username: 'ada' } })).toEqual([])
  })

  it.each<[string, unknown, Record<string, string>, string, string]>([
    [
      'no username',
      { email: 'a@example.com' },
      {},
      'bad-request/request-params-required',
      'Required request parameter missing: username',
    ],
    [
      'groups as a list',
      { ...ada, group_ids: [101] },
      {},
      'bad-request/request-params-invalid',
      'Invalid request parameters: group_ids',
    ],
    [
      'a flag that is none',
      { ...ada, site_admin: 'yes' },
      {},
      'bad-request/request-params-invalid',
      'Invalid request parameters: site_admin',
    ],
    [
      'an unknown method',
      { ...ada, authentication_method: 'telepathy' },
      {},
      'bad-request/request-params-invalid',
      'Invalid request parameters: authentication_method',
    ],
    [
      'a date that is none',
      { ...ada, authenticate_until: 'soon' },
      {},
      'bad-request/datetime-parse',
      'Invalid date or time: authenticate_until',
    ],
    ['half a body', '{"username":', {}, 'bad-request/invalid-body', 'The request body is not valid.'],
  ])('%s', async (_case, body, headers, type, error) => {
    expect((await send('POST', '/users', body, headers)).body).toMatchObject({ 'http-code': 422, type, error })
  })

  it('unless they are right: forms, ignored parameters and workspaces', async () => {
    const form = await send(
      'POST',
      '/users',
      new URLSearchParams({ username: 'ada', disabled: 'true', group_id: '101', unheard_of: 'x' }).toString(),
      {
        'content-type': 'application/x-www-form-urlencoded',
        'x-files-workspace-id': '7',
      },
    )
    expect([form.status, form.body]).toMatchObject([
      201,
      {
        username: 'ada',
        disabled: true,
        billable: false,
        disabled_expired_or_inactive: true,
        group_ids: '101',
        workspace_id: 7,
      },
    ])
    expect((await create({ username: 'bob', time_zone: "Nuku'alofa" })).status).toBe(201)
    expect((await create({ username: 'cy', authenticate_until: '2001-01-01T00:00:00Z' })).body).toMatchObject({
      disabled: false,
      disabled_expired_or_inactive: true,
    })
  })
})

describe('Files.com refuses callers', () => {
  const settingsOf = (rights: string, state = 'active') => ({ api_keys: [{ key: KEY, rights, state }] })

  it.each<[string, Record<string, unknown>, object, number, string]>([
    ['a disabled key', settingsOf('site_admin', 'disabled'), {}, 403, 'not-authorized/api-key-is-disabled'],
    [
      'a key for some paths',
      settingsOf('site_admin', 'path_restricted'),
      {},
      403,
      'not-authorized/api-key-is-path-restricted',
    ],
    [
      'a user without rights',
      settingsOf('none'),
      {},
      403,
      'not-authorized/site-admin-or-workspace-admin-permission-required',
    ],
    [
      'a group admin, where the site does not let them',
      settingsOf('group_admin'),
      {},
      403,
      'not-authorized/site-admin-or-workspace-admin-permission-required',
    ],
    [
      'a workspace admin who makes a site admin',
      settingsOf('workspace_admin'),
      { site_admin: true },
      403,
      'not-authorized/insufficient-permission-for-params',
    ],
    [
      'everybody, where users come by single sign-on',
      { non_sso_users_allowed: false },
      {},
      403,
      'not-authorized/insufficient-permission-for-params',
    ],
    [
      'an unpaid account',
      { site_refusal: 'site-configuration/account-overdue' },
      {},
      403,
      'site-configuration/account-overdue',
    ],
    [
      'a site in migration',
      { site_refusal: 'service-unavailable/migration-in-progress' },
      {},
      503,
      'service-unavailable/migration-in-progress',
    ],
  ])('%s', async (_case, settings, changes, status, type) => {
    await simulator.control.set(settings)
    expect(await typeOf(create(changes))).toEqual([status, type])
    expect((await simulator.control.ledger()).created).toEqual([])
  })

  it('a group admin gets through where the site says so', async () => {
    await simulator.control.set({ ...settingsOf('group_admin'), group_admins_can_add_users: true })
    expect((await create()).status).toBe(201)
  })

  it('no key and a wrong key, each in its own way', async () => {
    const bare = await fetch(`${simulator.url}/api/rest/v1/users`)
    expect([bare.status, await bare.json()]).toMatchObject([401, { type: 'not-authenticated/authentication-required' }])
    const wrong = await send('GET', '/users', undefined, { 'x-filesapi-key': 'revoked' })
    expect([wrong.status, wrong.body]).toMatchObject([
      401,
      {
        title: 'Invalid Credentials',
        error: 'The API key or Session token provided could not be used to validate this request.',
      },
    ])
    await simulator.control.arm({ fault: 'expired_token' })
    expect(await typeOf(create())).toEqual([401, 'not-authenticated/invalid-credentials'])
  })

  it('who comes to the wrong region, and says where to go', async () => {
    await simulator.control.set({ region_host: 'acme.files.com' })
    const { status, headers, body } = await create()
    expect([status, headers.get('x-files-host')]).toEqual([403, 'acme.files.com'])
    expect(body).toMatchObject({
      type: 'not-authenticated/lockout-region-mismatch',
      title: 'Lockout Region Mismatch',
      data: { host: 'acme.files.com' },
    })
  })
})

describe('Files.com throttles', () => {
  it('by the number of calls, with Retry-After in whole seconds', async () => {
    await simulator.control.set({ rate_limit: { requests: 1, per_seconds: 5 } })
    expect((await create()).status).toBe(201)
    const refused = await create({ username: 'bob' })
    expect([refused.status, refused.body['type'], refused.headers.get('retry-after')]).toEqual([
      429,
      'rate-limited/too-many-requests',
      '5',
    ])
    await simulator.control.set({ sends_retry_after: false })
    expect((await create({ username: 'bob' })).headers.get('retry-after')).toBeNull()
  })

  it('by the number of calls in work', async () => {
    await simulator.control.set({ concurrent_requests: 2, processing_ms: 500 })
    const answers = await Promise.all(['a', 'b', 'c'].map((username) => create({ username })))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 429])
    expect(answers.find(({ status }) => status === 429)?.body['type']).toBe('rate-limited/too-many-concurrent-requests')
    await simulator.control.set({ processing_ms: 0 })
    expect((await create({ username: 'd' })).status).toBe(201)
  })

  it('in a storm, by either name', async () => {
    await simulator.control.set({ storm_type: 'too-many-concurrent-requests' })
    await simulator.control.arm({ fault: 'rate_limit_storm', retry_after: null })
    const { body, headers } = await create()
    expect([body['type'], headers.get('retry-after')]).toEqual(['rate-limited/too-many-concurrent-requests', null])
  })
})

describe('Files.com is odd', () => {
  it('its own 500 has no type and its code as text, a gateway answers in HTML', async () => {
    await simulator.control.arm({ fault: 'server_error' })
    expect((await create()).body).toEqual({
      error: 'Internal server error, please contact support or the person who created your account.',
      'http-code': '500',
    })
    await simulator.control.arm({ fault: 'server_error', status: 502 })
    const page = await fetch(`${simulator.url}/api/rest/v1/users`, {
      method: 'POST',
      headers: { 'x-filesapi-key': KEY },
    })
    expect([page.status, page.headers.get('content-type')]).toEqual([502, 'text/html'])
    expect(await page.text()).toContain('<title>502 Bad Gateway</title>')
  })

  it('errors can come in an array, and the code as text: its SDK reads them', async () => {
    await simulator.control.set({
      wraps_errors_in_array: true,
      http_code_is_text: true,
      usernames_taken_elsewhere: ['ada'],
    })
    await expect(sdk.user.create(ada)).rejects.toMatchObject({
      name: 'ProcessingFailure_ModelSaveErrorError',
      httpCode: '422',
    })
  })

  it('a new user can be hidden from look-ups for a while', async () => {
    await simulator.control.set({ lookup_lag_ms: 60_000 })
    const { body } = await create()
    expect((await send('GET', '/users?filter[username]=ada')).body).toEqual([])
    expect((await send('GET', `/users/${String(body['id'])}`)).status).toBe(404)
    expect(await typeOf(create())).toEqual([422, 'processing-failure/model-save-error'])
    await simulator.control.set({ clock_skew_ms: 61_000 })
    expect((await send('GET', '/users?filter[username]=ada')).body).toHaveLength(1)
  })

  it('case can be made to count', async () => {
    await simulator.control.set({ usernames_are_case_sensitive: true })
    expect((await create()).status).toBe(201)
    expect((await create({ username: 'ADA' })).status).toBe(201)
    expect((await send('GET', '/users?filter[username]=ADA')).body).toMatchObject([{ username: 'ADA' }])
  })

  it('keeps of a password only its hash', async () => {
    const password = 'Correct-Horse-9'
    await create({ authentication_method: 'password', password, password_confirmation: password })
    const { users } = await simulator.control.state()
    expect(users).toMatchObject([
      { username: 'ada', has_password: true, password_sha256: createHash('sha256').update(password).digest('hex') },
    ])
    expect(JSON.stringify(users)).not.toContain(password)
  })
})
