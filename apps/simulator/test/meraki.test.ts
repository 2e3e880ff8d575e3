import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { vendor as meraki } from '../src/meraki/simulator.ts'
import { observe, startVendor } from './client.ts'

// No SDK of the vendor is on npm: these are the requests of its documentation, by hand.
let simulator: Awaited<ReturnType<typeof startVendor>>
beforeAll(async () => {
  simulator = await startVendor(meraki)
})
beforeEach(() => simulator.control.reset())
afterAll(() => simulator.close())

const KEY = 'SimulatorDemoKey-meraki'
const ADMINS = '/api/v1/organizations/549236/admins'
const USERS = '/api/v1/networks/N_24329156/merakiAuthUsers'
const miles = {
  email: 'miles@meraki.com',
  name: 'Miles Meraki',
  orgAccess: 'none',
  tags: [{ tag: 'west', access: 'read-only' }],
  networks: [{ id: 'N_24329156', access: 'full' }],
  authenticationMethod: 'Email',
}
const guest = {
  email: 'guest@example.com',
  name: 'Guest',
  password: 'Secret-Pass-1',
  authorizations: [{ ssidNumber: 1, expiresAt: '2018-03-13T00:00:00.090210Z' }],
}

async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${simulator.url}${path}`, {
    method,
    redirect: 'manual',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers },
    body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: text.startsWith('{') || text.startsWith('[') ? (JSON.parse(text) as unknown) : undefined,
  }
}
const createAdmin = (changes: Record<string, unknown> = {}, path = ADMINS) =>
  send('POST', path, { ...miles, ...changes })
const errorsOf = ({ body }: { body: unknown }) => (body as { errors: string[] }).errors

describe('admins', () => {
  it('are created in the shape of the documentation, invited and never seen', async () => {
    const answer = await createAdmin()
    expect(answer.status).toBe(201)
    expect(answer.body).toEqual({
      id: '212406',
      name: 'Miles Meraki',
      email: 'miles@meraki.com',
      orgAccess: 'none',
      accountStatus: 'unverified',
      twoFactorAuthEnabled: false,
      hasApiKey: false,
      lastActive: null,
      tags: [{ tag: 'west', access: 'read-only' }],
      networks: [{ id: 'N_24329156', access: 'full' }],
      authenticationMethod: 'Email',
    })
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/)
    expect(await simulator.control.ledger()).toMatchObject({
      created: [{ id: '212406', key: '549236/miles@meraki.com', request_number: 1 }],
    })
  })

  it('are listed at once, in their organization alone, and by network', async () => {
    await createAdmin()
    await createAdmin({ email: 'second@meraki.com', networks: [] })
    const emails = async (path: string) =>
      ((await send('GET', path)).body as { email: string }[]).map(({ email }) => email)
    expect(await emails(ADMINS)).toEqual(['miles@meraki.com', 'second@meraki.com'])
    expect(await emails(`${ADMINS}?networkIds[]=N_24329156`)).toEqual(['miles@meraki.com'])
    expect(await emails('/api/v1/organizations/549237/admins')).toEqual([])
  })

  it('have an address once in an organization, whatever its case', async () => {
    await createAdmin()
    const duplicate = await createAdmin({ email: 'MILES@meraki.com' })
    expect([duplicate.status, duplicate.body]).toEqual([400, { errors: ['Email has already been taken'] }])
    expect((await createAdmin({ networks: [] }, '/api/v1/organizations/549237/admins')).status).toBe(201)
  })

  it('are made once by twenty requests at a time', async () => {
    await simulator.control.set({ rate_limit: null })
    const answers = await Promise.all(Array.from({ length: 20 }, () => createAdmin()))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect((await simulator.control.ledger()).created).toHaveLength(1)
  })

  it.each([
    ['no email', { email: undefined }, /'email' is required/],
    ['no name', { name: '' }, /'name' is required/],
    ['no orgAccess', { orgAccess: undefined }, /'orgAccess' is required/],
    [
      'a wrong orgAccess',
      { orgAccess: 'monitor-only' },
      /'orgAccess' must be one of: 'full', 'read-only', 'enterprise', 'none'/,
    ],
    ['a wrong access of a tag', { tags: [{ tag: 'west', access: 'owner' }] }, /must be one of/],
    ['a wrong access of a network', { networks: [{ id: 'N_24329156', access: 'enterprise' }] }, /must be one of/],
    ['a network without access', { networks: [{ id: 'N_24329156' }] }, /'access' is required/],
    ['a network of another organization', { networks: [{ id: 'N_24329157', access: 'full' }] }, /N_24329157/],
    ['the sign-on that Cisco ended', { authenticationMethod: 'Cisco SecureX Sign-On' }, /must be one of: 'Email'/],
    ['an address that is none', { email: 'miles' }, /'email' is invalid/],
    ['networks that are no list', { networks: 'all' }, /'networks' must be/],
  ])('are refused with %s', async (_, changes, message) => {
    const answer = await createAdmin(changes)
    expect(answer.status).toBe(400)
    expect(errorsOf(answer).join()).toMatch(message)
    expect((await simulator.control.ledger()).created).toEqual([])
  })

  it('are refused for a body that is not JSON', async () => {
    expect((await send('POST', ADMINS, '{')).status).toBe(400)
  })

  it('without any access are taken or refused, as set', async () => {
    const none = { tags: undefined, networks: undefined }
    expect((await createAdmin(none)).status).toBe(201)
    await simulator.control.set({ refuses_admin_without_access: true })
    expect((await createAdmin({ ...none, email: 'second@meraki.com' })).status).toBe(400)
  })

  it('can have been there before, even without an address', async () => {
    await simulator.control.set({ existing_admins: [{ organization_id: '549236', name: 'Old Hand' }] })
    await simulator.control.call('POST', 'reset', { keep_settings: true })
    const { body } = await send('GET', ADMINS)
    expect(body).toMatchObject([{ name: 'Old Hand', accountStatus: 'ok' }])
    expect((body as object[])[0]).not.toHaveProperty('email')
  })

  it('can be slow to appear in the list, as set', async () => {
    await simulator.control.set({ list_lag_ms: 60_000 })
    await createAdmin()
    expect((await send('GET', ADMINS)).body).toEqual([])
    await simulator.control.set({ clock_skew_ms: 61_000 })
    expect((await send('GET', ADMINS)).body).toHaveLength(1)
  })

  it('wait for action batches', async () => {
    await simulator.control.set({ is_executing_batches: true })
    const answer = await createAdmin()
    expect([answer.status, errorsOf(answer).join()]).toEqual([400, expect.stringContaining('executing batches')])
  })
})

describe('network users', () => {
  it('are created in the shape of the documentation, and found in the list and by id', async () => {
    const answer = await send('POST', USERS, guest)
    expect(answer.status).toBe(201)
    expect(answer.body).toMatchObject({
      id: 'Z3Vlc3RAZXhhbXBsZS5jb20=',
      email: 'guest@example.com',
      name: 'Guest',
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/) as string,
      accountType: '802.1X',
      isAdmin: false,
      authorizations: [{ ssidNumber: 1, expiresAt: '2018-03-13T00:00:00.090210Z' }],
    })
    expect((await send('GET', USERS)).body).toEqual([answer.body])
    expect((await send('GET', `${USERS}/${encodeURIComponent('Z3Vlc3RAZXhhbXBsZS5jb20=')}`)).body).toEqual(answer.body)
    expect((await send('GET', `${USERS}/missing`)).status).toBe(404)
  })

  it('keep no password, only its digest', async () => {
    await send('POST', USERS, guest)
    const state = await simulator.control.state()
    expect(state.users).toMatchObject([
      {
        type: 'network',
        has_password: true,
        password_sha256: createHash('sha256').update(guest.password).digest('hex'),
      },
    ])
    expect(JSON.stringify(state)).not.toContain(guest.password)
  })

  it.each([
    ['no authorizations', { authorizations: undefined }, /'authorizations' is required/],
    ['no SSID in a wireless network', { authorizations: [{ expiresAt: 'Never' }] }, /ssidNumber/],
    ['an expiry that is not a date', { authorizations: [{ ssidNumber: 1, expiresAt: 'soon' }] }, /expiresAt/],
    ['an unknown account type', { accountType: 'VIP' }, /must be one of/],
    ['no password', { password: undefined }, /'password' is required/],
  ])('are refused with %s', async (_, changes, message) => {
    const answer = await send('POST', USERS, { ...guest, ...changes })
    expect(answer.status).toBe(400)
    expect(errorsOf(answer).join()).toMatch(message)
  })

  it('need neither name nor password when they are admins, nor an SSID where nothing is wireless', async () => {
    await createAdmin()
    expect((await send('POST', USERS, { email: miles.email, authorizations: [{ ssidNumber: 0 }] })).status).toBe(201)
    expect(
      (
        await send('POST', '/api/v1/networks/N_24329157/merakiAuthUsers', {
          ...guest,
          authorizations: [{ expiresAt: 'Never' }],
        })
      ).status,
    ).toBe(201)
  })

  it('are taken once, and as many as the organization may have', async () => {
    await simulator.control.set({ network_user_limit: 1 })
    await send('POST', USERS, guest)
    expect((await send('POST', USERS, guest)).body).toEqual({ errors: ['Email has already been taken'] })
    expect((await send('POST', USERS, { ...guest, email: 'other@example.com' })).status).toBe(400)
  })
})

describe('keys', () => {
  it.each<[string, Record<string, string>, string]>([
    ['no key', { authorization: '' }, 'Missing API key'],
    ['a wrong key', { authorization: 'Bearer wrong' }, 'Invalid API key'],
    ["v0's header", { authorization: '', 'x-cisco-meraki-api-key': KEY }, 'Missing API key'],
  ])('%s is 401', async (_, headers, message) => {
    const answer = await send('POST', ADMINS, miles, headers)
    expect([answer.status, answer.body]).toEqual([401, { errors: [message] }])
  })

  it('of less than full access read, and do not write', async () => {
    await simulator.control.set({ api_keys: [{ key: KEY, org_access: 'read-only' }] })
    expect((await send('GET', ADMINS)).status).toBe(200)
    const answer = await createAdmin()
    expect([answer.status, answer.body]).toEqual([403, { errors: ['You lack permission to perform the action'] }])
  })

  it('do not see organizations of others: 404 with an empty body, as for unknown ones', async () => {
    await simulator.control.set({ api_keys: [{ key: KEY, organization_ids: ['549237'] }] })
    for (const path of [
      ADMINS,
      '/api/v1/organizations/1/admins',
      '/api/v1/networks/N_1/merakiAuthUsers',
      '/api/v1/nothing',
    ]) {
      const answer = await send('POST', path, miles)
      expect([answer.status, answer.text, answer.headers.get('content-type')]).toEqual([404, '', null])
    }
    expect((await send('GET', '/api/v1/organizations')).body).toEqual([{ id: '549237', name: 'Second Organization' }])
  })

  it('read organizations and networks', async () => {
    expect((await send('GET', '/api/v1/organizations/549236')).body).toEqual({
      id: '549236',
      name: 'Simulated Organization',
    })
    expect((await send('GET', '/api/v1/organizations/549237/networks')).body).toEqual([
      { id: 'N_24329157', organizationId: '549237', name: 'Warehouse', productTypes: ['appliance'] },
    ])
    expect((await send('GET', '/api/v1/networks/N_24329156')).body).toMatchObject({
      id: 'N_24329156',
      productTypes: ['wireless'],
    })
  })
})

describe('OAuth', () => {
  const basic = (secret = 'simulator-demo-secret') =>
    `Basic ${Buffer.from(`simulator-demo-app:${secret}`).toString('base64')}`
  async function refresh(refreshToken = 'simulator-demo-refresh-token', secret?: string, grant = 'refresh_token') {
    const form = new URLSearchParams({ grant_type: grant, refresh_token: refreshToken })
    const response = await fetch(`${simulator.url}/oauth/token`, {
      method: 'POST',
      headers: { authorization: basic(secret) },
      body: form,
    })
    return {
      status: response.status,
      body: (await response.json()) as {
        access_token: string
        refresh_token: string
        expires_in: number
        error: string
      },
    }
  }
  const use = (token: string) =>
    send('POST', ADMINS, { ...miles, email: `${token.slice(0, 8)}@meraki.com` }, { authorization: `Bearer ${token}` })

  it('gives an access token and a new refresh token, and revokes the one that was used', async () => {
    const first = await refresh()
    expect(first).toMatchObject({ status: 200, body: { token_type: 'Bearer', expires_in: 3600 } })
    expect((await use(first.body.access_token)).status).toBe(201)
    expect(await refresh()).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    const second = await refresh(first.body.refresh_token)
    expect((await use(second.body.access_token)).status).toBe(201)
    expect(await refresh(first.body.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  })

  it('ends the access token after an hour', async () => {
    const { body } = await refresh()
    await simulator.control.set({ clock_skew_ms: 3_600_001 })
    expect((await use(body.access_token)).status).toBe(401)
  })

  it('lets an unused refresh token die', async () => {
    await simulator.control.set({ clock_skew_ms: 90 * 24 * 3_600_000 + 1 })
    expect(await refresh()).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  })

  it('refuses a wrong secret and other grants', async () => {
    expect(await refresh(undefined, 'wrong')).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
    expect(await refresh(undefined, undefined, 'password')).toMatchObject({
      status: 400,
      body: { error: 'unsupported_grant_type' },
    })
    expect((await refresh()).status).toBe(200)
  })

  it('holds to the scopes of the consent', async () => {
    const client = {
      client_id: 'simulator-demo-app',
      client_secret: 'simulator-demo-secret',
      refresh_token: 'simulator-demo-refresh-token',
    }
    await simulator.control.set({ oauth_clients: [{ ...client, scopes: ['dashboard:iam:config:read'] }] })
    const { body } = await refresh()
    expect((await send('GET', ADMINS, undefined, { authorization: `Bearer ${body.access_token}` })).status).toBe(200)
    expect((await use(body.access_token)).status).toBe(403)
  })
})

describe('limits', () => {
  it('let a burst of one organization through, then say in whole seconds how long to wait', async () => {
    // Far slower than Meraki refills, so that the machine's speed does not matter.
    await simulator.control.set({ rate_limit: { requests: 1, per_seconds: 3_600, burst: 10 } })
    for (let round = 0; round < 10; round += 1) expect((await send('GET', ADMINS)).status).toBe(200)
    const refused = await createAdmin()
    expect([refused.status, refused.body]).toEqual([429, { errors: ['API rate limit exceeded for organization'] }])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3_000)
    expect((await simulator.control.ledger()).created).toEqual([])
    // Network calls spend the allowance of their organization; another organization has its own.
    expect((await send('GET', USERS)).status).toBe(429)
    expect((await send('GET', '/api/v1/organizations/549237/admins')).status).toBe(200)
  })

  it('ask for a second at least by default', async () => {
    await simulator.control.arm({ fault: 'rate_limit_storm' })
    expect((await createAdmin()).headers.get('retry-after')).toBe('1')
  })

  it('can leave Retry-After out, as gateways do', async () => {
    await simulator.control.arm({ fault: 'rate_limit_storm', retry_after: null })
    const answer = await createAdmin()
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, null])
  })

  it('hold for an address too', async () => {
    await simulator.control.set({ rate_limit: null, rate_limit_per_address: { requests: 2, per_seconds: 3_600 } })
    const answers = [
      await send('GET', ADMINS),
      await send('GET', '/api/v1/organizations/549237/admins'),
      await send('GET', ADMINS),
    ]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429])
  })
})

describe('shards', () => {
  it.each([301, 302, 303, 307, 308])(
    '%i leads to the shard, and nothing is done before',
    async (shard_redirect_status) => {
      await simulator.control.set({ shard_hostname: 'localhost', shard_redirect_status })
      const answer = await createAdmin()
      const shard = simulator.url.replace('127.0.0.1', 'localhost')
      expect([answer.status, answer.headers.get('location')]).toEqual([shard_redirect_status, `${shard}${ADMINS}`])
      expect((await simulator.control.ledger()).created).toEqual([])

      // Under the shard's name, on the same socket address.
      const there = await observe(`${simulator.url}${ADMINS}`, {
        method: 'POST',
        headers: { host: new URL(shard).host, authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
        body: JSON.stringify(miles),
      })
      expect(there.status).toBe(201)
    },
  )

  it('keep the query, and leave faults to the request that is carried out', async () => {
    await simulator.control.set({ shard_hostname: 'localhost' })
    await simulator.control.arm({ fault: 'server_error' })
    expect((await createAdmin()).status).toBe(308)
    expect((await send('GET', `${ADMINS}?networkIds[]=N_1`)).headers.get('location')).toContain(
      `${ADMINS}?networkIds%5B%5D=N_1`,
    )
  })
})

describe('failures', () => {
  it.each([
    [500, 'application/json'],
    [503, 'application/json'],
    [502, 'text/html'],
    [504, 'text/html'],
  ])('%i comes as %s', async (status, type) => {
    await simulator.control.arm({ fault: 'server_error', status })
    const answer = await createAdmin()
    expect([answer.status, answer.headers.get('content-type')]).toEqual([status, type])
  })

  it('an expired token is 401', async () => {
    await simulator.control.arm({ fault: 'expired_token' })
    expect((await createAdmin()).status).toBe(401)
  })
})
