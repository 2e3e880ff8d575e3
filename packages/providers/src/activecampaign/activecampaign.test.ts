import { readFileSync } from 'node:fs'
import type { JsonObject } from '@muster/contracts/json'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import { describe, expect, test } from 'vitest'
import { describeProvider, json, text } from '../../test/conformance.ts'
import { baseUrlOf, checkOrigin } from '../engine/base-url.ts'
import { checkInput } from '../engine/field-support.ts'
import type { AccountContext, CreateInput } from '../provider.ts'
import { ownershipOf } from '../engine/same-user.ts'
import { activecampaign } from './provider.ts'

const account: AccountContext = { config: { base_url: 'https://acme.api-us1.com' }, credentialType: 'api_token' }
const readFixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8')) as { user: JsonObject }
/** The vendor's own examples of "Create a user" and "Retrieve a user". */
const created = readFixture('created')
const found = readFixture('found')
const minimal: CreateInput = {
  user: {
    name: 'John Doe',
    emails: [{ email: 'johndoe@example.com' }],
    username: 'jdoe',
    password: 'myPa$$w0rd',
    group: 4,
  },
  remoteQuery: {},
}
const withUser = (user: UnifiedUserInput): CreateInput => ({ ...minimal, user: { ...minimal.user, ...user } })
const bodyOf = (input: CreateInput) =>
  activecampaign.toCreateRequest(input, account, {}).request.body as { user: JsonObject }
const warningsOf = (input: CreateInput) =>
  activecampaign.toCreateRequest(input, account, {}).warnings.map(({ code, pointer }) => `${code} ${pointer}`)

describeProvider(activecampaign, {
  account,
  minimal,
  full: withUser({ first_name: 'John', last_name: 'Doe', remote_data: { phone: '+1 555 0100' } }),
  created: json(201, created),
  foundResponse: json(200, { user: { ...found.user, username: 'jdoe' } }),
  absent: [
    json(404, { message: 'No Result found for User with username jdoe' }),
    json(403, { message: 'No Result found for User with username jdoe' }),
    text(404, ''),
    json(200, { user: null }),
  ],
  user: {
    id: '3',
    first_name: 'John',
    last_name: 'Doe',
    name: 'John Doe',
    username: 'jdoe',
    emails: [{ email: 'johndoe@example.com', is_primary: true }],
    phones: [],
    timezone: 'America/New_York',
    created_at: '2022-02-02T16:01:44-06:00',
    updated_at: '2022-02-02T16:01:44-06:00',
  },
})

describe('ActiveCampaign accounts', () => {
  test('the key goes into a header of its own', () => {
    const authentication = activecampaign.authentications.api_token
    expect(
      authentication?.kind === 'static' && authentication.toHeaders({ type: 'api_token', api_token: 'k3y' }),
    ).toEqual({ 'api-token': 'k3y' })
  })

  test.each([
    ['the address as the settings page shows it', { base_url: 'https://acme.api-us1.com' }, undefined],
    ['with the path of the API after it', { base_url: 'https://acme.api-us1.com/api/3/' }, undefined],
    ['none', {}, 'required'],
    ['the address people log in at', { base_url: 'https://acme.activehosted.com' }, 'host_not_allowed'],
    ['a look-alike', { base_url: 'https://acme.api-us1.com.example.com' }, 'host_not_allowed'],
    ['without encryption', { base_url: 'http://acme.api-us1.com' }, 'host_not_allowed'],
    ['a domain of their own', { base_url: 'https://crm.example.com', custom_domain: true }, undefined],
  ])('base_url: %s', (_, config: JsonObject, code) => {
    expect(checkOrigin(activecampaign, 'base_url', config, new Set())?.code).toBe(code)
  })

  test('a pasted path does not end up in the calls twice', () => {
    expect(baseUrlOf(activecampaign, { base_url: 'https://acme.api-us1.com/api/3' })).toBe('https://acme.api-us1.com')
  })
})

describe('ActiveCampaign requests', () => {
  test("the vendor's own example comes out of the unified user", () => {
    expect(activecampaign.toCreateRequest(minimal, account, {})).toEqual({
      request: {
        method: 'POST',
        path: '/api/3/users',
        query: {},
        body: {
          user: {
            username: 'jdoe',
            email: 'johndoe@example.com',
            firstName: 'John',
            lastName: 'Doe',
            password: 'myPa$$w0rd',
            group: 4,
          },
        },
      },
      warnings: [],
    })
  })

  test.each([
    ['one word is a first name', { name: 'Prince' }, 'Prince', '', ['derived /name']],
    [
      'the rest after the first space is the last name',
      { name: ' Ada  King Lovelace ' },
      'Ada',
      'King Lovelace',
      ['derived /name'],
    ],
    [
      'first and last name, given, win',
      { name: 'Ada Lovelace', first_name: 'Ada', last_name: 'Lovelace' },
      'Ada',
      'Lovelace',
      [],
    ],
    [
      'a name that says more than both is left out',
      { name: 'Dr Ada Lovelace', first_name: 'Ada', last_name: 'Lovelace' },
      'Ada',
      'Lovelace',
      ['not_sent /name'],
    ],
    [
      'a first name of two words cuts the name behind it',
      { name: 'Mary Ann Evans', first_name: 'Mary Ann' },
      'Mary Ann',
      'Evans',
      ['derived /name'],
    ],
    [
      'a last name of two words cuts the name before it',
      { name: 'Ada King Lovelace', last_name: 'King Lovelace' },
      'Ada',
      'King Lovelace',
      ['derived /name'],
    ],
    [
      'a last name that is not in the name wins',
      { name: 'Ada Byron', last_name: 'Lovelace' },
      'Ada',
      'Lovelace',
      ['not_sent /name'],
    ],
  ])('names: %s', (_, user, firstName, lastName, warnings) => {
    expect(bodyOf(withUser(user)).user).toMatchObject({ firstName, lastName })
    expect(warningsOf(withUser(user))).toEqual(warnings)
  })

  test('the primary address is sent, and every other one warned of', () => {
    const input = withUser({
      emails: [{ email: 'a@x.example' }, { email: 'b@x.example', is_primary: true }, { email: 'c@x.example' }],
    })
    expect(bodyOf(input).user.email).toBe('b@x.example')
    expect(warningsOf(input)).toEqual(['not_sent /emails/0', 'not_sent /emails/2'])
  })

  test('remote_data joins the user object, with or without its wrapper, and wins', () => {
    const body = {
      user: {
        username: 'jdoe',
        email: 'johndoe@example.com',
        firstName: 'Jack',
        lastName: 'Doe',
        password: 'myPa$$w0rd',
        group: 4,
        lang: 'english',
      },
    }
    expect(bodyOf(withUser({ remote_data: { firstName: 'Jack', lang: 'english' } }))).toEqual(body)
    expect(bodyOf(withUser({ remote_data: { user: { firstName: 'Jack', lang: 'english' } } }))).toEqual(body)
    expect(bodyOf(withUser({ remote_data: { user: { firstName: 'Jack', lang: 'english' }, beside: 1 } }))).toEqual({
      ...body,
      beside: 1,
    })
  })

  test('a username in remote_data is the one that is looked up', () => {
    const input = withUser({ remote_data: { username: 'Other/Name' } })
    expect(activecampaign.toNaturalKey(input, account)).toEqual({
      field: 'username',
      sent: 'Other/Name',
      value: 'other/name',
      pointer: '/remote_data/username',
    })
    expect(activecampaign.toFindRequest(input, account)).toEqual({
      method: 'GET',
      path: '/api/3/users/username/Other%2FName',
    })
  })

  test.each([
    ['a blank name', { name: '  ' }, '/name'],
    ['a blank username', { username: ' ' }, '/username'],
    ['a username that remote_data takes away', { remote_data: { username: null } }, '/username'],
    ['a group that is not a number', { remote_data: { group: 'Admins' } }, '/group'],
  ])('refused before the call: %s', (_, user, pointer) => {
    expect(checkInput(activecampaign, withUser(user), account).problems.map((problem) => problem.pointer)).toEqual([
      pointer,
    ])
  })

  test("a group's number may come as text in remote_data, and is left as it is", () => {
    const input = withUser({ remote_data: { group: '4' } })
    expect(checkInput(activecampaign, input, account).problems).toEqual([])
    expect(bodyOf(input).user.group).toBe('4')
  })
})

describe('ActiveCampaign input', () => {
  test('what remote_data gives need not be given twice, and a name may come in two parts', () => {
    const remote_data = { email: 'johndoe@example.com', username: 'jdoe', password: 'myPa$$w0rd', group: '4' }
    expect(
      checkInput(
        activecampaign,
        { user: { first_name: 'John', last_name: 'Doe', remote_data }, remoteQuery: {} },
        account,
      ).problems,
    ).toEqual([])
    expect(
      checkInput(
        activecampaign,
        { user: { remote_data: { user: { ...remote_data, firstName: 'John', group: '' } } }, remoteQuery: {} },
        account,
      ).problems,
    ).toMatchObject([{ pointer: '/group' }])
  })
})

describe('ActiveCampaign answers', () => {
  const find = (user: JsonObject) =>
    activecampaign.parseFound(json(200, { user: { ...found.user, username: 'jdoe', ...user } }), minimal, account)

  test('a found user has no creation time, unless the answer holds one with its offset', () => {
    expect(find({})).toMatchObject({ createdAt: null })
    expect(find({ cdate: '2022-02-02T16:01:44-06:00' })).toMatchObject({ createdAt: '2022-02-02T16:01:44-06:00' })
    expect(find({ cdate: '2022-02-02 16:01:44' })).toMatchObject({ createdAt: null })
  })

  test('a user with the same e-mail but another username is a conflict, not a match', () => {
    const [lookUp] = activecampaign.holderLookUps?.(minimal, account) ?? []
    expect(lookUp?.toRequest().path).toBe('/api/3/users/email/johndoe%40example.com')
    const holder = { user: { ...found.user, email: 'JohnDoe@example.com' } }
    expect(lookUp?.parse(json(200, holder))).toMatchObject({ remoteId: found.user.id, isOther: true })
    expect(lookUp?.parse(json(200, { user: { ...found.user, email: 'x@example.com' } }))).toBeUndefined()
    expect(lookUp?.parse(json(200, { user: null }))).toBeUndefined()
    expect(lookUp?.parse(json(200, {}))).toBe('unreadable')
  })

  test('a phone number comes with a read, and an empty one is none', () => {
    expect(activecampaign.toUser(found, minimal, account).phones).toEqual([])
    expect(activecampaign.toUser({ user: { ...found.user, phone: '+1 555 0100' } }, minimal, account).phones).toEqual([
      { number: '+1 555 0100' },
    ])
  })

  test('a numeric id becomes text', () => {
    expect(activecampaign.parseCreated(json(201, { user: { id: 3 } }), minimal)?.remoteId).toBe('3')
  })

  test.each([
    ['404 in JSON', json(404, { message: 'No Result found for User with id jdoe' }), true],
    ['an empty 404', text(404, ''), true],
    ['404 in the JSON of something else', json(404, { message: 'no Route matched with those values' }), false],
    ["a gateway's 404 page", text(404, '<html>not found</html>'), false],
    ['403 that found nothing', json(403, { message: 'No Result found for User with id jdoe' }), true],
    ['400 that found nothing', json(400, { message: 'No Result found for User with id jdoe' }), true],
    ['403 for a bad key', json(403, { message: 'Forbidden' }), false],
    ['403 without permission', json(403, { message: "You don't have permission to access this resource" }), false],
    ['a server error that says the same words', json(500, { message: 'No Result found for User with id jdoe' }), false],
  ])('no such user: %s', (_, response, isAbsent) => {
    expect(activecampaign.isAbsent?.(response)).toBe(isAbsent)
  })
})

const vendorError = (title: string, code: string, attribute: string) => ({
  errors: [{ title, detail: '', code, source: { pointer: `/data/attributes/${attribute}` } }],
})

describe('ActiveCampaign users after a lost answer', () => {
  test('a name of which remote_data changed a part is still ours', () => {
    const input = withUser({ remote_data: { firstName: 'Jane' } })
    const ownerOf = (firstName: string) =>
      ownershipOf(
        input,
        activecampaign.toUser(
          { user: { ...found.user, email: 'johndoe@example.com', firstName, lastName: 'Doe' } },
          input,
          account,
        ),
        null,
        0,
        0,
      )
    expect(ownerOf('Jane')).toBe('unclear')
    expect(ownerOf('Joan')).toBe('theirs')
  })
})

describe('ActiveCampaign failures', () => {
  test.each([
    // Published for contacts; that users are refused alike is an expectation.
    [
      'a duplicate address',
      json(422, vendorError('Email address already exists in the system', 'duplicate', 'email')),
      'user_exists',
      'failed',
      '/emails/0/email',
    ],
    [
      'a duplicate username',
      json(422, vendorError('Taken', 'duplicate', 'username')),
      'user_exists',
      'failed',
      '/username',
    ],
    [
      'a duplicate in words alone',
      json(422, { message: 'This username is already in use' }),
      'user_exists',
      'failed',
      '/username',
    ],
    [
      'a duplicate that calls itself invalid',
      json(422, vendorError('A user with the same username already exists.', 'field_invalid', 'username')),
      'user_exists',
      'failed',
      '/username',
    ],
    [
      'a duplicate by 403',
      json(403, { message: 'A user with this username already exists' }),
      'user_exists',
      'failed',
      '/username',
    ],
    [
      'a missing field',
      json(422, vendorError('The account name was not provided.', 'field_missing', 'name')),
      'provider_validation_failed',
      'failed',
      undefined,
    ],
    [
      'an invalid group',
      json(422, vendorError('Invalid', 'related_missing', 'group')),
      'provider_validation_failed',
      'failed',
      '/group',
    ],
    [
      'an invalid password',
      json(422, vendorError('Invalid', 'field_invalid', 'password')),
      'password_rejected',
      'failed',
      '/password',
    ],
    [
      'a missing last name',
      json(422, vendorError('Missing', 'field_missing', 'lastName')),
      'provider_validation_failed',
      'failed',
      '/name',
    ],
    [
      'an error with a status in it',
      json(422, {
        errors: [
          { status: 422, title: 'Invalid attribute', detail: 'bad', source: { pointer: '/data/attributes/email' } },
        ],
      }),
      'provider_validation_failed',
      'failed',
      '/emails/0/email',
    ],
    [
      'a pointer in the other form',
      json(422, {
        errors: [
          { title: 'Invalid value', detail: 'no', source: { type: 'pointer', value: '/data/attributes/group' } },
        ],
      }),
      'provider_validation_failed',
      'failed',
      '/group',
    ],
    [
      'errors as a string',
      json(422, { errors: 'Bulk operation failed' }),
      'provider_validation_failed',
      'failed',
      undefined,
    ],
    [
      'errors as strings',
      json(422, { errors: ['Field name is required'] }),
      'provider_validation_failed',
      'failed',
      undefined,
    ],
    ['400 with nothing in it', json(400, {}), 'provider_validation_failed', 'failed', undefined],
    [
      'no permission, as errors',
      json(403, {
        errors: [{ status: 403, title: 'Forbidden', detail: 'You do not have permission to create lists.' }],
      }),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'no permission, as message',
      json(403, { message: "You don't have permission to access this resource" }),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'no permission to add users is not about seats',
      json(403, { message: 'You do not have permission to exceed the limit of users' }),
      'permission_denied',
      'held',
      undefined,
    ],
    ['a bad key', json(403, { message: 'Forbidden' }), 'credentials_rejected', 'held', undefined],
    ['a bad key, without a word', text(403, ''), 'credentials_rejected', 'held', undefined],
    [
      'a bad key, as errors',
      json(403, { errors: [{ status: 403, title: 'Forbidden', detail: '' }] }),
      'credentials_rejected',
      'held',
      undefined,
    ],
    [
      "a bad key, as the web server's page",
      text(
        403,
        '<html><head><title>403 Forbidden</title></head><body><center><h1>403 Forbidden</h1></center><hr>nginx</body></html>',
      ),
      'credentials_rejected',
      'held',
      undefined,
    ],
    ['a bad key, by 401', json(401, { message: 'Unauthorized' }), 'credentials_rejected', 'held', undefined],
    [
      'a pause',
      json(422, { errors: [{ title: 'The service is temporarily unavailable, try again later.' }] }),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    ['a rate, as a 400', json(400, { message: 'Too many requests' }), 'rate_limited', 'rate_limited', undefined],
    [
      '403 that found no group',
      json(403, { message: 'No Result found for Group with id 9' }),
      'provider_not_found',
      'failed',
      '/group',
    ],
    [
      '403 for something else',
      json(403, { message: 'Could not create User' }),
      'provider_validation_failed',
      'failed',
      undefined,
    ],
    [
      '403 for an inner service that failed',
      json(403, {
        message: 'Server error: `POST https://inner.example/member` resulted in a `502 Bad Gateway` response',
      }),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      '404 that found no group',
      json(404, { message: 'No Result found for Group with id 9' }),
      'provider_not_found',
      'failed',
      '/group',
    ],
    ['the wrong host', text(404, '<html>Not Found</html>'), 'provider_not_found', 'failed', undefined],
    [
      'a gateway that echoes the request',
      json(502, { message: 'already exists' }),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    ['success without a user', json(200, { message: 'already exists' }), 'outcome_unknown', 'unknown', undefined],
  ])('%s', (_, response, code, outcome, pointer) => {
    const failure = activecampaign.classifyFailure(response, minimal)
    expect({ code: failure.code, outcome: failure.outcome, pointer: failure.pointer }).toEqual({
      code,
      outcome,
      pointer,
    })
  })

  test('a refusal that speaks of seats is a matter of the plan, whatever its status', () => {
    for (const status of [400, 402, 403, 422]) {
      expect(activecampaign.classifyFailure(json(status, { message: 'User limit reached' }), minimal)).toMatchObject({
        code: 'license_limit_reached',
        outcome: 'failed',
      })
    }
  })

  test('the pointer names the address that was sent and the name that was given', () => {
    const input = withUser({
      emails: [{ email: 'a@x.example' }, { email: 'b@x.example', is_primary: true }],
      last_name: 'Doe',
    })
    expect(activecampaign.classifyFailure(json(422, vendorError('Taken', 'duplicate', 'email')), input).pointer).toBe(
      '/emails/1/email',
    )
    expect(
      activecampaign.classifyFailure(json(422, vendorError('Bad', 'field_invalid', 'lastName')), input).pointer,
    ).toBe('/last_name')
  })

  test('messages are the words of the vendor, without markup, and of bounded length', () => {
    const said = (body: unknown) => activecampaign.classifyFailure(json(422, body), minimal).message
    expect(
      said({ errors: [{ title: 'Invalid attribute', detail: '<b>group</b> must be a number' }, 'and more'] }),
    ).toBe('Invalid attribute: group must be a number — and more')
    expect(said({ errors: Array.from({ length: 100 }, () => 'x'.repeat(600)) }).length).toBeLessThanOrEqual(1_000)
    expect(activecampaign.classifyFailure(text(404, '<html>Not Found</html>'), minimal).message).toContain(
      'Settings > Developer',
    )
  })

  test('a rate limit waits as long as it says', () => {
    const headers = { 'ratelimit-limit': '5', 'ratelimit-remaining': '0', 'retry-after': '30' }
    expect(activecampaign.classifyFailure(text(429, '', headers), minimal)).toMatchObject({
      code: 'rate_limited',
      outcome: 'rate_limited',
      retryAfterMs: 30_000,
    })
  })
})
