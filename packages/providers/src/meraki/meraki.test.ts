import { readFileSync } from 'node:fs'
import type { JsonObject } from '@muster/contracts/json'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import { describe, expect, test } from 'vitest'
import { describeProvider, json, text } from '../../test/conformance.ts'
import { isAllowedOrigin } from '../engine/base-url.ts'
import { checkInput } from '../engine/field-support.ts'
import { RemoteFailureError, type AccountContext, type CreateInput } from '../provider.ts'
import { ownershipOf } from '../engine/same-user.ts'
import { meraki } from './provider.ts'

const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8')) as JsonObject
/** The vendor's own examples: OpenAPI 1.42.0, createOrganizationAdmin and createNetworkMerakiAuthUser. */
const admin = fixture('admin-created')
const networkUser = fixture('network-user-created')

const account: AccountContext = { config: {}, credentialType: 'api_key' }
const minimal: CreateInput = {
  user: { name: 'Miles Meraki', emails: [{ email: 'miles@meraki.com' }] },
  remoteQuery: {},
  organizationId: '549236',
  workspaceId: 'N_24329156',
}
const withUser = (user: UnifiedUserInput): CreateInput => ({ ...minimal, user: { ...minimal.user, ...user } })
const guest = withUser({ remote_data: { authorizations: [{ ssidNumber: 1, expiresAt: 'Never' }] } })
const refusal = (status: number, message: string, headers: Record<string, string> = {}) =>
  json(status, { errors: [message] }, headers)

describeProvider(meraki, {
  account,
  minimal,
  full: withUser({
    emails: [{ email: 'miles@home.example' }, { email: 'Miles@meraki.com', is_primary: true }],
    roles: [{ name: 'full' }, { name: 'read-only', group: 'west' }, { id: 'none', organization: '549236' }],
    remote_data: { authenticationMethod: 'Email' },
  }),
  created: json(201, admin),
  foundResponse: json(200, [
    { id: '1', name: 'No Address', orgAccess: 'full' },
    { ...admin, email: 'Miles@Meraki.com' },
  ]),
  absent: [json(200, []), json(200, [{ id: '1', name: 'No Address', orgAccess: 'full' }])],
  user: {
    id: '212406',
    name: 'Miles Meraki',
    emails: [{ email: 'miles@meraki.com', is_primary: true }],
    status: 'active',
    is_email_verified: true,
    is_2fa_enabled: false,
    roles: [
      { id: 'none', name: 'none', organization: '549236' },
      { id: 'full', name: 'full', workspace: 'N_24329156' },
      { id: 'read-only', name: 'read-only', group: 'west' },
    ],
    organizations: [{ id: '549236' }],
    licenses: [],
    workspaces: [{ id: 'N_24329156' }],
    created_at: null,
    last_active_at: '2018-02-11T00:00:00Z',
  },
})

describe('Meraki admins', () => {
  test('without a role an admin may only read the network of the request, and a warning says so', () => {
    const { request, warnings } = meraki.toCreateRequest(minimal, account, {})
    expect(request).toEqual({
      method: 'POST',
      path: '/api/v1/organizations/549236/admins',
      body: {
        email: 'miles@meraki.com',
        name: 'Miles Meraki',
        orgAccess: 'none',
        networks: [{ id: 'N_24329156', access: 'read-only' }],
      },
    })
    expect(warnings).toMatchObject([{ code: 'derived', pointer: '/roles' }])
  })

  test.each<[string, UnifiedUserInput['roles'], JsonObject]>([
    [
      'a bare network role is for the network of the request',
      [{ name: 'monitor-only' }],
      { orgAccess: 'none', networks: [{ id: 'N_24329156', access: 'monitor-only' }] },
    ],
    [
      'a role can be named in its id, in any case',
      [{ id: 'FULL', name: 'Administrator' }],
      { orgAccess: 'none', networks: [{ id: 'N_24329156', access: 'full' }] },
    ],
    [
      'a bare role that networks do not know is for the organization',
      [{ name: 'enterprise' }],
      { orgAccess: 'enterprise' },
    ],
    ['an organization makes a role wide', [{ name: 'full', organization: '549236' }], { orgAccess: 'full' }],
    [
      'a workspace aims a role at another network',
      [{ name: 'full', workspace: 'L_646829496481105433', organization: '549236' }],
      { orgAccess: 'none', networks: [{ id: 'L_646829496481105433', access: 'full' }] },
    ],
    [
      'a group aims a role at a network tag',
      [{ name: 'guest-ambassador', group: 'west' }],
      { orgAccess: 'none', tags: [{ tag: 'west', access: 'guest-ambassador' }] },
    ],
    [
      'roles of several scopes are sent together',
      [
        { name: 'read-only', organization: '549236' },
        { name: 'full' },
        { name: 'full', workspace: 'N_2' },
        { name: 'full', group: 'east' },
      ],
      {
        orgAccess: 'read-only',
        networks: [
          { id: 'N_24329156', access: 'full' },
          { id: 'N_2', access: 'full' },
        ],
        tags: [{ tag: 'east', access: 'full' }],
      },
    ],
  ])('%s', (_, roles, access) => {
    const input = withUser({ roles })
    expect(meraki.validate(input, account)).toEqual([])
    expect(meraki.toCreateRequest(input, account, {}).request.body).toEqual({
      email: 'miles@meraki.com',
      name: 'Miles Meraki',
      ...access,
    })
  })

  test.each<[string, UnifiedUserInput['roles'], string, string, RegExp]>([
    [
      'an unknown role',
      [{ name: 'owner' }],
      '/roles/0/name',
      'invalid_value',
      /full, read-only, guest-ambassador, monitor-only, enterprise, none/,
    ],
    [
      'a role of organizations in a network',
      [{ id: 'enterprise', workspace: 'N_2' }],
      '/roles/0/id',
      'invalid_value',
      /full, read-only, guest-ambassador, monitor-only\.$/,
    ],
    [
      'a role of networks in an organization',
      [{ name: 'monitor-only', organization: '549236' }],
      '/roles/0/name',
      'invalid_value',
      /full, read-only, enterprise, none\.$/,
    ],
    ['a role without a name', [{ workspace: 'N_2' }], '/roles/0/name', 'invalid_value', /full, read-only/],
    [
      'a role of another organization',
      [{ name: 'full', organization: '1' }],
      '/roles/0/organization',
      'invalid_value',
      /549236/,
    ],
    [
      'a role for a network and a tag',
      [{ name: 'full', workspace: 'N_2', group: 'west' }],
      '/roles/0',
      'ambiguous',
      /not for both/,
    ],
    [
      'two roles for one network',
      [{ name: 'full' }, { name: 'read-only', workspace: 'N_24329156' }],
      '/roles/1',
      'ambiguous',
      /N_24329156/,
    ],
  ])('%s is a problem that names the way out', (_, roles, pointer, code, detail) => {
    expect(meraki.validate(withUser({ roles }), account)).toEqual([
      { pointer, code, detail: expect.stringMatching(detail) as string },
    ])
  })

  test('what Meraki itself requires is asked for before the call, all at once', () => {
    const { problems } = checkInput(meraki, { user: {}, remoteQuery: {} }, account)
    expect(problems.map(({ pointer }) => pointer)).toEqual(['?organization_id', '?workspace_id', '/emails', '/name'])
  })

  test('remote_data can give what is required, and replaces the access made from roles', () => {
    const input: CreateInput = {
      ...minimal,
      user: {
        remote_data: { email: 'a@b.example', name: 'A', orgAccess: 'none', tags: [{ tag: 'west', access: 'full' }] },
      },
    }
    expect(checkInput(meraki, input, account).problems).toEqual([])
    const { request, warnings } = meraki.toCreateRequest(input, account, {})
    expect(request.body).toEqual({
      email: 'a@b.example',
      name: 'A',
      orgAccess: 'none',
      tags: [{ tag: 'west', access: 'full' }],
    })
    expect(warnings).toMatchObject([{ code: 'not_sent', pointer: '?workspace_id' }])
    expect(meraki.toNaturalKey(input, account).value).toBe('549236/a@b.example')
  })

  test('the config of the account stands in for the query, and the query wins', () => {
    const configured = { ...account, config: { organization_id: '1', workspace_id: 'N_1' } }
    const input: CreateInput = { user: minimal.user, remoteQuery: {} }
    expect(checkInput(meraki, input, configured).problems).toEqual([])
    expect(meraki.toCreateRequest(input, configured, {}).request).toMatchObject({
      path: '/api/v1/organizations/1/admins',
      body: { networks: [{ id: 'N_1' }] },
    })
    expect(meraki.toCreateRequest(minimal, configured, {}).request).toMatchObject({
      path: '/api/v1/organizations/549236/admins',
      body: { networks: [{ id: 'N_24329156' }] },
    })
    expect(meraki.toCheckRequest(configured).path).toBe('/api/v1/organizations/1/admins')
    expect(meraki.toCheckRequest(account).path).toBe('/api/v1/organizations')
  })

  test('an id cannot leave its place in the path', () => {
    expect(meraki.toFindRequest({ ...minimal, organizationId: '1/../2?x' }, account).path).toBe(
      '/api/v1/organizations/1%2F..%2F2%3Fx/admins',
    )
  })

  test('second addresses and a workspace that nothing was granted in are said to be left out', () => {
    const { warnings } = meraki.toCreateRequest(
      withUser({
        emails: [{ email: 'a@b.example' }, { email: 'c@d.example' }],
        roles: [{ name: 'full', organization: '549236' }],
      }),
      account,
      {},
    )
    expect(warnings.map(({ code, pointer }) => [code, pointer])).toEqual([
      ['not_sent', '?workspace_id'],
      ['not_sent', '/emails/1'],
    ])
  })

  test('the same person in two organizations is two users', () => {
    expect(meraki.toNaturalKey(minimal, account)).not.toEqual(
      meraki.toNaturalKey({ ...minimal, organizationId: '2' }, account),
    )
  })
})

describe('Meraki network users', () => {
  test('authorizations choose them, and are passed on with what remote_data adds', () => {
    const input = withUser({
      roles: [{ name: 'admin' }],
      remote_data: { ...guest.user.remote_data, accountType: 'Guest', emailPasswordToUser: true },
    })
    expect(checkInput(meraki, input, account)).toEqual({ problems: [], warnings: [] })
    expect(meraki.toCreateRequest(input, account, {})).toEqual({
      request: {
        method: 'POST',
        path: '/api/v1/networks/N_24329156/merakiAuthUsers',
        body: {
          email: 'miles@meraki.com',
          name: 'Miles Meraki',
          isAdmin: true,
          authorizations: [{ ssidNumber: 1, expiresAt: 'Never' }],
          accountType: 'Guest',
          emailPasswordToUser: true,
        },
      },
      warnings: [],
    })
    expect(meraki.toFindRequest(input, account)).toEqual({
      method: 'GET',
      path: '/api/v1/networks/N_24329156/merakiAuthUsers',
    })
  })

  test('meraki_user_type chooses them too, is not passed on, and then authorizations are asked for', () => {
    const input = { ...minimal, remoteQuery: { meraki_user_type: 'network', other: '1' } }
    expect(meraki.toCreateRequest(input, account, {}).request).toMatchObject({
      path: '/api/v1/networks/N_24329156/merakiAuthUsers',
      query: { other: '1' },
    })
    expect(meraki.toCreateRequest(input, account, {}).request.query).toEqual({ other: '1' })
    expect(meraki.validate(input, account)).toMatchObject([
      { pointer: '/remote_data/authorizations', code: 'required' },
    ])
    expect(meraki.validate({ ...minimal, remoteQuery: { meraki_user_type: 'guest' } }, account)).toMatchObject([
      { pointer: '?remote_query[meraki_user_type]', detail: 'Must be one of: admin, network.' },
    ])
  })

  test('need no name, since a dashboard administrator brings one, and know one role', () => {
    const input: CreateInput = { ...guest, user: { ...guest.user, name: undefined, roles: [{ name: 'full' }] } }
    expect(meraki.validate(input, account)).toEqual([
      { pointer: '/roles/0/name', code: 'invalid_value', detail: 'The only role of a network user is: admin.' },
    ])
  })

  test('are read with their creation time', () => {
    expect(meraki.parseCreated(json(201, networkUser), guest)?.remoteId).toBe('aGlAaGkuY29t')
    expect(
      meraki.toUser(
        { ...networkUser, isAdmin: true, authorizations: [{ ssidNumber: 1, expiresAt: 'Never' }] },
        guest,
        account,
      ),
    ).toEqual({
      id: 'aGlAaGkuY29t',
      name: 'Miles Meraki',
      emails: [{ email: 'miles@meraki.com', is_primary: true }],
      status: 'active',
      roles: [
        { id: 'admin', name: 'admin', workspace: 'N_24329156' },
        { id: '802.1X', name: '802.1X', workspace: 'N_24329156' },
      ],
      organizations: [{ id: '549236' }],
      licenses: [],
      workspaces: [{ id: 'N_24329156' }],
      created_at: '2018-02-11T00:00:00.090210Z',
    })
    expect(meraki.parseFound(json(200, [networkUser]), guest, account)).toEqual({
      remoteId: 'aGlAaGkuY29t',
      createdAt: '2018-02-11T00:00:00.090210Z',
      body: networkUser,
    })
  })

  test('are inactive when every authorization has expired', () => {
    expect(meraki.toUser(networkUser, guest, account).status).toBe('inactive')
  })
})

describe('Meraki answers', () => {
  test.each([
    ['ok', 'active', true],
    ['pending', 'invited', false],
    ['unverified', 'invited', false],
    ['locked', 'inactive', true],
    ['something_new', 'something_new', null],
  ])('account status %s is %s', (accountStatus, status, is_email_verified) => {
    expect(meraki.toUser({ ...admin, accountStatus }, minimal, account)).toMatchObject({ status, is_email_verified })
  })

  test('an admin who never came was never active', () => {
    for (const lastActive of ['', null, undefined])
      expect(meraki.toUser({ ...admin, lastActive }, minimal, account).last_active_at).toBeNull()
  })

  test('a user with the address under another name is not ours, unless remote_data gave that name', () => {
    const ownerOf = (input: CreateInput, name: string) =>
      ownershipOf(input, meraki.toUser({ ...admin, name }, input, account), null, 0, 0)
    const tagged = withUser({ remote_data: { tags: [{ tag: 'west', access: 'full' }] } })
    expect(ownerOf(tagged, 'Miles Meraki')).toBe('unclear')
    expect(ownerOf(tagged, 'Mildred Meraki')).toBe('theirs')
    expect(ownerOf(withUser({ remote_data: { name: 'Mildred Meraki' } }), 'Mildred Meraki')).toBe('unclear')
  })

  test('an odd field does not cost the user', () => {
    const odd = { id: '7', name: 7, networks: 'all', tags: [null], lastActive: 1, camera: [{}] }
    expect(meraki.parseCreated(json(201, odd), minimal)?.remoteId).toBe('7')
    expect(meraki.toUser(odd, minimal, account)).toMatchObject({ id: '7', name: null, roles: [], workspaces: [] })
  })

  test('a look-up that finds no organization says nothing about the user', () => {
    expect(meraki.isAbsent?.(text(404, '')) ?? false).toBe(false)
    expect(meraki.parseFound(json(200, []), minimal, account)).toBeUndefined()
    expect(
      meraki.parseFound(
        json(200, [], {
          link: '<https://api.meraki.com/api/v1/organizations/549236/admins?startingAfter=1>; rel=next',
        }),
        minimal,
        account,
      ),
    ).toBe('unreadable')
    expect(meraki.parseFound(json(200, [{ id: '1', email: { odd: true } }]), minimal, account)).toBe('unreadable')
  })
})

describe('Meraki failures', () => {
  test.each([
    [
      'a duplicate address',
      refusal(400, 'Email has already been taken'),
      minimal,
      'user_exists',
      'failed',
      '/emails/0/email',
    ],
    [
      'a duplicate, in other words',
      refusal(422, 'This email is already in use'),
      withUser({ emails: [{ email: 'a@b.example' }, { email: 'c@d.example', is_primary: true }] }),
      'user_exists',
      'failed',
      '/emails/1/email',
    ],
    [
      'a value out of the list',
      refusal(400, "'access' must be one of: 'full', 'read-only'"),
      minimal,
      'provider_validation_failed',
      'failed',
      '/roles',
    ],
    [
      'a missing parameter',
      refusal(400, "'name' is required"),
      minimal,
      'provider_validation_failed',
      'failed',
      '/name',
    ],
    [
      'a malformed address',
      refusal(400, "'email' is invalid"),
      minimal,
      'provider_validation_failed',
      'failed',
      '/emails/0/email',
    ],
    [
      'bad authorizations',
      refusal(400, "'ssidNumber' must be an integer"),
      guest,
      'provider_validation_failed',
      'failed',
      '/remote_data/authorizations',
    ],
    [
      'a bad password',
      refusal(400, 'Password is too short'),
      guest,
      'password_rejected',
      'failed',
      '/remote_data/password',
    ],
    [
      'a refusal about something else',
      refusal(400, 'Nope'),
      minimal,
      'provider_validation_failed',
      'failed',
      undefined,
    ],
    ['no key', refusal(401, 'Missing API key'), minimal, 'credentials_rejected', 'held', undefined],
    [
      'a place that the request named and the key may not change',
      refusal(403, 'You lack permission to perform the action'),
      minimal,
      'permission_denied',
      'failed',
      undefined,
    ],
    [
      'the same where the config named it',
      refusal(403, 'You lack permission to perform the action'),
      { user: {}, remoteQuery: {} },
      'permission_denied',
      'held',
      undefined,
    ],
    ['an unknown organization', text(404, ''), minimal, 'provider_not_found', 'failed', '?organization_id'],
    ['an unknown network', text(404, '<html>'), guest, 'provider_not_found', 'failed', '?workspace_id'],
    [
      'a throttled organization',
      refusal(429, 'API rate limit exceeded for organization'),
      minimal,
      'rate_limited',
      'rate_limited',
      undefined,
    ],
    [
      'batches in the way',
      refusal(400, 'Too many concurrently executing batches.'),
      minimal,
      'provider_unavailable',
      'retrying',
      undefined,
    ],
    [
      'an internal error',
      refusal(500, 'cannot be processed by Meraki'),
      minimal,
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      'a gateway that may have passed the request on',
      text(504, '<html>'),
      minimal,
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      'a redirect to a stranger',
      text(307, '', { location: 'https://meraki.com.evil.example/' }),
      minimal,
      'provider_not_found',
      'failed',
      undefined,
    ],
  ])('%s', (_, response, input, code, outcome, pointer) => {
    const failure = meraki.classifyFailure(response, input)
    expect({ code: failure.code, outcome: failure.outcome, pointer: failure.pointer }).toEqual({
      code,
      outcome,
      pointer,
    })
  })

  test.each<[string, CreateInput, AccountContext['config'], string]>([
    ['an organization of the request', minimal, {}, 'failed'],
    ['an organization of the request, beside another one of the account', minimal, { organization_id: '1' }, 'failed'],
    ['the organization of the account', { user: minimal.user, remoteQuery: {} }, { organization_id: '549236' }, 'held'],
    ['the organization of the account, named by the request again', minimal, { organization_id: '549236' }, 'held'],
    ['a network of the request', guest, { organization_id: '549236' }, 'failed'],
    ['the network of the account', guest, { workspace_id: 'N_24329156' }, 'held'],
  ])('403 is about %s', (_, input, config, outcome) => {
    for (const purpose of ['create', 'find'] as const)
      expect(meraki.classifyFailure(text(403, ''), input, { purpose, account: { ...account, config } }).outcome).toBe(
        outcome,
      )
  })

  test('403 to a test of the connection is about the account', () => {
    expect(meraki.classifyFailure(text(403, ''), undefined, { purpose: 'check', account }).outcome).toBe('held')
  })

  test('Retry-After is obeyed, and its absence leaves the wait to the lane', () => {
    const limited = (headers: Record<string, string>) =>
      meraki.classifyFailure(refusal(429, 'API rate limit exceeded for organization', headers)).retryAfterMs
    expect(limited({ 'retry-after': '2' })).toBe(2_000)
    expect(limited({})).toBeUndefined()
    expect(meraki.classifyFailure(text(429, '<html><h1>429</h1></html>')).outcome).toBe('rate_limited')
  })

  test('executing batches are waited for a minute', () => {
    expect(meraki.classifyFailure(refusal(400, 'Too many concurrently executing batches.')).retryAfterMs).toBe(60_000)
  })

  test('several sentences come as one, without markup', () => {
    expect(meraki.classifyFailure(json(400, { errors: ['<b>One</b>', 'two'] })).message).toBe('One ; two')
  })
})

describe('Meraki shards', () => {
  const redirect = (status: number, location: string) => meraki.toRedirect?.(text(status, '', { location }))

  test.each([301, 302, 303, 307, 308])('%i names the shard', (status) => {
    expect(redirect(status, 'https://n263.meraki.com/api/v1/organizations/549236/admins')).toBe(
      'https://n263.meraki.com',
    )
  })

  test.each([
    'https://n1.meraki.ca/',
    'https://n1.meraki.cn/',
    'https://n1.meraki.in/',
    'https://n1.gov-meraki.com/',
    'https://api.meraki.com/',
  ])('%s is a host of Meraki', (location) => {
    const origin = redirect(308, location)
    expect(origin).toBe(location.slice(0, -1))
    expect(isAllowedOrigin(meraki, origin ?? '', {}, new Set())).toBe(true)
  })

  test.each([
    'https://meraki.com.evil.example/api/v1',
    'https://evilmeraki.com/api/v1',
    'https://api.not-gov-meraki.com/',
    'https://evil.example/meraki.com',
    'https://n1.meraki.com@evil.example/',
    'http://n1.meraki.com/',
    'https://n1.meraki.com:8443/',
    '/login',
    '',
  ])('%j is not followed', (location) => {
    expect(redirect(302, location)).toBeUndefined()
  })

  test('other answers name no user', () => {
    expect(redirect(201, 'https://n1.meraki.com/')).toBeUndefined()
    expect(redirect(304, 'https://n1.meraki.com/')).toBeUndefined()
  })

  test('a loopback address is left to the list of the operator', () => {
    expect(redirect(307, 'http://localhost:9101/api/v1')).toBe('http://localhost:9101')
    expect(isAllowedOrigin(meraki, 'http://localhost:9101', {}, new Set())).toBe(false)
    expect(isAllowedOrigin(meraki, 'http://localhost:9101', {}, new Set(['localhost:9101']))).toBe(true)
  })
})

describe('Meraki logins', () => {
  const refresh = { type: 'refresh_token' as const, client_id: 'app', client_secret: 's3cret', refresh_token: 'r1' }

  function login() {
    const authentication = meraki.authentications.refresh_token
    if (authentication?.kind !== 'token') throw new Error('no token login')
    return authentication
  }

  test('an API key is a bearer', () => {
    const authentication = meraki.authentications.api_key
    expect(authentication?.kind === 'static' && authentication.toHeaders({ type: 'api_key', api_key: 'k' })).toEqual({
      authorization: 'Bearer k',
    })
  })

  test('a refresh token is traded with the client in Basic, at an address that the config can change', async () => {
    expect(await login().toTokenRequest(refresh, account, 'https://api.meraki.com', 0)).toEqual({
      url: 'https://as.meraki.com/oauth/token',
      form: { grant_type: 'refresh_token', refresh_token: 'r1' },
      headers: { authorization: 'Basic YXBwOnMzY3JldA==' },
    })
    const { url } = await login().toTokenRequest(
      refresh,
      { ...account, config: { token_url: 'https://as.meraki.ca/oauth/token' } },
      '',
      0,
    )
    expect(url).toBe('https://as.meraki.ca/oauth/token')
    expect(isAllowedOrigin(meraki, 'https://as.meraki.com', {}, new Set())).toBe(true)
  })

  test('the new refresh token is handed on', () => {
    expect(login().parseToken({ access_token: 'a', expires_in: 3600, refresh_token: 'r2' }, 1_000)).toEqual({
      value: 'a',
      expiresAt: 3_601_000,
      rotatedRefreshToken: 'r2',
    })
  })

  test('a consent that covers no kind of user holds the account', () => {
    const parse = (scope: string) => login().parseToken({ access_token: 'a', scope }, 0)
    expect(() => parse('dashboard:iam:config:read')).toThrow(RemoteFailureError)
    expect(parse('dashboard:general:config:write dashboard:iam:config:read').value).toBe('a')
  })
})
