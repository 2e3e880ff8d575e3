import { createHash, createPrivateKey, generateKeyPairSync, randomUUID } from 'node:crypto'
import oktaSdk from '@okta/okta-sdk-nodejs'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { vendor as okta } from '../src/okta/simulator.ts'
import { startVendor } from './client.ts'

const createKeys = () =>
  generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
const keys = createKeys()
const oauthClient = {
  client_id: '0oaServiceApp',
  key_id: 'key-1',
  public_key: keys.publicKey,
  scopes: ['okta.users.manage'],
}
const settings = { oauth_clients: [oauthClient], search_lag_ms: 0 }

let simulator: Awaited<ReturnType<typeof startVendor>>
beforeAll(async () => {
  simulator = await startVendor(okta, settings)
})
beforeEach(() => simulator.control.reset())
afterAll(() => simulator.close())

const TOKEN = '00SimulatorDemoToken-okta'
const ada = {
  login: 'ada.lovelace@example.com',
  email: 'ada.lovelace@example.com',
  firstName: 'Ada',
  lastName: 'Lovelace',
}

// Without the SDK's cache, every read reaches the simulator.
const sdk = (changes: ConstructorParameters<typeof oktaSdk.Client>[0] = {}) =>
  new oktaSdk.Client({ orgUrl: simulator.url, token: TOKEN, cacheMiddleware: null, ...changes })
const oauthSdk = (changes: ConstructorParameters<typeof oktaSdk.Client>[0] = {}) =>
  new oktaSdk.Client({
    orgUrl: simulator.url,
    authorizationMode: 'PrivateKey',
    clientId: oauthClient.client_id,
    keyId: oauthClient.key_id,
    privateKey: keys.privateKey,
    // @ts-expect-error The SDK's types say string[], its code splits a string.
    scopes: 'okta.users.manage',
    cacheMiddleware: null,
    ...changes,
  })

interface OktaBody {
  errorCode: string
  errorSummary: string
  errorId: string
  errorCauses: { errorSummary: string }[]
  status: string
  credentials: Record<string, unknown>
  activated: string | null
  statusChanged: string | null
  passwordChanged: string | null
  profile: Record<string, unknown>
}

async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${simulator.url}${path}`, {
    method,
    headers: { authorization: `SSWS ${TOKEN}`, 'content-type': 'application/json', ...headers },
    body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: (text === '' ? {} : JSON.parse(text)) as OktaBody,
  }
}
const create = (body: Record<string, unknown> = {}, query = '', headers: Record<string, string> = {}) =>
  send('POST', `/api/v1/users${query}`, { profile: ada, ...body }, headers)

describe("Okta's own SDK", () => {
  it('creates a user and reads it back by id, login and shortname', async () => {
    const client = sdk()
    const user = await client.userApi.createUser({ body: { profile: { ...ada, mobilePhone: '+1 555 0100' } } })
    expect(user.id).toMatch(/^00u\w{17}$/)
    expect(user).toMatchObject({ status: 'PROVISIONED', profile: { ...ada, mobilePhone: '+1 555 0100' } })
    for (const userId of [user.id ?? '', ada.login, 'ADA.Lovelace@example.com', 'ada.lovelace']) {
      expect((await client.userApi.getUser({ userId })).id).toBe(user.id)
    }
  })

  it('raises its API error for a duplicate, an absent user and a bad token', async () => {
    const client = sdk()
    await client.userApi.createUser({ body: { profile: ada } })
    await expect(client.userApi.createUser({ body: { profile: ada } })).rejects.toMatchObject({
      status: 400,
      errorCode: 'E0000001',
      errorCauses: [{ errorSummary: 'login: An object with this field already exists in the current organization' }],
    })
    await expect(client.userApi.getUser({ userId: 'missing@example.com' })).rejects.toMatchObject({
      status: 404,
      errorSummary: 'Not found: Resource not found: missing@example.com (User)',
    })
    await expect(sdk({ token: 'revoked' }).userApi.getUser({ userId: ada.login })).rejects.toMatchObject({
      status: 401,
      errorCode: 'E0000011',
    })
  })

  it('lists by search, filter and q, over pages', async () => {
    const client = sdk()
    for (const number of [1, 2, 3, 4, 5]) {
      const login = `user${number}@example.com`
      await client.userApi.createUser({
        body: { profile: { login, email: login, firstName: `First${number}`, lastName: 'L' } },
      })
    }
    const logins = async (query: Parameters<typeof client.userApi.listUsers>[0]) => {
      const found: unknown[] = []
      await (await client.userApi.listUsers(query)).each((user) => void found.push(user?.profile?.login))
      return found
    }
    expect(await logins({ search: 'profile.email eq "user3@example.com"' })).toEqual(['user3@example.com'])
    expect(await logins({ filter: 'profile.login eq "USER4@example.com" and status eq "PROVISIONED"' })).toEqual([
      'user4@example.com',
    ])
    expect(await logins({ q: 'first2' })).toEqual(['user2@example.com'])
    expect(await logins({ limit: 2 })).toHaveLength(5)
    await expect(client.userApi.listUsers({ filter: 'nonsense' }).then((users) => users.next())).rejects.toMatchObject({
      status: 400,
    })
  })

  it('stages, activates and deactivates', async () => {
    const client = sdk()
    const user = await client.userApi.createUser({ body: { profile: ada }, activate: false })
    const userId = user.id ?? ''
    expect(user.status).toBe('STAGED')
    const activation = await client.userApi.activateUser({ userId, sendEmail: false })
    expect(activation.activationUrl).toContain(activation.activationToken)
    expect((await client.userApi.getUser({ userId })).status).toBe('PROVISIONED')
    await client.userApi.deactivateUser({ userId })
    expect((await client.userApi.getUser({ userId })).status).toBe('DEPROVISIONED')
  })

  it('logs in with private_key_jwt, and again when its token has expired', async () => {
    await simulator.control.set({ access_token_seconds: 60 })
    const client = oauthSdk()
    const user = await client.userApi.createUser({ body: { profile: ada } })
    expect((await client.userApi.getUser({ userId: ada.login })).id).toBe(user.id)
    // Past the token's minute, within the five of the SDK's next assertion.
    await simulator.control.set({ clock_skew_ms: 120_000 })
    expect((await client.userApi.getUser({ userId: ada.login })).id).toBe(user.id)
    const { requests } = await simulator.control.ledger()
    expect(requests.map(({ path, status }) => [path, status])).toEqual([
      ['/oauth2/v1/token', 200],
      ['/api/v1/users', 200],
      ['/api/v1/users/ada.lovelace%40example.com', 200],
      ['/api/v1/users/ada.lovelace%40example.com', 401],
      ['/oauth2/v1/token', 200],
      ['/api/v1/users/ada.lovelace%40example.com', 200],
    ])
  })

  it.each([
    ['an access token', () => oauthSdk()],
    ['an API token', () => sdk()],
  ])('meets the expired_token fault with %s', async (_case, createClient) => {
    const client = createClient()
    await client.userApi.createUser({ body: { profile: ada } })
    // Twice, because the SDK logs in again once.
    await simulator.control.arm({ fault: 'expired_token', times: 2 })
    await expect(client.userApi.getUser({ userId: ada.login })).rejects.toMatchObject({ status: 401 })
  })

  it('waits for X-Rate-Limit-Reset after a 429 and then gets through', async () => {
    await simulator.control.arm({ fault: 'rate_limit_storm' })
    const user = await sdk().userApi.createUser({ body: { profile: ada } })
    expect(user.status).toBe('PROVISIONED')
    const { requests } = await simulator.control.ledger()
    expect(requests.map(({ status }) => status)).toEqual([429, 200])
  })
})

describe('create', () => {
  const password = { value: 'Correct-Horse-9' }
  const hash = { algorithm: 'SHA-256', value: 'x', salt: 'y', saltOrder: 'PREFIX' }
  const recovery_question = { question: 'Who?', answer: 'Me' }
  it.each([
    ['no password', {}, '', 'PROVISIONED', 'OKTA'],
    ['no password, not activated', {}, '?activate=false', 'STAGED', 'OKTA'],
    ['a password', { password }, '?activate=true', 'ACTIVE', 'OKTA'],
    ['a password, not activated', { password }, '?activate=false', 'STAGED', 'OKTA'],
    ['a password and a question', { password, recovery_question }, '', 'ACTIVE', 'OKTA'],
    ['a password hash', { password: { hash } }, '', 'ACTIVE', 'IMPORT'],
    ['a password hash, not activated', { password: { hash } }, '?activate=false', 'STAGED', 'IMPORT'],
    [
      'a federated provider',
      { provider: { type: 'FEDERATION', name: 'FEDERATION' } },
      '?provider=true',
      'ACTIVE',
      'FEDERATION',
    ],
    [
      'a federated provider without its name',
      { provider: { type: 'FEDERATION' } },
      '?provider=true',
      'PROVISIONED',
      'OKTA',
    ],
    ['a password that must be changed', { password }, '?nextLogin=changePassword', 'PASSWORD_EXPIRED', 'OKTA'],
  ])('with %s', async (_case, credentials, query, status, provider) => {
    const { body, ...response } = await create({ credentials }, query)
    expect(response.status).toBe(200)
    expect(body).toMatchObject({ status, credentials: { provider: { type: provider } } })
  })

  it('answers the recorded shape', async () => {
    const { body } = await create()
    expect(Object.keys(body)).toEqual([
      'id',
      'status',
      'created',
      'activated',
      'statusChanged',
      'lastLogin',
      'lastUpdated',
      'passwordChanged',
      'type',
      'profile',
      'credentials',
      '_links',
    ])
    const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/) as string
    expect(body).toMatchObject({
      created: at,
      activated: at,
      statusChanged: at,
      lastUpdated: at,
      lastLogin: null,
      passwordChanged: null,
      profile: { ...ada, mobilePhone: null, secondEmail: null },
      credentials: { provider: { type: 'OKTA', name: 'OKTA' } },
      _links: { self: { href: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/api\/v1\/users\/00u/) as string } },
    })
    const staged = await create({ profile: { ...ada, login: 'staged@example.com' } }, '?activate=false')
    expect(staged.body).toMatchObject({ activated: null, statusChanged: null })
  })

  it('keeps a password out of every answer, and its digest in the state', async () => {
    const { text, body } = await create({ credentials: { password } })
    expect(body.credentials).toMatchObject({ password: {} })
    const state = JSON.stringify(await simulator.control.state())
    expect(text + state).not.toContain(password.value)
    expect((await simulator.control.state()).users).toMatchObject([
      { has_password: true, password_sha256: createHash('sha256').update(password.value).digest('hex') },
    ])
  })

  it.each(['ADA.LOVELACE@example.com', 'ada.lovelacé@example.com'])(
    'holds the login %s for taken, even by a deactivated user',
    async (login) => {
      await create()
      await send('POST', `/api/v1/users/${ada.login}/lifecycle/deactivate`)
      const second = await create({ profile: { ...ada, login } })
      expect([second.status, second.body.errorSummary]).toEqual([400, 'Api validation failed: login'])
      expect((await simulator.control.ledger()).created).toHaveLength(1)
    },
  )

  it('makes one user of many requests at once for one login', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => create()))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect((await simulator.control.ledger()).created).toHaveLength(1)
  })

  it.each([
    [
      'an unknown attribute',
      { profile: { ...ada, notValid: 1 } },
      'newUser',
      "Property name 'notValid' is not defined in profile",
    ],
    ['a bad e-mail', { profile: { ...ada, email: 'no-address' } }, 'email', 'email: Does not match required pattern'],
    [
      'no first name',
      { profile: { ...ada, firstName: undefined } },
      'firstName',
      'firstName: The field cannot be left blank',
    ],
    [
      'a login that is not an e-mail',
      { profile: { ...ada, login: 'ada-l' } },
      'login',
      'login: Username must be in the form of an email address',
    ],
    [
      'a short password',
      { credentials: { password: { value: 'Ab1' } } },
      'password',
      'password: Password requirements were not met. Password requirements: at least 8 characters, a lowercase letter, an uppercase letter, a number, no parts of your username.',
    ],
    [
      'a password with the name in it',
      { credentials: { password: { value: 'Lovelace123' } } },
      'password',
      expect.stringContaining('no parts of your username'),
    ],
  ])('refuses %s with E0000001', async (_case, change, subject, cause) => {
    const { status, body } = await create(change)
    expect(status).toBe(400)
    expect(body).toEqual({
      errorCode: 'E0000001',
      errorSummary: `Api validation failed: ${subject}`,
      errorLink: 'E0000001',
      errorId: expect.stringMatching(/^oae/) as string,
      errorCauses: [{ errorSummary: cause }],
    })
  })

  it('takes an attribute that the org has defined', async () => {
    await simulator.control.set({ custom_attributes: ['badge'] })
    expect((await create({ profile: { ...ada, badge: 7 } })).body.profile).toMatchObject({ badge: 7 })
  })

  it('puts the user in up to 20 groups that exist', async () => {
    expect((await create({ groupIds: ['00gSimulatorEngineer'] })).status).toBe(200)
    expect((await simulator.control.state()).users).toMatchObject([{ group_ids: ['00gSimulatorEngineer'] }])
    const other = { profile: { ...ada, login: 'grace@example.com' } }
    const many = await create({ ...other, groupIds: Array.from({ length: 21 }, () => '00gSimulatorEngineer') })
    expect(many.body).toMatchObject({
      errorCode: 'E0000093',
      errorCauses: [{ errorSummary: 'The number of group targets is too large' }],
    })
    expect((await create({ ...other, groupIds: ['00gNoSuchGroup'] })).body.errorCode).toBe('E0000007')
  })

  it.each([
    ['?nextLogin=changePassword&activate=false', 'E0000125'],
    ['?nextLogin=changePassword', 'E0000124'],
  ])('refuses %s without what it needs', async (query, code) => {
    expect((await create({}, query)).body.errorCode).toBe(code)
  })

  it('refuses broken JSON and foreign media types', async () => {
    expect((await send('POST', '/api/v1/users', '{')).body).toMatchObject({ errorCode: 'E0000003' })
    expect((await create({}, '', { 'content-type': 'text/plain' })).body.errorCode).toBe('E0000021')
    expect((await create({}, '', { accept: 'text/html' })).body.errorCode).toBe('E0000019')
  })
})

describe('look-ups', () => {
  it('finds by login at once, and by search only when the index has caught up', async () => {
    await simulator.control.set({ search_lag_ms: 60_000 })
    await create()
    expect((await send('GET', `/api/v1/users/${encodeURIComponent(ada.login)}`)).status).toBe(200)
    const search = `/api/v1/users?search=${encodeURIComponent(`profile.login eq "${ada.login}"`)}`
    expect((await send('GET', search)).body).toEqual([])
    await simulator.control.set({ search_lag_ms: 0 })
    expect((await send('GET', search)).body).toHaveLength(1)
  })

  it('finds no user by a shortname that two users share', async () => {
    await create()
    await create({ profile: { ...ada, login: 'ada.lovelace@other.example' } })
    expect((await send('GET', '/api/v1/users/ada.lovelace')).status).toBe(404)
  })

  it('leaves deactivated users out of the plain list, not out of a filter', async () => {
    await create()
    await send('POST', `/api/v1/users/${ada.login}/lifecycle/deactivate`)
    expect((await send('GET', '/api/v1/users')).body).toEqual([])
    expect((await send('GET', '/api/v1/users?filter=status+eq+"DEPROVISIONED"')).body).toHaveLength(1)
  })
})

describe('rate limits', () => {
  it('shows them on every answer, in epoch seconds', async () => {
    for (const { headers } of [
      await create(),
      await send('GET', '/api/v1/users', undefined, { authorization: 'SSWS no' }),
    ]) {
      expect(headers.get('x-rate-limit-limit')).toBe('300')
      expect(headers.get('x-rate-limit-remaining')).toBe('299')
      const wait = Number(headers.get('x-rate-limit-reset')) - Date.parse(headers.get('date') ?? '') / 1000
      expect(wait).toBeGreaterThan(55)
      expect(wait).toBeLessThanOrEqual(62)
      expect(headers.get('x-okta-request-id')).toMatch(/^[0-9a-f]{32}$/)
    }
    expect((await send('GET', `/api/v1/users/${ada.login}`)).headers.get('x-rate-limit-limit')).toBe('1000')
  })

  it('refuses beyond them with E0000047 and no Retry-After, endpoint by endpoint', async () => {
    await simulator.control.set({ rate_limit: { requests: 1, per_seconds: 3600 } })
    await create()
    const refused = await create({ profile: { ...ada, login: 'grace@example.com' } })
    expect([refused.status, refused.body.errorCode]).toEqual([429, 'E0000047'])
    expect(refused.headers.get('x-rate-limit-remaining')).toBe('0')
    expect(refused.headers.has('retry-after')).toBe(false)
    expect((await send('GET', '/api/v1/users')).status).toBe(200)
    expect((await simulator.control.ledger()).created).toHaveLength(1)
  })
})

describe('access tokens', () => {
  async function assertion(claims: Record<string, unknown> = {}, key = keys.privateKey, keyId = oauthClient.key_id) {
    const now = Math.floor(Date.now() / 1000)
    return await new SignJWT({
      iss: oauthClient.client_id,
      sub: oauthClient.client_id,
      aud: `${simulator.url}/oauth2/v1/token`,
      exp: now + 300,
      jti: randomUUID(),
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', kid: keyId })
      .sign(createPrivateKey(key))
  }
  async function requestToken(client_assertion: string, scope = 'okta.users.manage') {
    const response = await fetch(`${simulator.url}/oauth2/v1/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        scope,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion,
      }),
    })
    return { status: response.status, body: (await response.json()) as Record<string, string> }
  }

  it('grants the scopes that the app has and quietly leaves out the rest', async () => {
    expect(await requestToken(await assertion(), 'okta.users.manage okta.groups.manage')).toMatchObject({
      status: 200,
      body: { token_type: 'Bearer', expires_in: 3600, scope: 'okta.users.manage' },
    })
    expect(await requestToken(await assertion(), 'okta.apps.manage')).toMatchObject({
      status: 400,
      body: { error: 'invalid_scope' },
    })
  })

  it.each([
    ['an expired assertion', { exp: 1_700_000_000 }, 'The client_assertion token is expired.'],
    [
      'another audience',
      { aud: 'https://acme.okta.com' },
      'The audience claim for client_assertion must be the endpoint invoked for the request.',
    ],
    ['an assertion for more than an hour', { exp: Math.floor(Date.now() / 1000) + 7200 }, expect.any(String)],
    ['an unknown client', { iss: 'unknown' }, expect.any(String)],
  ])('refuses %s', async (_case, claims, error_description) => {
    expect(await requestToken(await assertion(claims))).toEqual({
      status: 401,
      body: { error: 'invalid_client', error_description },
    })
  })

  it('refuses a signature by another key', async () => {
    expect((await requestToken(await assertion({}, createKeys().privateKey))).status).toBe(401)
    expect((await requestToken(await assertion({}, keys.privateKey, 'key-2'))).status).toBe(401)
  })

  it('answers an empty 403 with WWW-Authenticate when the scope is not enough', async () => {
    await simulator.control.set({ oauth_clients: [{ ...oauthClient, scopes: ['okta.users.read'] }] })
    const { body } = await requestToken(await assertion(), 'okta.users.read')
    const bearer = { authorization: `Bearer ${body['access_token']}` }
    expect((await send('GET', '/api/v1/users', undefined, bearer)).status).toBe(200)
    const refused = await create({}, '', bearer)
    expect([refused.status, refused.text]).toEqual([403, ''])
    expect(refused.headers.get('www-authenticate')).toBe(
      `Bearer authorization_uri="${simulator.url}/oauth2/v1/authorize", realm="${simulator.url}", scope="okta.users.manage", ` +
        'error="insufficient_scope", error_description="The access token provided does not contain the required scopes.", resource="/api/v1/users"',
    )
  })

  it('answers E0000006 to an app without an admin role', async () => {
    await simulator.control.set({ oauth_clients: [{ ...oauthClient, has_admin_role: false }] })
    const { body } = await requestToken(await assertion())
    const refused = await create({}, '', { authorization: `Bearer ${body['access_token']}` })
    expect([refused.status, refused.body.errorCode]).toEqual([403, 'E0000006'])
  })

  it('answers 401 to an expired access token', async () => {
    const { body } = await requestToken(await assertion())
    await simulator.control.set({ clock_skew_ms: 3_601_000 })
    const refused = await create({}, '', { authorization: `Bearer ${body['access_token']}` })
    expect([refused.status, refused.text]).toEqual([401, ''])
    expect(refused.headers.get('www-authenticate')).toContain(
      'error="invalid_token", error_description="The token has expired."',
    )
  })
})
