import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { vendor as activecampaign } from '../src/activecampaign/simulator.ts'
import { startVendor } from './client.ts'

// ActiveCampaign publishes no SDK: requests and bodies here are those of its own specification (v3).

const TOKEN = 'SimulatorDemoKey-activecampaign'
const jdoe = {
  username: 'jdoe',
  email: 'johndoe@example.com',
  firstName: 'John',
  lastName: 'Doe',
  password: 'myPa$$w0rd',
  group: 4,
}

let simulator: Awaited<ReturnType<typeof startVendor>>
beforeAll(async () => {
  // The limit has a test of its own.
  simulator = await startVendor(activecampaign, { rate_limit: null })
})
beforeEach(() => simulator.control.reset())
afterAll(() => simulator.close())

async function send(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = { 'api-token': TOKEN },
) {
  const response = await fetch(`${simulator.url}/api/3${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: (text === '' ? undefined : JSON.parse(text)) as Record<string, unknown> | undefined,
  }
}
const create = (changes: Record<string, unknown> = {}) => send('POST', '/users', { user: { ...jdoe, ...changes } })
const duplicate = (title: string, attribute: string) => ({
  errors: [{ title, detail: '', code: 'duplicate', source: { pointer: `/data/attributes/${attribute}` } }],
})

describe("ActiveCampaign's published examples", () => {
  it('creates a user: 201, with times, language and zone, without phone and group', async () => {
    const { status, body } = await create()
    expect(status).toBe(201)
    const self = `${simulator.url}/api/3/users/2`
    expect(body).toEqual({
      user: {
        username: 'jdoe',
        email: 'johndoe@example.com',
        firstName: 'John',
        lastName: 'Doe',
        lang: 'english',
        localZoneid: 'America/New_York',
        cdate: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d-0[56]:00$/) as unknown,
        udate: expect.any(String) as unknown,
        links: {
          lists: `${self}/lists`,
          userGroup: `${self}/userGroup`,
          dealGroupTotals: `${self}/dealGroupTotals`,
          dealGroupUsers: `${self}/dealGroupUsers`,
          configs: `${self}/configs`,
          dealConnection: `${self}/dealConnection`,
          userConversationsPermission: `${self}/userConversationsPermission`,
          seatUser: `${self}/seatUser`,
        },
        id: '2',
      },
    })
    const user = body?.['user'] as { cdate: string } | undefined
    expect(Math.abs(Date.parse(user?.cdate ?? '') - Date.now())).toBeLessThan(60_000)
  })

  it('reads a user by id, username and e-mail: with phone, without times', async () => {
    await create()
    const self = `${simulator.url}/api/3/users/2`
    const user = {
      username: 'jdoe',
      firstName: 'John',
      lastName: 'Doe',
      email: 'johndoe@example.com',
      phone: '',
      signature: null,
      links: {
        lists: `${self}/lists`,
        userGroup: `${self}/userGroup`,
        dealGroupTotals: `${self}/dealGroupTotals`,
        dealGroupUsers: `${self}/dealGroupUsers`,
        configs: `${self}/configs`,
      },
      id: '2',
    }
    for (const path of [
      '/users/2',
      '/users/username/jdoe',
      '/users/username/JDoe',
      '/users/email/johndoe%40example.com',
    ]) {
      expect(await send('GET', path)).toMatchObject({ status: 200, body: { user } })
    }
  })

  it('knows the user of the key', async () => {
    expect(await send('GET', '/users/me')).toMatchObject({
      status: 200,
      body: { user: { id: '1', username: 'admin' } },
    })
  })

  it('lists users, 20 a page and at most 100, with the total as text', async () => {
    for (let number = 0; number < 24; number += 1) await create({ username: `user${number}` })
    const list = async (query: string) => {
      const { body } = await send('GET', `/users${query}`)
      const users = body?.['users'] as unknown[] | undefined
      return [users?.length, body?.['meta']]
    }
    expect(await list('')).toEqual([20, { total: '25' }])
    expect(await list('?limit=100&offset=20')).toEqual([5, { total: '25' }])
    expect(await list('?limit=3')).toEqual([3, { total: '25' }])
    expect(await list('?offset=25')).toEqual([0, { total: '25' }])
  })

  it('lists groups with flags and ids as text, and answers 403 for one that is not there', async () => {
    const { body } = await send('GET', '/groups')
    expect(body).toMatchObject({
      groups: [
        { id: '3', pg_user_add: '1' },
        { id: '4', pg_user_add: '0' },
      ],
      meta: { total: '2' },
    })
    expect(await send('GET', '/groups/3')).toMatchObject({ status: 200, body: { group: { id: '3', title: 'Admin' } } })
    expect(await send('GET', '/groups/10')).toMatchObject({
      status: 403,
      body: { message: 'No Result found for Group with id 10' },
    })
  })
})

describe("ActiveCampaign's 403", () => {
  it.each([
    ['a missing key', {}],
    ['a wrong key', { 'api-token': 'wrong' }],
    ['a key in another header', { authorization: `Bearer ${TOKEN}` }],
  ])('means %s', async (_, headers) => {
    expect(await send('GET', '/users/me', undefined, headers)).toMatchObject({
      status: 403,
      body: { message: 'Forbidden' },
    })
  })

  it('means a key whose user is gone', async () => {
    expect((await send('DELETE', '/users/1')).status).toBe(200)
    expect((await send('GET', '/users/me')).status).toBe(403)
  })

  it('means a group that may not manage users', async () => {
    await simulator.control.set({ groups: [{ id: 3, title: 'Admin', can_manage_users: false }] })
    expect(await create({ group: 3 })).toMatchObject({
      status: 403,
      body: { message: "You don't have permission to access this resource" },
    })
    expect((await send('GET', '/users/me')).status).toBe(200)
  })

  it('can be 401 for a bad key, as some clients met it', async () => {
    await simulator.control.set({ bad_token_status: 401 })
    expect((await send('GET', '/users/me', undefined, {})).status).toBe(401)
  })
})

describe('ActiveCampaign refuses', () => {
  it.each(['username', 'email', 'firstName', 'password', 'group'])('a user without %s', async (attribute) => {
    expect(await create({ [attribute]: null })).toMatchObject({
      status: 422,
      body: {
        errors: [
          {
            title: `The user ${attribute} was not provided.`,
            detail: '',
            code: 'field_missing',
            source: { pointer: `/data/attributes/${attribute}` },
          },
        ],
      },
    })
  })

  it('all that is missing at once, and takes an empty last name', async () => {
    const { body } = await send('POST', '/users', { user: {} })
    expect(body?.['errors']).toHaveLength(5)
    expect((await create({ lastName: '' })).status).toBe(201)
  })

  it('a group that is not there', async () => {
    expect(await create({ group: 99 })).toMatchObject({
      status: 422,
      body: { errors: [{ code: 'related_missing', source: { pointer: '/data/attributes/group' } }] },
    })
  })

  it.each([
    ['no JSON', '{'],
    ['no wrapper', jdoe],
    ['an array', []],
  ])('%s with an empty 400', async (_, body) => {
    expect(await send('POST', '/users', body)).toMatchObject({ status: 400, body: {} })
  })

  it('a path that it does not have', async () => {
    expect((await send('GET', '/nothing')).status).toBe(404)
  })
})

describe('what ActiveCampaign does not document is a setting', () => {
  it('a taken username: 422 duplicate, or a message', async () => {
    await create()
    expect(await create({ username: 'JDOE' })).toMatchObject({
      status: 422,
      body: duplicate('Username already exists in the system', 'username'),
    })
    await simulator.control.set({ duplicate_answer: 'message' })
    expect(await create()).toMatchObject({ status: 422, body: { message: 'Username already exists in the system' } })
    await simulator.control.set({ username_is_case_sensitive: true })
    expect((await create({ username: 'JDOE' })).status).toBe(201)
    expect((await send('GET', '/users/username/JDOE')).body).toMatchObject({ user: { id: '3' } })
    expect((await send('GET', '/users/username/jDoe')).status).toBe(404)
  })

  it('a taken address: let in, or 422 duplicate', async () => {
    await create()
    expect((await create({ username: 'other' })).status).toBe(201)
    await simulator.control.set({ email_is_unique: true })
    expect(await create({ username: 'third' })).toMatchObject({
      status: 422,
      body: duplicate('Email address already exists in the system', 'email'),
    })
  })

  it('a full account, the owner counted: no end, or an answer of your choice', async () => {
    await simulator.control.set({ seat_limit: 2 })
    expect((await create()).status).toBe(201)
    expect((await create({ username: 'other' })).status).toBe(403)
    await simulator.control.set({ seat_limit_answer: { status: 422, body: { errors: ['No seats left'] } } })
    expect(await create({ username: 'other' })).toMatchObject({ status: 422, body: { errors: ['No seats left'] } })
    // A taken name is reported before a full account.
    expect((await create()).body).toMatchObject({ errors: [{ code: 'duplicate' }] })
  })

  it.each([
    [404, { message: 'No Result found for User with id missing' }],
    [403, { message: 'No Result found for User with id missing' }],
    [200, {}],
  ])('an absent user: %i', async (status, body) => {
    await simulator.control.set({ absent_status: status })
    expect(await send('GET', '/users/username/missing')).toMatchObject({ status, body })
  })

  it('a delay until a new user is found, during which its name is taken', async () => {
    await simulator.control.set({ lookup_lag_ms: 60_000 })
    await create()
    expect((await send('GET', '/users/username/jdoe')).status).toBe(404)
    expect((await create()).status).toBe(422)
    await simulator.control.set({ clock_skew_ms: 61_000 })
    expect((await send('GET', '/users/username/jdoe')).status).toBe(200)
  })
})

describe("ActiveCampaign's limit", () => {
  it('is five calls a second for the whole account, with its own headers', async () => {
    await simulator.control.set({ rate_limit: { requests: 5, per_seconds: 60 }, api_tokens: [TOKEN, 'another'] })
    const seen = []
    for (const token of [TOKEN, 'another', TOKEN, 'another', TOKEN]) {
      const { status, headers } = await send('GET', '/users/me', undefined, { 'api-token': token })
      seen.push([status, headers.get('ratelimit-limit'), headers.get('ratelimit-remaining')])
    }
    expect(seen).toEqual(['4', '3', '2', '1', '0'].map((remaining) => [200, '5', remaining]))
    const refused = await send('GET', '/users/me')
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('30')
    expect(refused.headers.get('ratelimit-remaining')).toBe('0')
    expect(refused.headers.get('x-ratelimit-limit')).toBeNull()
    await simulator.control.set({ clock_skew_ms: 60_000 })
    expect((await send('GET', '/users/me')).status).toBe(200)
  })

  it('is five a second by default', () => {
    expect(activecampaign.settingsSchema.parse({})).toMatchObject({
      rate_limit: { requests: 5, per_seconds: 1 },
      seat_limit: null,
    })
  })
})

describe('faults and records', () => {
  it('a create whose answer is lost is found by its username, once', async () => {
    await simulator.control.arm({ fault: 'reset_after_commit' })
    await expect(create()).rejects.toThrow()
    expect((await send('GET', '/users/username/jdoe')).status).toBe(200)
    const { created, requests } = await simulator.control.ledger()
    expect(created).toMatchObject([{ id: '2', key: 'jdoe', request_number: 1 }])
    expect(requests.map(({ path, status }) => [path, status])).toEqual([
      ['/api/3/users', null],
      ['/api/3/users/username/jdoe', 200],
    ])
  })

  it('faults speak as ActiveCampaign does', async () => {
    await simulator.control.arm({ fault: 'rate_limit_storm', retry_after: '7' })
    expect((await create()).headers.get('retry-after')).toBe('7')
    await simulator.control.arm({ fault: 'server_error', status: 503 })
    expect(await create()).toMatchObject({ status: 503, body: undefined })
    await simulator.control.arm({ fault: 'expired_token' })
    expect(await create()).toMatchObject({ status: 403, body: { message: 'Forbidden' } })
    expect((await simulator.control.call('POST', 'faults', { fault: 'quota_exceeded' })).status).toBe(400)
    expect((await simulator.control.ledger()).created).toEqual([])
  })

  it('state holds created users and their group, and of a password its hash', async () => {
    await create()
    const { users } = await simulator.control.state()
    expect(users).toMatchObject([
      {
        id: '2',
        username: 'jdoe',
        group: '4',
        has_password: true,
        password_sha256: createHash('sha256').update(jdoe.password).digest('hex'),
      },
    ])
    expect(JSON.stringify(users)).not.toContain(jdoe.password)
  })
})
