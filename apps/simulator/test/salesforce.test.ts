import { createHash, createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { SignJWT } from 'jose'
import jsforce from 'jsforce'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { vendor as salesforce } from '../src/salesforce/simulator.ts'
import { startVendor } from './client.ts'

const createKeys = () =>
  generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
const keys = createKeys()
const REFRESH_TOKEN = '5Aep861SimulatorDemoRefreshToken'
const app = {
  client_id: '3MVG9SimulatorDemoApp',
  client_secret: 'SimulatorDemoSecret-salesforce',
  refresh_tokens: [REFRESH_TOKEN],
  public_key: keys.publicKey,
}

let simulator: Awaited<ReturnType<typeof startVendor>>
beforeAll(async () => {
  simulator = await startVendor(salesforce, { apps: [app] })
})
beforeEach(() => simulator.control.reset())
afterAll(() => simulator.close())

const oauth2 = () => ({ loginUrl: simulator.url, clientId: app.client_id, clientSecret: app.client_secret })
const VERSION = '66.0'

/** jsforce with a refresh token: its first call is refused, and it logs in by itself. */
const sdk = () =>
  new jsforce.Connection({
    oauth2: oauth2(),
    instanceUrl: simulator.url,
    refreshToken: REFRESH_TOKEN,
    accessToken: 'none',
    version: VERSION,
  })

async function requestToken(form: Record<string, string>) {
  const response = await fetch(`${simulator.url}/services/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams(form),
  })
  return { status: response.status, body: (await response.json()) as Record<string, string> }
}
const clientCredentials = {
  grant_type: 'client_credentials',
  client_id: app.client_id,
  client_secret: app.client_secret,
}
const refreshGrant = {
  grant_type: 'refresh_token',
  client_id: app.client_id,
  client_secret: app.client_secret,
  refresh_token: REFRESH_TOKEN,
}

const STANDARD = '00edM00000Stand'
const PLATFORM = '00edM00000Platf'
const CEO = '00EdM00000CEO00'
const long = (id: string) => expect.stringMatching(new RegExp(`^${id.slice(0, 15)}`)) as string
const ada = {
  Username: 'Ada.Lovelace@acme.example',
  LastName: 'Lovelace',
  FirstName: 'Ada',
  Email: 'ada@example.com',
  Alias: 'ada.love',
  TimeZoneSidKey: 'Europe/London',
  LocaleSidKey: 'en_GB',
  EmailEncodingKey: 'UTF-8',
  LanguageLocaleKey: 'en_US',
  ProfileId: STANDARD,
}

/** One call as hand-written as the vendor's documentation has it. */
async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const { body: token } = await requestToken(clientCredentials)
  const response = await fetch(`${simulator.url}/services/data${path}`, {
    method,
    headers: { authorization: `Bearer ${token['access_token']}`, 'content-type': 'application/json', ...headers },
    body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: (text === '' ? null : JSON.parse(text)) as Record<string, unknown> & Record<string, unknown>[],
  }
}
const create = (changes: Record<string, unknown> = {}) =>
  send('POST', `/v${VERSION}/sobjects/User`, { ...ada, ...changes })
const query = async (soql: string) => await send('GET', `/v${VERSION}/query?q=${encodeURIComponent(soql)}`)

describe('jsforce', () => {
  it('logs in by refresh token when its session is refused, creates a user, and reads it', async () => {
    const connection = sdk()
    const result = await connection.sobject('User').create(ada)
    expect(result).toMatchObject({ success: true, id: expect.stringMatching(/^005\w{15}$/) as string, errors: [] })
    const user = await connection.sobject('User').retrieve(result.id ?? '')
    expect(user).toMatchObject({
      ...ada,
      ProfileId: long(STANDARD),
      Id: result.id,
      Username: 'ada.lovelace@acme.example',
      Name: 'Ada Lovelace',
      IsActive: true,
      UserType: 'Standard',
      LastLoginDate: null,
    })
    expect(user['CreatedDate']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000$/)
    const { requests } = await simulator.control.ledger()
    expect(requests.map(({ path, status }) => [path.split('/').at(-1), status])).toEqual([
      ['User', 401],
      ['token', 200],
      ['User', 201],
      [result.id, 200],
    ])
  })

  it('logs in again when the session has ended', async () => {
    const connection = sdk()
    await connection.sobject('User').create(ada)
    await simulator.control.set({ clock_skew_ms: 7_201_000 })
    expect(await connection.sobject('User').count({ Username: ada.Username })).toBe(1)
  })

  it('queries users with the names of profile and role', async () => {
    const connection = sdk()
    await connection.sobject('User').create({ ...ada, UserRoleId: CEO })
    const { records } = await connection.query(
      "SELECT Id, Profile.Name, Profile.UserLicense.Name, UserRole.Name, Manager.Name FROM User WHERE Username='ada.LOVELACE@acme.example'",
    )
    expect(records).toMatchObject([
      {
        attributes: { type: 'User' },
        Profile: { Name: 'Standard User', UserLicense: { Name: 'Salesforce' } },
        UserRole: { Name: 'CEO' },
        Manager: null,
      },
    ])
  })

  it('finds by conditions of its own making', async () => {
    const connection = sdk()
    for (const number of [1, 2, 3, 4])
      await connection.sobject('User').create({
        ...ada,
        Username: `user${number}@acme.example`,
        LastName: `O'Hara ${number}`,
        IsActive: number !== 4,
      })
    const find = async (conditions: Record<string, unknown>) =>
      (await connection.sobject('User').find(conditions, ['Username']).sort('-Username').limit(3)).map(
        (user) => user['Username'],
      )
    expect(await find({ Username: { $like: 'user%' } })).toEqual([
      'user4@acme.example',
      'user3@acme.example',
      'user2@acme.example',
    ])
    expect(await find({ LastName: ["O'Hara 1", "O'Hara 2"] })).toEqual(['user2@acme.example', 'user1@acme.example'])
    expect(
      await find({
        $and: [{ Username: { $like: 'user_@%' } }, { $or: [{ IsActive: false }, { LastName: "O'Hara 3" }] }],
      }),
    ).toEqual(['user4@acme.example', 'user3@acme.example'])
    expect(await find({ ProfileId: STANDARD, UserRoleId: null, LastName: { $nin: ["O'Hara 1"] } })).toHaveLength(3)
    expect(await connection.sobject('User').count({ Username: { $like: 'user%' } })).toBe(4)
  })

  it('follows a long query over its pages', async () => {
    const connection = sdk()
    await Promise.all(
      Array.from({ length: 201 }, (_, number) =>
        connection.sobject('User').create({ ...ada, Username: `user${number}@acme.example` }),
      ),
    )
    const result = connection.query("SELECT Id FROM User WHERE Username LIKE 'user%'", {
      headers: { 'Sforce-Query-Options': 'batchSize=200' },
      autoFetch: true,
      maxFetch: 1000,
    })
    expect((await result).records).toHaveLength(201)
    expect((await simulator.control.ledger()).requests.at(-1)?.path).toMatch(/\/query\/01g\w{15}-200$/)
  })

  it('describes User and the org', async () => {
    await simulator.control.set({ time_zones: ['Europe/London', 'GMT'], custom_fields: ['Badge__c'] })
    const connection = sdk()
    const { fields, keyPrefix, createable, deletable } = await connection.describe('User')
    expect({ keyPrefix, createable, deletable }).toEqual({ keyPrefix: '005', createable: true, deletable: false })
    const field = (name: string) => fields.find((candidate) => candidate.name === name)
    expect(field('TimeZoneSidKey')?.picklistValues?.map(({ value }) => value)).toEqual(['Europe/London', 'GMT'])
    expect(field('Alias')).toMatchObject({ type: 'string', length: 8, nillable: false })
    expect(field('Badge__c')).toMatchObject({ custom: true })
    expect((await connection.describeGlobal()).sobjects.map(({ name }) => name)).toContain('User')
    expect(await connection.identity()).toMatchObject({ username: 'integration@simulator.example' })
    expect((await connection.limits())['DailyApiRequests']?.Max).toBe(1_000_000)
    expect(connection.limitInfo).toMatchObject({ apiUsage: { limit: 1_000_000 } })
  })

  it('deactivates, and sets a password that only its digest is kept of', async () => {
    const connection = sdk()
    const { id = '' } = await connection.sobject('User').create(ada)
    await connection.sobject('User').update({ Id: id, IsActive: false })
    expect(await connection.sobject('User').retrieve(id, { fields: ['IsActive'] })).toMatchObject({ IsActive: false })
    await connection.requestPost(`/sobjects/User/${id}/password`, { NewPassword: 'Correct-Horse-9' })
    await expect(
      connection.requestPost(`/sobjects/User/${id}/password`, { NewPassword: 'short1' }),
    ).rejects.toMatchObject({ errorCode: 'INVALID_NEW_PASSWORD' })
    const state = await simulator.control.state()
    expect(state.users).toMatchObject([
      { has_password: true, password_sha256: createHash('sha256').update('Correct-Horse-9').digest('hex') },
    ])
    expect(JSON.stringify(state)).not.toContain('Correct-Horse-9')
  })

  it('raises its error for a duplicate, an absent record and a bad query', async () => {
    const connection = sdk()
    await connection.sobject('User').create(ada)
    await expect(connection.sobject('User').create(ada)).rejects.toMatchObject({ errorCode: 'DUPLICATE_USERNAME' })
    await expect(connection.sobject('User').retrieve('005dM00000NoSuc')).rejects.toMatchObject({
      errorCode: 'NOT_FOUND',
    })
    await expect(connection.query('SELECT Nothing FROM User')).rejects.toMatchObject({ errorCode: 'INVALID_FIELD' })
  })

  it.each([
    ['client credentials', () => ({ grant_type: 'client_credentials' })],
    [
      'an assertion',
      async () => ({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: await assertion() }),
    ],
  ])('logs in with %s', async (_, createGrant) => {
    const connection = new jsforce.Connection({ oauth2: oauth2(), version: VERSION })
    await connection.authorize(await createGrant())
    expect((await connection.sobject('User').create(ada)).success).toBe(true)
  })
})

async function assertion(claims: Record<string, unknown> = {}, key = keys.privateKey) {
  const now = Math.floor(Date.now() / 1000)
  return await new SignJWT({
    iss: app.client_id,
    sub: 'integration@simulator.example',
    aud: 'https://login.salesforce.com',
    exp: now + 180,
    ...claims,
  })
    .setProtectedHeader({ alg: 'RS256' })
    .sign(createPrivateKey(key))
}

describe('tokens', () => {
  it('have the fields of a real answer, and no expiry', async () => {
    expect(await requestToken(refreshGrant)).toEqual({
      status: 200,
      body: {
        access_token: expect.stringMatching(/^00D\w{12}!AQ/) as string,
        signature: expect.any(String) as string,
        scope: 'refresh_token api',
        instance_url: simulator.url,
        id: expect.stringMatching(/\/id\/00D\w{15}\/005\w{15}$/) as string,
        token_type: 'Bearer',
        issued_at: expect.stringMatching(/^\d{13}$/) as string,
      },
    })
  })

  it.each<[string, Record<string, string>, Record<string, unknown>, string, string]>([
    [
      'a dead refresh token',
      { ...refreshGrant, refresh_token: 'old' },
      {},
      'invalid_grant',
      'expired access/refresh token',
    ],
    ['an unknown app', { ...refreshGrant, client_id: 'x' }, {}, 'invalid_client_id', 'client identifier invalid'],
    [
      'a wrong secret',
      { ...clientCredentials, client_secret: 'x' },
      {},
      'invalid_client',
      'invalid client credentials',
    ],
    [
      'client credentials at the login host',
      clientCredentials,
      { is_login_host: true },
      'invalid_grant',
      'request not supported on this domain',
    ],
    [
      'an app without that flow',
      clientCredentials,
      { apps: [{ ...app, takes_client_credentials: false }] },
      'invalid_grant',
      'no client credentials user enabled',
    ],
    [
      'an app that is not installed',
      refreshGrant,
      { apps: [{ ...app, is_installed: false }] },
      'app_not_found',
      'External client app is not installed in this org',
    ],
    ['another grant', { grant_type: 'password' }, {}, 'unsupported_grant_type', 'grant type not supported'],
  ])('are refused for %s', async (_, form, settings, error, error_description) => {
    await simulator.control.set(settings)
    expect(await requestToken(form)).toEqual({ status: 400, body: { error, error_description } })
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['another audience', { aud: 'https://example.com' }, 'audience is invalid'],
    ['a user who is not approved', { sub: 'unknown@acme.example' }, "user hasn't approved this consumer"],
    ['an assertion that is too old', { exp: 1_700_000_000 }, 'invalid assertion'],
    ['an assertion for an hour', { exp: Math.floor(Date.now() / 1000) + 3600 }, 'invalid assertion'],
    ['an unknown app', { iss: 'x' }, 'client identifier invalid'],
  ])('are refused for %s', async (_, claims, description) => {
    const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: await assertion(claims) }
    expect((await requestToken(form)).body['error_description']).toBe(description)
  })

  it('are refused for a signature by another key', async () => {
    const form = {
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: await assertion({}, createKeys().privateKey),
    }
    expect((await requestToken(form)).status).toBe(400)
  })

  it('rotate where the app says so, and the old one is dead', async () => {
    await simulator.control.set({ rotates_refresh_tokens: true })
    const { body } = await requestToken(refreshGrant)
    expect((await requestToken(refreshGrant)).body['error']).toBe('invalid_grant')
    expect((await requestToken({ ...refreshGrant, refresh_token: body['refresh_token'] ?? '' })).status).toBe(200)
  })
})

describe('create', () => {
  it('answers the id alone, with its address', async () => {
    const { status, headers, body } = await create()
    expect(status).toBe(201)
    expect(body).toEqual({ id: expect.stringMatching(/^005\w{15}$/) as string, success: true, errors: [] })
    expect(headers.get('location')).toBe(`/services/data/v66.0/sobjects/User/${String(body['id'])}`)
    expect(headers.get('content-type')).toBe('application/json;charset=UTF-8')
    expect(headers.get('sforce-limit-info')).toMatch(/^api-usage=\d+\/1000000$/)
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/)
  })

  it('takes a path with a slash at its end, and any version that is', async () => {
    expect((await send('POST', '/v60.0/sobjects/User/', ada)).status).toBe(201)
    expect((await send('POST', '/v99.0/sobjects/User', ada)).body[0]?.['errorCode']).toBe('NOT_FOUND')
    const versions = (await (await fetch(`${simulator.url}/services/data/`)).json()) as { version: string }[]
    expect(versions.map(({ version }) => version)).toContain(VERSION)
  })

  it('names every required field that is missing, in one refusal', async () => {
    expect((await send('POST', `/v${VERSION}/sobjects/User`, {})).body).toEqual([
      {
        message:
          'Required fields are missing: [Username, LastName, Email, Alias, TimeZoneSidKey, LocaleSidKey, EmailEncodingKey, ProfileId, LanguageLocaleKey]',
        errorCode: 'REQUIRED_FIELD_MISSING',
        fields: [
          'Username',
          'LastName',
          'Email',
          'Alias',
          'TimeZoneSidKey',
          'LocaleSidKey',
          'EmailEncodingKey',
          'ProfileId',
          'LanguageLocaleKey',
        ],
      },
    ])
  })

  it.each<[string, Record<string, unknown>, string, string[] | undefined]>([
    ['a username that is not an address', { Username: 'ada' }, 'FIELD_INTEGRITY_EXCEPTION', ['Username']],
    [
      'a time zone that is not listed',
      { TimeZoneSidKey: 'Mars/Olympus' },
      'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST',
      ['TimeZoneSidKey'],
    ],
    [
      'a language that is a locale',
      { LanguageLocaleKey: 'en_GB' },
      'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST',
      ['LanguageLocaleKey'],
    ],
    ['an alias that is too long', { Alias: 'lovelace9' }, 'STRING_TOO_LONG', ['Alias']],
    ['a bad address', { Email: 'no-address' }, 'INVALID_EMAIL_ADDRESS', ['Email']],
    ["a role's id as profile", { ProfileId: CEO }, 'MALFORMED_ID', ['ProfileId']],
    ['a profile that is not there', { ProfileId: '00edM00000NoSuc' }, 'INVALID_CROSS_REFERENCE_KEY', []],
    ['a role of another user type', { UserRoleId: '00EdM00000Prtnr' }, 'FIELD_INTEGRITY_EXCEPTION', ['UserRoleId']],
    ['an unknown field', { foo: 1 }, 'INVALID_FIELD', undefined],
    ['a field that cannot be set', { Name: 'Ada' }, 'INVALID_FIELD_FOR_INSERT_UPDATE', ['Name']],
    ['a text for a flag', { IsActive: 'yes' }, 'JSON_PARSER_ERROR', undefined],
    ['a user of another org', { Username: 'TAKEN@elsewhere.example' }, 'DUPLICATE_USERNAME', ['Username']],
  ])('refuses %s', async (_, changes, errorCode, fields) => {
    const { status, body } = await create(changes)
    expect(status).toBe(400)
    expect(body).toEqual([{ message: expect.any(String) as string, errorCode, ...(fields && { fields }) }])
    expect((await simulator.control.ledger()).created).toEqual([])
  })

  it('refuses broken JSON', async () => {
    expect((await send('POST', `/v${VERSION}/sobjects/User`, '{')).body[0]?.['errorCode']).toBe('JSON_PARSER_ERROR')
  })

  it('holds a username for taken whatever its case, and after deactivation', async () => {
    const { body } = await create()
    await send('PATCH', `/v${VERSION}/sobjects/User/${String(body['id'])}`, { IsActive: false })
    const second = await create({ Username: 'ADA.LOVELACE@acme.example' })
    expect(second.body).toEqual([
      {
        message: expect.stringMatching(/^Duplicate Username\.<br>/) as string,
        errorCode: 'DUPLICATE_USERNAME',
        fields: ['Username'],
      },
    ])
    expect((await simulator.control.ledger()).created).toHaveLength(1)
  })

  it('makes one user of many requests at once for one username', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, () => create()))
    expect(results.filter(({ status }) => status === 201)).toHaveLength(1)
    expect((await simulator.control.ledger()).created).toHaveLength(1)
  })

  it('refuses a nickname that is taken, and generates one that is not', async () => {
    expect((await create({ CommunityNickname: 'ada' })).status).toBe(201)
    expect((await create({ Username: 'b@acme.example', CommunityNickname: 'ada' })).body[0]?.['errorCode']).toBe(
      'DUPLICATE_COMM_NICKNAME',
    )
    expect((await create({ Username: 'c@acme.example' })).status).toBe(201)
  })

  it('counts seats of active users, by licence and by feature', async () => {
    await simulator.control.set({
      licenses: [{ name: 'Salesforce Platform', total: 1 }],
      feature_licenses: { UserPermissionsMarketingUser: 1 },
    })
    const platform = (name: string, changes: Record<string, unknown> = {}) =>
      create({ Username: `${name}@acme.example`, ProfileId: PLATFORM, ...changes })
    const { body } = await platform('a')
    expect((await platform('b')).body).toEqual([
      { message: 'License Limit Exceeded', errorCode: 'LICENSE_LIMIT_EXCEEDED', fields: [] },
    ])
    expect((await platform('c', { IsActive: false })).status).toBe(201)
    await send('PATCH', `/v${VERSION}/sobjects/User/${String(body['id'])}`, { IsActive: false })
    expect((await platform('b')).status).toBe(201)
    expect((await create({ UserPermissionsMarketingUser: true })).status).toBe(201)
    expect(
      (await create({ Username: 'd@acme.example', UserPermissionsMarketingUser: true })).body[0]?.['errorCode'],
    ).toBe('LICENSE_LIMIT_EXCEEDED')
  })

  it.each([
    ['may not create users', { may_create_users: false }, 403, 'INSUFFICIENT_ACCESS_OR_READONLY'],
    ['has no API', { is_api_enabled: false }, 403, 'API_DISABLED_FOR_ORG'],
  ])('is refused where the account %s', async (_, settings, status, errorCode) => {
    await simulator.control.set(settings)
    const refused = await create()
    expect([refused.status, refused.body[0]?.['errorCode']]).toEqual([status, errorCode])
  })
})

describe('queries', () => {
  it.each([
    [
      'a profile by name',
      "SELECT Id,Name,UserType,UserLicense.Name FROM Profile WHERE Name IN ('standard user')",
      ['Standard User'],
    ],
    [
      'a role by either name',
      "SELECT Id,DeveloperName,Name FROM UserRole WHERE DeveloperName IN ('Sales') OR Name IN ('Sales')",
      ['Sales', 'Sales'],
    ],
    [
      'seats',
      'SELECT Name,TotalLicenses,UsedLicenses FROM UserLicense WHERE TotalLicenses > 0 AND UsedLicenses >= 1',
      ['Salesforce'],
    ],
    ['nothing', String.raw`SELECT Name FROM Profile WHERE Name='O\'Neil \\ Sons'`, []],
    [
      'with NOT',
      "SELECT Name FROM Profile WHERE (NOT Name LIKE '%User%') ORDER BY Name ASC NULLS LAST LIMIT 1 OFFSET 1",
      ['System Administrator'],
    ],
  ])('find %s', async (_, soql, names) => {
    const { body } = await query(soql)
    expect((body['records'] as Record<string, unknown>[]).map((record) => record['Name'])).toEqual(names)
    expect(body).toMatchObject({ totalSize: names.length, done: true })
  })

  it('compare times, and ids in either form', async () => {
    const { body } = await create()
    const id = String(body['id'])
    const count = async (where: string) => (await query(`SELECT Id FROM User WHERE ${where}`)).body['totalSize']
    expect(await count(`Id='${id.slice(0, 15)}'`)).toBe(1)
    expect(await count(`Username='ada.lovelace@acme.example' AND CreatedDate >= 2020-01-01T00:00:00Z`)).toBe(1)
    expect(await count(`Username='ada.lovelace@acme.example' AND CreatedDate < 2020-01-01T00:00:00Z`)).toBe(0)
  })

  it.each([
    ['a syntax error', 'SELECT FROM', 'MALFORMED_QUERY'],
    ['AND beside OR', "SELECT Id FROM User WHERE Id='1' AND Id='2' OR Id='3'", 'MALFORMED_QUERY'],
    ['an open quote', "SELECT Id FROM User WHERE Name='x", 'MALFORMED_QUERY'],
    ['an unknown object', 'SELECT Id FROM Nothing', 'INVALID_TYPE'],
    ['an unknown relationship', 'SELECT Boss.Name FROM User', 'INVALID_FIELD'],
  ])('are refused for %s', async (_, soql, errorCode) => {
    const { status, body } = await query(soql)
    expect([status, body[0]?.['errorCode']]).toEqual([400, errorCode])
  })

  it('show no roles to who may not see them, and no photos without Chatter', async () => {
    await simulator.control.set({ may_read_roles: false, has_chatter: false })
    expect((await query('SELECT Id FROM UserRole')).body[0]?.['errorCode']).toBe('INVALID_TYPE')
    expect((await query('SELECT FullPhotoUrl FROM User')).body[0]?.['errorCode']).toBe('INVALID_FIELD')
  })
})

describe('limits and faults', () => {
  it('refuses beyond the calls of a day, without Retry-After, and still gives tokens', async () => {
    await simulator.control.set({ rate_limit: { requests: 1, per_seconds: 86_400 } })
    expect((await create()).headers.get('sforce-limit-info')).toBe('api-usage=1/1')
    const refused = await create({ Username: 'b@acme.example' })
    expect(refused.status).toBe(403)
    expect(refused.body).toEqual([{ message: 'TotalRequests Limit exceeded.', errorCode: 'REQUEST_LIMIT_EXCEEDED' }])
    expect(refused.headers.has('retry-after')).toBe(false)
  })

  it.each([
    [{ fault: 'rate_limit_storm' }, 403, 'ConcurrentRequests (Concurrent API Requests) Limit exceeded.'],
    [{ fault: 'quota_exceeded' }, 403, 'TotalRequests Limit exceeded.'],
    [{ fault: 'expired_token' }, 401, 'Session expired or invalid'],
    [{ fault: 'server_error', status: 503 }, 503, 'Server is currently unavailable.'],
  ])('speaks for %o in its own words', async (fault, status, message) => {
    await simulator.control.arm(fault)
    const refused = await create()
    expect([refused.status, refused.body[0]?.['message']]).toEqual([status, message])
  })

  it('takes a query for users for the look-up', async () => {
    await simulator.control.arm({ fault: 'server_error', match: { kind: 'lookup' } })
    expect((await query('SELECT Id FROM Profile')).status).toBe(200)
    expect((await query("SELECT Id FROM User WHERE Username='a@b.example'")).status).toBe(500)
  })
})
