import { createHash, createPrivateKey, generateKeyPairSync } from 'node:crypto'
import type { admin_directory_v1 } from '@googleapis/admin'
import { admin, auth } from '@googleapis/admin'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { vendor as googleWorkspace } from '../src/google-workspace/simulator.ts'
import { DIRECTORY_SCOPE } from '../src/google-workspace/settings.ts'
import { startVendor } from './client.ts'

const createKeys = () =>
  generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
const keys = createKeys()
const CLIENT_EMAIL = 'muster@simulator.iam.gserviceaccount.com'
const serviceAccount = { client_email: CLIENT_EMAIL, public_key: keys.publicKey, scopes: [DIRECTORY_SCOPE] }
const oauthClient = {
  client_id: '000000000000-simulator.apps.googleusercontent.com',
  client_secret: 'GOCSPX-SimulatorDemoSecret',
  refresh_token: '1//0SimulatorDemoRefreshToken-google',
}

let simulator: Awaited<ReturnType<typeof startVendor>>
let bearer: Record<string, string>
beforeAll(async () => {
  simulator = await startVendor(googleWorkspace, { service_accounts: [serviceAccount], settling_ms: 0 })
})
beforeEach(async () => {
  await simulator.control.reset()
  const { body } = await trade({ grant_type: 'refresh_token', ...oauthClient })
  bearer = { authorization: `Bearer ${String(body['access_token'])}` }
})
afterAll(() => simulator.close())

const ada = {
  primaryEmail: 'ada@example.com',
  password: 'Correct-Horse-9',
  name: { givenName: 'Ada', familyName: 'Lovelace' },
}

/** A service account, as Google's client does it. It knows one token address: that one is turned to the simulator. */
function createJwtClient(changes: { subject?: string | undefined; key?: string; scopes?: string[] } = {}) {
  const client = new auth.JWT({
    email: CLIENT_EMAIL,
    key: keys.privateKey,
    scopes: [DIRECTORY_SCOPE],
    subject: 'admin@example.com',
    ...changes,
  } as ConstructorParameters<typeof auth.JWT>[0])
  client.transporter.interceptors.request.add({
    resolved: async (config) => {
      if (config.url.href === 'https://oauth2.googleapis.com/token') config.url = new URL(`${simulator.url}/token`)
      return config
    },
  })
  return client
}

function createOauthClient(changes: Partial<typeof oauthClient> = {}) {
  const { client_id, client_secret, refresh_token } = { ...oauthClient, ...changes }
  const endpoints = { oauth2TokenUrl: `${simulator.url}/token` }
  // Otherwise the client trusts the stated lifetime and fails on a 401 within it.
  const client = new auth.OAuth2({
    clientId: client_id,
    clientSecret: client_secret,
    endpoints,
    forceRefreshOnFailure: true,
  })
  client.setCredentials({ refresh_token })
  return client
}

const directory = (
  client: ReturnType<typeof createJwtClient> | ReturnType<typeof createOauthClient> = createOauthClient(),
) => admin({ version: 'directory_v1', auth: client, rootUrl: `${simulator.url}/`, retry: false })

/** The reason of a refusal, where the SDK's error keeps it. */
const refusedFor = (reason: string) => ({ response: { data: { error: { errors: [{ domain: 'global', reason }] } } } })

async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = bearer) {
  const response = await fetch(`${simulator.url}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
  })
  const text = await response.text()
  const json = (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, unknown> & {
    error?: { message: string; errors: { reason: string }[]; status?: string }
  }
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: json,
    refusal: [response.status, json.error?.errors[0]?.reason, json.error?.message],
  }
}
const create = (changes: Record<string, unknown> = {}, query = '') =>
  send('POST', `/admin/directory/v1/users${query}`, { ...ada, ...changes })
const find = (userKey: string) => send('GET', `/admin/directory/v1/users/${encodeURIComponent(userKey)}`)
const created = async () => (await simulator.control.ledger()).created

async function trade(form: Record<string, string>) {
  const response = await fetch(`${simulator.url}/token`, { method: 'POST', body: new URLSearchParams(form) })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

describe("Google's own SDK", () => {
  it.each([
    ['a service account that acts for an administrator', () => createJwtClient()],
    ['a refresh token', () => createOauthClient()],
  ])('creates a user with %s, and reads it by id and address', async (_case, createClient) => {
    const { users } = directory(createClient())
    const { data, status } = await users.insert({ requestBody: { ...ada, phones: [{ value: '1', type: 'work' }] } })
    expect(status).toBe(200)
    expect(data.id).toMatch(/^1\d{20}$/)
    for (const userKey of [data.id ?? '', 'ada@example.com', 'ADA@Example.com']) {
      const { data: read } = await users.get({ userKey })
      expect(read).toMatchObject({
        id: data.id,
        primaryEmail: 'ada@example.com',
        name: { fullName: 'Ada Lovelace' },
        phones: [{ value: '1', type: 'work' }],
      })
    }
  })

  it('raises its error for a duplicate, an absent user and a revoked token', async () => {
    const { users } = directory()
    await users.insert({ requestBody: ada })
    await expect(users.insert({ requestBody: ada })).rejects.toMatchObject({
      status: 409,
      message: 'Entity already exists.',
      ...refusedFor('duplicate'),
    })
    await expect(users.get({ userKey: 'missing@example.com' })).rejects.toMatchObject({
      status: 404,
      message: 'Resource Not Found: userKey',
    })
    await expect(
      directory(createOauthClient({ refresh_token: 'revoked' })).users.list({ customer: 'my_customer' }),
    ).rejects.toThrow('invalid_grant')
  })

  it('sends an empty body as the trap that it is', async () => {
    await expect(directory().users.insert({ ...ada } as object)).rejects.toMatchObject({
      status: 400,
      message: 'Invalid Given/Family Name: FamilyName',
    })
  })

  it('lists by query and domain, over pages', async () => {
    const { users } = directory()
    for (const number of [1, 2, 3, 4, 5])
      await users.insert({
        requestBody: { ...ada, primaryEmail: `user${number}@example.${number < 4 ? 'com' : 'org'}` },
      })
    const addresses = async (query: admin_directory_v1.Params$Resource$Users$List) =>
      (await users.list(query)).data.users?.map((user) => user.primaryEmail)
    expect(await addresses({ customer: 'my_customer', query: 'email=user3@example.com' })).toEqual([
      'user3@example.com',
    ])
    expect(await addresses({ customer: 'my_customer', query: "email:user* givenName='Ada'" })).toHaveLength(5)
    expect(await addresses({ domain: 'example.org' })).toEqual(['user4@example.org', 'user5@example.org'])
    expect(await addresses({ customer: 'my_customer', query: 'email=missing@example.com' })).toBeUndefined()
    const found: unknown[] = []
    let pageToken: string | undefined
    do {
      const { data } = await users.list({
        customer: 'my_customer',
        maxResults: 2,
        ...(pageToken === undefined ? {} : { pageToken }),
      })
      found.push(...(data.users ?? []))
      pageToken = data.nextPageToken ?? undefined
    } while (pageToken !== undefined)
    expect(found).toHaveLength(5)
    await expect(users.list({})).rejects.toMatchObject({ status: 400 })
  })

  it('makes an administrator and deletes; the address stays taken', async () => {
    const { users } = directory()
    const userKey = (await users.insert({ requestBody: { ...ada, isAdmin: true } })).data.id ?? ''
    expect((await users.get({ userKey })).data.isAdmin).toBe(false)
    expect((await users.makeAdmin({ userKey, requestBody: { status: true } })).status).toBe(204)
    expect((await users.get({ userKey })).data.isAdmin).toBe(true)
    expect((await users.delete({ userKey })).status).toBe(204)
    await expect(users.get({ userKey })).rejects.toMatchObject({ status: 404 })
    await expect(users.insert({ requestBody: ada })).rejects.toMatchObject({ status: 409 })
    const { data } = await users.list({ customer: 'my_customer', showDeleted: 'true' })
    expect(data.users).toMatchObject([{ id: userKey, deletionTime: expect.stringMatching(/Z$/) as string }])
    await simulator.control.set({ clock_skew_ms: 21 * 24 * 3_600_000 })
    expect((await users.insert({ requestBody: ada })).status).toBe(200)
  })

  it('renews an expired access token by itself', async () => {
    const client = createOauthClient()
    await directory(client).users.list({ customer: 'my_customer' })
    await simulator.control.set({ clock_skew_ms: 3_600_000 })
    expect((await directory(client).users.list({ customer: 'my_customer' })).status).toBe(200)
    const { requests } = await simulator.control.ledger()
    expect(requests.slice(-3).map(({ path, status }) => [path.split('?')[0], status])).toEqual([
      ['/admin/directory/v1/users', 401],
      ['/token', 200],
      ['/admin/directory/v1/users', 200],
    ])
  })
})

describe('create', () => {
  it('answers the recorded keys and no more, while a get has them all', async () => {
    const { status, headers, body } = await create({ phones: [{ value: '1', type: 'work' }], suspended: true })
    expect(status).toBe(200)
    expect(Object.keys(body)).toEqual([
      'kind',
      'id',
      'etag',
      'primaryEmail',
      'name',
      'isAdmin',
      'isDelegatedAdmin',
      'creationTime',
      'changePasswordAtNextLogin',
      'customerId',
      'orgUnitPath',
      'isMailboxSetup',
    ])
    expect(body).toMatchObject({
      kind: 'admin#directory#user',
      name: ada.name,
      creationTime: expect.stringMatching(/T\d\d:\d\d:\d\d\.000Z$/) as string,
      orgUnitPath: '/',
    })
    expect(headers.get('etag')).toBe(body['etag'])
    expect(headers.get('content-type')).toBe('application/json; charset=UTF-8')
    expect((await find(ada.primaryEmail)).body).toMatchObject({
      lastLoginTime: '1970-01-01T00:00:00.000Z',
      suspended: true,
      isEnrolledIn2Sv: false,
      emails: [{ address: 'ada@example.com', primary: true }, { address: 'ada@example.com.test-google-a.com' }],
      nonEditableAliases: ['ada@example.com.test-google-a.com'],
    })
  })

  it('keeps a password out of every answer, and its digest in the state', async () => {
    const { text } = await create()
    const state = await simulator.control.state()
    expect(text + (await find(ada.primaryEmail)).text + JSON.stringify(state)).not.toContain(ada.password)
    expect(state.users).toMatchObject([
      { has_password: true, password_sha256: createHash('sha256').update(ada.password).digest('hex') },
    ])
  })

  it('makes one user of many requests at once for one address', async () => {
    await simulator.control.set({ rate_limit_creates: null })
    const answers = await Promise.all(Array.from({ length: 20 }, () => create({ primaryEmail: 'Ada@Example.com' })))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(await created()).toMatchObject([{ key: 'ada@example.com' }])
  })

  it('holds the addresses of aliases, groups and administrators for taken', async () => {
    await create()
    expect(
      (await send('POST', '/admin/directory/v1/users/ada@example.com/aliases', { alias: 'countess@example.com' }))
        .status,
    ).toBe(200)
    expect((await find('countess@example.com')).body).toMatchObject({
      primaryEmail: 'ada@example.com',
      aliases: ['countess@example.com'],
    })
    for (const primaryEmail of [
      'ada@example.com',
      'countess@example.com',
      'everyone@example.com',
      'admin@example.com',
    ]) {
      expect((await create({ primaryEmail })).refusal).toEqual([409, 'duplicate', 'Entity already exists.'])
    }
    expect(await created()).toHaveLength(1)
  })

  it.each([
    ['no family name', { name: { givenName: 'Ada' } }, 'invalid', 'Invalid Given/Family Name: FamilyName'],
    [
      'a given name of 61 characters',
      { name: { givenName: 'x'.repeat(61), familyName: 'L' } },
      'invalid',
      'Invalid Given/Family Name: GivenName',
    ],
    ['no address', { primaryEmail: undefined }, 'invalid', 'Invalid Input: primary_user_email'],
    ['two periods in a row', { primaryEmail: 'a..b@example.com' }, 'invalid', 'Invalid Input: primary_user_email'],
    ['no password', { password: undefined }, 'invalid', 'Invalid Password'],
    ['a short password', { password: 'Short-7' }, 'invalid', 'Invalid Password'],
    ['a password that is not ASCII', { password: 'Pässwörter' }, 'invalid', 'Invalid Password'],
    ['an unknown organizational unit', { orgUnitPath: '/Nowhere' }, 'invalid', 'Invalid Input: INVALID_OU_ID'],
    [
      'an unknown custom schema',
      { customSchemas: { badge: { number: 1 } } },
      'invalid',
      'Invalid Input: custom_schema',
    ],
    ['phones of another shape', { phones: 'none' }, 'invalidInput', 'Invalid Input: Bad request for phones'],
  ])('refuses %s', async (_case, changes, reason, message) => {
    const { refusal, body } = await create(changes)
    expect(refusal).toEqual([400, reason, message])
    expect(body).toEqual({ error: { code: 400, message, errors: [{ message, domain: 'global', reason }] } })
    expect(await created()).toEqual([])
  })

  it('refuses broken JSON, and an empty body for its family name', async () => {
    expect((await send('POST', '/admin/directory/v1/users', '{')).refusal[1]).toBe('parseError')
    expect((await send('POST', '/admin/directory/v1/users', '')).refusal[2]).toBe(
      'Invalid Given/Family Name: FamilyName',
    )
  })

  it('takes a digest of any length as it is', async () => {
    expect((await create({ hashFunction: 'crypt', password: `$6$rounds=10000$salt$${'x'.repeat(86)}` })).status).toBe(
      200,
    )
    expect((await simulator.control.state()).users).toMatchObject([{ hash_function: 'crypt' }])
  })

  it('refuses an address in a foreign domain, in either of the ways that were seen', async () => {
    const foreign = { primaryEmail: 'ada@elsewhere.example' }
    expect((await create(foreign)).refusal).toEqual([403, 'forbidden', 'Not Authorized to access this resource/api'])
    await simulator.control.set({ foreign_domain_answer: 'domain_not_found' })
    expect((await create(foreign)).refusal).toEqual([404, 'domainNotFound', 'Domain not found.'])
  })

  it('answers the recorded 412 at the user limit', async () => {
    await simulator.control.set({ user_limit: 1 })
    await create()
    const { status, body } = await create({ primaryEmail: 'grace@example.com' })
    const message = 'Domain user limit reached.'
    expect(status).toBe(412)
    expect(body).toEqual({
      error: {
        errors: [{ domain: 'global', reason: 'limitExceeded', message, locationType: 'header', location: 'If-Match' }],
        code: 412,
        message,
      },
    })
  })

  it('resolves conflicts with unmanaged accounts only when asked', async () => {
    await simulator.control.set({ unmanaged_accounts: ['ada@example.com'] })
    const invited = await create({}, '?resolveConflictAccount=true')
    expect([invited.status, invited.body]).toEqual([
      202,
      { kind: 'admin#directory#user', primaryEmail: 'ada@example.com', name: ada.name },
    ])
    await simulator.control.set({ invitation_has_body: false })
    expect(await create({}, '?resolveConflictAccount=true')).toMatchObject({ status: 202, text: '' })
    await simulator.control.set({ unmanaged_account_option: 'keep' })
    expect((await create({}, '?resolveConflictAccount=true')).status).toBe(409)
    expect(await created()).toEqual([])
    expect((await create()).status).toBe(200)
  })

  it.each([
    ['a name that User does not have', { roles: ['x'] }, { ignores_unknown_fields: false }],
    [
      'the primary address among emails',
      { emails: [{ address: 'Ada@example.com' }] },
      { refuses_primary_in_emails: true },
    ],
  ])('takes %s, unless set to refuse it', async (_case, changes, settings) => {
    expect((await create(changes)).status).toBe(200)
    await simulator.control.reset()
    await simulator.control.set(settings)
    const { body } = await trade({ grant_type: 'refresh_token', ...oauthClient })
    bearer = { authorization: `Bearer ${String(body['access_token'])}` }
    expect((await create(changes)).status).toBe(400)
  })

  it('can answer 201', async () => {
    await simulator.control.set({ created_status: 201 })
    expect((await create()).status).toBe(201)
  })
})

describe('a new user that is not settled', () => {
  it('is out of sight and out of reach, but its address is taken', async () => {
    await simulator.control.set({ settling_ms: 60_000 })
    const { body } = await create()
    expect((await find(String(body['id']))).refusal).toEqual([404, 'notFound', 'Resource Not Found: userKey'])
    expect((await send('GET', '/admin/directory/v1/users?customer=my_customer')).body).not.toHaveProperty('users')
    expect(
      (await send('POST', '/admin/directory/v1/users/ada@example.com/makeAdmin', { status: true })).refusal,
    ).toEqual([412, 'conditionNotMet', 'User creation is not complete.'])
    expect((await create()).status).toBe(409)
    await simulator.control.set({ settling_answer: 'forbidden' })
    expect((await find(ada.primaryEmail)).refusal).toEqual([
      403,
      'forbidden',
      'Not Authorized to access this resource/api',
    ])
    await simulator.control.set({ clock_skew_ms: 60_000 })
    expect((await find(ada.primaryEmail)).status).toBe(200)
  })
})

describe('get', () => {
  it('shows custom schemas on request, and only the fields asked for', async () => {
    await simulator.control.set({ custom_schemas: ['badge'] })
    await create({ customSchemas: { badge: { number: 1 } } })
    expect((await find(ada.primaryEmail)).body).not.toHaveProperty('customSchemas')
    const path = '/admin/directory/v1/users/ada@example.com'
    expect((await send('GET', `${path}?projection=full`)).body).toMatchObject({
      customSchemas: { badge: { number: 1 } },
    })
    expect(Object.keys((await send('GET', `${path}?fields=id,name(givenName),emails/address`)).body)).toEqual([
      'id',
      'name',
      'emails',
    ])
  })

  it('answers a page, not JSON, where no API is', async () => {
    const { status, headers } = await send('GET', '/admin/directory/v2/users')
    expect([status, headers.get('content-type')]).toEqual([404, 'text/html; charset=UTF-8'])
  })
})

describe('limits', () => {
  it('are 10 creations a second by default, counted apart from other queries and refused without Retry-After', async () => {
    const settings = (await (await simulator.control.call('GET', 'settings')).json()) as Record<string, unknown>
    expect(settings['rate_limit_creates']).toEqual({ requests: 10, per_seconds: 1 })
    await simulator.control.set({ rate_limit_creates: { requests: 1, per_seconds: 3600 } })
    await create()
    const { refusal, headers } = await create({ primaryEmail: 'grace@example.com' })
    expect(refusal).toEqual([429, 'rateLimitExceeded', 'Rate Limit Exceeded'])
    expect(headers.has('retry-after')).toBe(false)
    expect(await created()).toHaveLength(1)
    expect((await find(ada.primaryEmail)).status).toBe(200)
  })

  it('can be answered as 403, like a quota', async () => {
    await simulator.control.set({ rate_limit: { requests: 0, per_seconds: 60 }, rate_limit_status: 403 })
    expect((await find(ada.primaryEmail)).refusal).toEqual([403, 'userRateLimitExceeded', 'User Rate Limit Exceeded'])
    await simulator.control.set({ rate_limit: null })
    await simulator.control.arm({ fault: 'quota_exceeded' })
    expect((await create()).refusal).toEqual([403, 'quotaExceeded', 'Quota exceeded'])
    expect((await create()).status).toBe(200)
  })
})

describe('access tokens', () => {
  async function assertion(claims: Record<string, unknown> = {}, key = keys.privateKey) {
    const now = Math.floor(Date.now() / 1000)
    return await new SignJWT({
      iss: CLIENT_EMAIL,
      sub: 'admin@example.com',
      scope: DIRECTORY_SCOPE,
      aud: `${simulator.url}/token`,
      iat: now,
      exp: now + 3600,
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
      .sign(createPrivateKey(key))
  }
  const tradeAssertion = async (claims?: Record<string, unknown>, key?: string) =>
    await trade({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: await assertion(claims, key) })

  it('are given for an assertion without a scope, for a refresh token with one', async () => {
    const value = expect.stringMatching(/^ya29\./) as string
    expect(await tradeAssertion()).toEqual({
      status: 200,
      body: { access_token: value, expires_in: 3599, token_type: 'Bearer' },
    })
    expect(await trade({ grant_type: 'refresh_token', ...oauthClient })).toEqual({
      status: 200,
      body: { access_token: value, expires_in: 3599, scope: DIRECTORY_SCOPE, token_type: 'Bearer' },
    })
  })

  const now = Math.floor(Date.now() / 1000)
  it.each([
    ['an expired assertion', { iat: now - 7200, exp: now - 3600 }, 400, 'invalid_grant'],
    ['an assertion for more than an hour', { exp: now + 7200 }, 400, 'invalid_grant'],
    ['an assertion from the future', { iat: now + 3000, exp: now + 6000 }, 400, 'invalid_grant'],
    ['another audience', { aud: 'https://example.com/token' }, 400, 'invalid_grant'],
    ['an unknown service account', { iss: 'unknown@example.com' }, 400, 'invalid_grant'],
    ['a subject that does not exist', { sub: 'missing@example.com' }, 400, 'invalid_grant'],
    ['no scope', { scope: '' }, 400, 'invalid_scope'],
    [
      'a scope that is not delegated',
      { scope: `${DIRECTORY_SCOPE} https://www.googleapis.com/auth/admin.directory.group` },
      401,
      'unauthorized_client',
    ],
  ])('are refused for %s', async (_case, claims, status, error) => {
    expect(await tradeAssertion(claims)).toMatchObject({ status, body: { error } })
  })

  it('are refused for the signature of another key', async () => {
    expect(await tradeAssertion({}, createKeys().privateKey)).toEqual({
      status: 400,
      body: { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' },
    })
  })

  it('are refused for dead refresh tokens, wrong secrets and other grants', async () => {
    expect(await trade({ grant_type: 'refresh_token', ...oauthClient, refresh_token: 'x' })).toEqual({
      status: 400,
      body: { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' },
    })
    expect(await trade({ grant_type: 'refresh_token', ...oauthClient, client_secret: 'x' })).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    })
    expect(await trade({ grant_type: 'password' })).toMatchObject({
      status: 400,
      body: { error: 'unsupported_grant_type' },
    })
  })

  it('of a service account without an administrator may do nothing', async () => {
    await expect(
      directory(createJwtClient({ subject: undefined })).users.insert({ requestBody: ada }),
    ).rejects.toMatchObject({ status: 403, ...refusedFor('forbidden') })
  })

  it('of an administrator without the right may do nothing', async () => {
    await simulator.control.set({ administrators: [{ email: 'admin@example.com', can_manage_users: false }] })
    await expect(directory(createJwtClient()).users.insert({ requestBody: ada })).rejects.toMatchObject({
      status: 403,
      ...refusedFor('forbidden'),
    })
  })

  it('for reading only may read only', async () => {
    const scopes = [`${DIRECTORY_SCOPE}.readonly`]
    await simulator.control.set({ service_accounts: [{ ...serviceAccount, scopes }] })
    const { users } = directory(createJwtClient({ scopes }))
    expect((await users.list({ customer: 'my_customer' })).status).toBe(200)
    await expect(users.insert({ requestBody: ada })).rejects.toMatchObject({
      status: 403,
      message: 'Request had insufficient authentication scopes.',
    })
    const token = await tradeAssertion({ scope: scopes[0] })
    const { body } = await send('POST', '/admin/directory/v1/users', ada, {
      authorization: `Bearer ${String(token.body['access_token'])}`,
    })
    expect(body.error).toMatchObject({
      status: 'PERMISSION_DENIED',
      errors: [{ reason: 'insufficientPermissions' }],
      details: [{ reason: 'ACCESS_TOKEN_SCOPE_INSUFFICIENT' }],
    })
  })

  it.each([
    ['is_api_enabled', 'accessNotConfigured'],
    ['is_api_access_allowed', 'domainCannotUseApis'],
  ])('do not help without %s', async (setting, reason) => {
    await simulator.control.set({ [setting]: false })
    expect((await create()).refusal.slice(0, 2)).toEqual([403, reason])
  })

  it.each([
    ['none', {}],
    ['an unknown one', { authorization: 'Bearer ya29.unknown' }],
  ])('are asked for: %s is 401 authError', async (_case, headers) => {
    const { refusal, body } = await send('GET', '/admin/directory/v1/users?customer=my_customer', undefined, headers)
    expect(refusal.slice(0, 2)).toEqual([401, 'authError'])
    expect(body.error?.status).toBe('UNAUTHENTICATED')
  })

  it('end, and the fault that ends them says the same', async () => {
    await simulator.control.arm({ fault: 'expired_token' })
    expect((await create()).refusal.slice(0, 2)).toEqual([401, 'authError'])
    await simulator.control.set({ clock_skew_ms: 3_600_000 })
    expect((await create()).refusal.slice(0, 2)).toEqual([401, 'authError'])
  })
})

describe('trouble', () => {
  it.each([
    [500, 'backendError', 'Backend Error'],
    [503, 'backendError', 'Service unavailable. Please try again'],
  ])('%i is in the words of Google', async (status, reason, message) => {
    await simulator.control.arm({ fault: 'server_error', status, after_commit: true })
    expect((await create()).refusal).toEqual([status, reason, message])
    expect(await created()).toHaveLength(1)
  })

  it('502 is a page', async () => {
    await simulator.control.arm({ fault: 'server_error', status: 502 })
    expect((await create()).text).toContain('<!DOCTYPE html>')
  })
})
