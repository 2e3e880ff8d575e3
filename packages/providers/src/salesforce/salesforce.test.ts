import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { JsonObject } from '@muster/contracts/json'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { describe, expect, test } from 'vitest'
import { describeProvider, json, text } from '../../test/conformance.ts'
import { isAllowedOrigin } from '../engine/base-url.ts'
import { checkInput } from '../engine/field-support.ts'
import { RemoteFailureError, UnresolvedInputError, type AccountContext, type CreateInput } from '../provider.ts'
import { salesforce } from './provider.ts'

const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8')) as unknown
/** Vendor facts, S.4: the answer of the create, and the record (recorded in May 2026) in the answer of a query. */
const created = fixture('created')
const queried = fixture('query') as { records: [JsonObject] }

const PROFILE = '00edM00000Qj7rHQAR'
const ROLE = '00EdM000000Xx0AUAS'
const account: AccountContext = {
  config: { base_url: 'https://acme.my.salesforce.com' },
  credentialType: 'refresh_token',
}
const withConfig = (config: JsonObject): AccountContext => ({ ...account, config: { ...account.config, ...config } })
const minimal: CreateInput = {
  user: {
    emails: [{ email: 'ada@example.com' }],
    username: 'ada.lovelace@acme.example',
    first_name: 'Ada',
    last_name: 'Lovelace',
    timezone: 'Europe/London',
    roles: [{ id: PROFILE }],
  },
  remoteQuery: {},
}
const input = (user: Partial<CreateInput['user']> = {}): CreateInput => ({
  ...minimal,
  user: { ...minimal.user, ...user },
})
const bodyOf = (
  user: Partial<CreateInput['user']> = {},
  config: JsonObject = {},
  found: Record<string, unknown> = {},
) => salesforce.toCreateRequest(input(user), withConfig(config), found).request.body
const warningsOf = (user: Partial<CreateInput['user']> = {}) =>
  salesforce.toCreateRequest(input(user), account, {}).warnings.map(({ code, pointer }) => `${code} ${pointer}`)

describeProvider(salesforce, {
  account,
  minimal,
  full: {
    user: {
      ...minimal.user,
      phones: [
        { number: '+44 20 0000 0000', extension: '7', type: 'work' },
        { number: '+44 7000 000000', type: 'mobile' },
      ],
      roles: [{ name: 'Standard User' }, { name: 'CEO' }],
      timezone: 'UTC',
      languages: ['en-GB'],
      status: 'active',
      remote_data: { FederationIdentifier: 'ada' },
    },
    remoteQuery: {},
  },
  found: {
    'profiles ["Standard User","CEO"]': [{ id: PROFILE, names: ['Standard User'], label: 'profile' }],
    'roles ["Standard User","CEO"]': [{ id: ROLE, names: ['CEO', 'CEO'], label: 'role' }],
    'time zones': ['GMT'],
  },
  created: json(201, created),
  readResponse: json(200, queried),
  foundResponse: json(200, queried),
  absent: [json(200, { totalSize: 0, done: true, records: [] })],
  user: {
    id: '005dM00000awSFJQA2',
    first_name: 'Ada',
    last_name: 'Lovelace',
    name: 'Ada Lovelace',
    title: null,
    username: 'ada.lovelace@acme.example',
    emails: [{ email: 'ada@example.com', is_primary: true }],
    phones: [
      { number: '+44 20 0000 0000', type: 'work' },
      { number: '+44 7000 000000', type: 'mobile' },
    ],
    status: 'active',
    roles: [
      { id: PROFILE, name: 'Standard User' },
      { id: ROLE, name: 'CEO' },
    ],
    avatar: 'https://acme.my.salesforce.com/profilephoto/005/F',
    timezone: 'Europe/London',
    languages: ['en-US'],
    bio: null,
    created_at: '2026-05-01T07:25:37.000Z',
    updated_at: '2026-05-01T07:25:37.000Z',
    last_login_at: null,
  },
})

describe('Salesforce requests', () => {
  test('the nine fields that Salesforce requires come of the unified six', () => {
    const { request, warnings } = salesforce.toCreateRequest(minimal, account, {})
    expect(request).toEqual({
      method: 'POST',
      path: '/services/data/v66.0/sobjects/User',
      query: {},
      body: {
        Username: 'ada.lovelace@acme.example',
        Email: 'ada@example.com',
        FirstName: 'Ada',
        LastName: 'Lovelace',
        Alias: 'ada.love',
        TimeZoneSidKey: 'Europe/London',
        LocaleSidKey: 'en_US',
        EmailEncodingKey: 'UTF-8',
        LanguageLocaleKey: 'en_US',
        ProfileId: PROFILE,
      },
    })
    expect(warnings.map(({ code, pointer }) => [code, pointer])).toEqual([
      ['derived', '/remote_data/Alias'],
      ['derived', '/languages'],
      ['derived', '/remote_data/LocaleSidKey'],
    ])
  })

  test('a field of remote_data takes the place of the mapped one in whatever case, and no field stands twice', () => {
    const remote_data = { username: 'Tom@corp.example', EMAIL: 'tom@example.com', firstname: 'Tom', Custom__c: 'x' }
    const input: CreateInput = { ...minimal, user: { ...minimal.user, remote_data } }
    expect(checkInput(salesforce, input, account).problems).toEqual([])
    expect(salesforce.toNaturalKey(input, account)).toMatchObject({
      sent: 'Tom@corp.example',
      pointer: '/remote_data/username',
    })
    const { body } = salesforce.toCreateRequest(input, account, {}).request
    expect(body).toMatchObject({ Username: 'Tom@corp.example', Email: 'tom@example.com', FirstName: 'Tom' })
    const names = Object.keys(body ?? {}).map((name) => name.toLowerCase())
    expect(new Set(names).size).toBe(names.length)
  })

  test.each([
    ['the primary e-mail', {}, 'ada@example.com'],
    ["the primary e-mail and the account's suffix", { username_suffix: '.acme' }, 'ada@example.com.acme'],
  ])('without a username, %s is taken', (_, config, username) => {
    const plan = salesforce.toCreateRequest(
      { ...minimal, user: { ...minimal.user, username: undefined } },
      withConfig(config),
      {},
    )
    expect(plan.request.body?.Username).toBe(username)
    expect(plan.warnings[0]).toMatchObject({ code: 'derived', pointer: '/username' })
  })

  test('what remote_data gives is neither derived nor warned of', () => {
    const given = {
      Alias: 'al',
      LocaleSidKey: 'de_DE',
      LanguageLocaleKey: 'de',
      EmailEncodingKey: 'ISO-8859-1',
      Custom__c: 1,
    }
    expect(bodyOf({ remote_data: given })).toMatchObject(given)
    expect(warningsOf({ remote_data: given })).toEqual([])
  })

  test('phones go by their type, and what has no place is warned of', () => {
    const phones = [
      { number: '1', type: 'mobile', extension: '9' },
      { number: '2', type: 'work', extension: '7' },
      { number: '3', type: 'fax' },
      { number: '4' },
    ]
    expect(bodyOf({ phones })).toMatchObject({ MobilePhone: '1', Phone: '2', Extension: '7', Fax: '3' })
    expect(
      warningsOf({ phones, emails: [{ email: 'a@x.example' }, { email: 'b@x.example' }], languages: ['de-DE', 'en'] }),
    ).toEqual([
      'not_sent /emails/1',
      'derived /remote_data/Alias',
      'derived /remote_data/LocaleSidKey',
      'not_sent /languages/1',
      'not_sent /phones/0/extension',
      'not_sent /phones/3',
    ])
  })

  test('an inactive user is created inactive', () => {
    expect(bodyOf({ status: 'inactive' })).toMatchObject({ IsActive: false })
    expect(bodyOf({ status: 'active' })).not.toHaveProperty('IsActive')
  })

  test.each([
    ['v67.0', '/services/data/v67.0/query'],
    ['67.0', '/services/data/v67.0/query'],
  ])('the account can pin API version %s', (api_version, path) => {
    expect(salesforce.toFindRequest(minimal, withConfig({ api_version })).path).toBe(path)
  })

  test('quotes and backslashes of a username cannot leave the query', () => {
    const { query } = salesforce.toFindRequest(input({ username: String.raw`o'\neil@example.com` }), account)
    expect(query?.q).toMatch(/ FROM User WHERE Username='o\\'\\\\neil@example\.com'$/)
  })

  test('the look-up does not depend on Chatter, the read shows its fields', () => {
    expect(salesforce.toFindRequest(minimal, account).query?.q).not.toMatch(/PhotoUrl|AboutMe/)
    expect(salesforce.toReadRequest?.('005dM00000awSFJQA2', account).query?.q).toMatch(
      /FullPhotoUrl.* FROM User WHERE Id='005dM00000awSFJQA2'$/,
    )
  })
})

describe('Salesforce problems', () => {
  const problemsOf = (user: Partial<CreateInput['user']>, config: JsonObject = {}) =>
    checkInput(salesforce, input(user), withConfig(config)).problems.map(({ pointer, code }) => `${code} ${pointer}`)
  const long = 'x'.repeat(41)

  test.each<[string, Partial<CreateInput['user']>, string[]]>([
    ['a username that is not an address', { username: 'ada' }, ['invalid_value /username']],
    ['a username that is too long', { username: `${'x'.repeat(70)}@example.com` }, ['too_long /username']],
    ['a first name that is too long', { first_name: long }, ['too_long /first_name']],
    ['a last name that is too long', { last_name: long + long }, ['too_long /last_name']],
    [
      'a number that is too long',
      { phones: [{ number: '1' }, { number: long, type: 'mobile' }] },
      ['too_long /phones/1/number'],
    ],
    [
      'a primary address that is too long',
      { emails: [{ email: 'a@b.example' }, { email: `${'x'.repeat(128)}@b.example`, is_primary: true }] },
      ['too_long /emails/1/email'],
    ],
    [
      'an alias of more than eight characters',
      { remote_data: { Alias: 'lovelace9' } },
      ['too_long /remote_data/Alias'],
    ],
    ['a language that is none', { languages: ['!'] }, ['invalid_value /languages/0']],
    ['a deleted user', { status: 'deleted' }, ['not_supported /status']],
    ['no roles at all', { roles: [] }, ['required /roles']],
    ['a role without a profile', { roles: [{ id: ROLE }] }, ['required /roles']],
    [
      'an id of something else',
      { roles: [{ id: PROFILE }, { id: '005dM00000awSFJQA2' }] },
      ['invalid_value /roles/1/id'],
    ],
    ['an id that is cut off', { roles: [{ id: '00edM' }] }, ['invalid_value /roles/0/id', 'required /roles']],
    ['two profiles', { roles: [{ id: PROFILE }, { id: PROFILE }] }, ['too_many /roles/1/id']],
    [
      'a role too many',
      { roles: [{ name: 'Standard User' }, { name: 'CEO' }, { name: 'CFO' }] },
      ['too_many /roles/2/name'],
    ],
    ['a name beside both ids', { roles: [{ id: PROFILE }, { id: ROLE }, { name: 'CFO' }] }, ['too_many /roles/2/name']],
    ['an entry without id and name', { roles: [{ id: PROFILE }, { group: 'x' }] }, ['required /roles/1']],
  ])('%s', (_, user, problems) => {
    expect(problemsOf(user)).toEqual(problems)
  })

  test('what the account or remote_data gives need not be given twice', () => {
    const user = {
      username: 'ada@acme.example',
      remote_data: { Email: 'ada@example.com', FirstName: 'Ada', LastName: 'Lovelace', TimeZoneSidKey: 'GMT' },
    }
    const pointersOf = (given: CreateInput['user'], config: JsonObject = {}) =>
      checkInput(salesforce, { user: given, remoteQuery: {} }, withConfig(config)).problems.map(
        ({ pointer }) => pointer,
      )
    expect(pointersOf(user)).toEqual(['/roles'])
    expect(pointersOf(user, { profile: 'Standard User' })).toEqual([])
    expect(pointersOf({ ...user, remote_data: { ...user.remote_data, ProfileId: PROFILE } })).toEqual([])
    expect(salesforce.toNaturalKey({ user: { remote_data: user.remote_data }, remoteQuery: {} }, account).value).toBe(
      'ada@example.com',
    )
  })

  test('a role alone will do where the account or remote_data has the profile', () => {
    expect(problemsOf({ roles: [{ id: ROLE }] }, { profile: 'Standard User' })).toEqual([])
    expect(problemsOf({ roles: [{ id: ROLE }], remote_data: { ProfileId: PROFILE } })).toEqual([])
  })
})

describe('Salesforce profiles and roles', () => {
  const profile = (Id: string, Name: string) => ({
    Id,
    Name,
    UserType: 'Standard',
    UserLicense: { Name: 'Salesforce' },
  })
  const role = (Id: string, Name: string, DeveloperName: string) => ({ Id, Name, DeveloperName })
  /** Answers the look-ups as the org would that holds these rows. */
  function resolve(
    user: Partial<CreateInput['user']>,
    rows: { profiles?: object[]; roles?: object[] },
    config: JsonObject = {},
  ) {
    const found: Record<string, unknown> = {}
    for (const lookUp of salesforce.lookUps?.(input(user), withConfig(config)) ?? []) {
      const records = String(lookUp.request.query?.q).includes('FROM Profile') ? rows.profiles : rows.roles
      found[lookUp.key] = lookUp.parse(
        json(200, { totalSize: records?.length ?? 0, done: true, records: records ?? [] }),
      )
    }
    const { ProfileId, UserRoleId } = bodyOf(user, config, found) ?? {}
    return [ProfileId, UserRoleId]
  }
  const queriesOf = (user: Partial<CreateInput['user']>, config: JsonObject = {}) =>
    (salesforce.lookUps?.(input(user), withConfig(config)) ?? []).map(({ request }) => request.query?.q)
  const standard = profile(PROFILE, 'Standard User')
  const ceo = role(ROLE, 'CEO', 'CEO')

  test('ids cost no look-up, and their third letter distinguishes profile from role', () => {
    const roles = [{ id: ROLE, name: 'CEO' }, { id: PROFILE.slice(0, 15) }]
    expect(queriesOf({ roles })).toEqual([])
    expect(resolve({ roles }, {})).toEqual([PROFILE.slice(0, 15), ROLE])
  })

  test('a single name must be the profile, so roles are not read', () => {
    const roles = [{ name: "Partner's \\ User" }]
    expect(queriesOf({ roles })).toEqual([
      String.raw`SELECT Id,Name,UserType,UserLicense.Name FROM Profile WHERE Name IN ('Partner\'s \\ User')`,
    ])
    expect(resolve({ roles: [{ name: 'standard user' }] }, { profiles: [standard] })).toEqual([PROFILE, undefined])
  })

  test('two names are looked up as profiles and as roles, in any order', () => {
    const roles = [{ name: 'CEO' }, { name: 'Standard User' }]
    expect(queriesOf({ roles })).toEqual([
      "SELECT Id,Name,UserType,UserLicense.Name FROM Profile WHERE Name IN ('CEO','Standard User')",
      "SELECT Id,DeveloperName,Name FROM UserRole WHERE DeveloperName IN ('CEO','Standard User') OR Name IN ('CEO','Standard User')",
    ])
    expect(resolve({ roles }, { profiles: [standard], roles: [ceo] })).toEqual([PROFILE, ROLE])
  })

  test('a name beside the id of a profile is looked up as a role only', () => {
    const roles = [{ id: PROFILE }, { name: 'CEO' }]
    expect(queriesOf({ roles })).toHaveLength(1)
    expect(resolve({ roles }, { roles: [ceo] })).toEqual([PROFILE, ROLE])
  })

  test('the unique developer name decides between two roles of one name', () => {
    const roles = [{ id: PROFILE }, { name: 'CEO' }]
    expect(resolve({ roles }, { roles: [ceo, role('00EdM000000Xx0BUAS', 'CEO', 'CEO_EMEA')] })).toEqual([PROFILE, ROLE])
  })

  test.each([
    ['by id', PROFILE, 0],
    ['by name', 'Standard User', 1],
  ])("the account's default profile, %s, stands in where the request gives a role", (_, fallback, calls) => {
    expect(queriesOf({ roles: [{ id: ROLE }] }, { profile: fallback })).toHaveLength(calls)
    expect(resolve({ roles: [{ id: ROLE }] }, { profiles: [standard] }, { profile: fallback })).toEqual([PROFILE, ROLE])
    expect(
      resolve({ roles: [{ name: 'CEO' }] }, { profiles: [standard], roles: [ceo] }, { profile: fallback }),
    ).toEqual([PROFILE, ROLE])
  })

  test('a profile of the request goes before the default one', () => {
    expect(
      resolve({ roles: [{ name: 'Standard User' }] }, { profiles: [standard] }, { profile: '00edM00000Qj7rXQAR' }),
    ).toEqual([PROFILE, undefined])
  })

  test('ids in remote_data win and spare the look-ups', () => {
    const user = { roles: [{ name: 'Standard User' }], remote_data: { ProfileId: PROFILE, UserRoleId: ROLE } }
    expect(queriesOf(user)).toEqual([])
  })

  test.each<[string, CreateInput['user']['roles'], { profiles?: object[]; roles?: object[] }, string, RegExp]>([
    ['an unknown name', [{ name: 'Unknown' }], {}, '/roles/0/name', /no profile named "Unknown"/],
    [
      'an unknown name among two',
      [{ name: 'Standard User' }, { name: 'Unknown' }],
      { profiles: [standard] },
      '/roles/1/name',
      /no profile or role named "Unknown"/,
    ],
    [
      'a name of two roles',
      [{ id: PROFILE }, { name: 'Sales' }],
      { roles: [role('00EdM000000Xx0AUAS', 'Sales', 'Sales_EU'), role('00EdM000000Xx0BUAS', 'Sales', 'Sales_US')] },
      '/roles/1/name',
      /00EdM000000Xx0AUAS.*Sales_EU.*00EdM000000Xx0BUAS.*Sales_US/,
    ],
    [
      'two roles and no profile',
      [{ name: 'CEO' }, { name: 'CFO' }],
      { roles: [ceo, role('00EdM000000Xx0BUAS', 'CFO', 'CFO')] },
      '/roles/1/name',
      /CFO/,
    ],
  ])('%s is refused, and the candidates are named', (_, roles, rows, pointer, message) => {
    const attempt = () => resolve({ roles }, rows)
    expect(attempt).toThrow(UnresolvedInputError)
    expect(attempt).toThrow(message)
    expect(attempt).toThrow(expect.objectContaining({ pointer }) as Error)
  })

  test('a dry run shows what would be looked up', () => {
    const dry = (roles: CreateInput['user']['roles'], config: JsonObject = {}) => {
      const lookUps = salesforce.lookUps?.(input({ roles }), withConfig(config)) ?? []
      return bodyOf({ roles }, config, Object.fromEntries(lookUps.map(({ key, placeholder }) => [key, placeholder])))
    }
    expect(dry([{ name: 'Standard User' }])).toMatchObject({ ProfileId: '<id of profile "Standard User">' })
    expect(dry([{ name: 'Standard User' }, { name: 'CEO' }])).toMatchObject({
      ProfileId: '<id of profile "Standard User">',
      UserRoleId: '<id of role "CEO">',
    })
    expect(dry([{ id: ROLE }], { profile: 'Standard User' })).toMatchObject({
      ProfileId: '<id of profile "Standard User">',
      UserRoleId: ROLE,
    })
  })
})

describe('Salesforce time zones and languages', () => {
  test.each([
    ['Europe/London', 'Europe/London'],
    ['Asia/Yangon', 'Asia/Rangoon'],
    ['Asia/Calcutta', 'Asia/Kolkata'],
    ['America/Buenos_Aires', 'America/Argentina/Buenos_Aires'],
    ['Pacific/Kanton', 'Pacific/Enderbury'],
    ['US/Pacific', 'America/Los_Angeles'],
  ])('%s is sent as %s, without a look-up', (timezone, key) => {
    expect(salesforce.lookUps?.(input({ timezone }), account)).toEqual([])
    expect(bodyOf({ timezone })).toMatchObject({ TimeZoneSidKey: key })
  })

  const orgWith = (timezone: string, zones: string[]) => {
    const [lookUp] = salesforce.lookUps?.(input({ timezone }), account) ?? []
    const fields = [
      { name: 'Id', picklistValues: [] },
      {
        name: 'TimeZoneSidKey',
        picklistValues: [...zones.map((value) => ({ value, active: true })), { value: 'UTC', active: false }],
      },
    ]
    return {
      path: lookUp?.request.path,
      found: { [lookUp?.key ?? '']: lookUp?.parse(json(200, { name: 'User', fields })) },
    }
  }

  test('UTC is sent as GMT where the org lists that', () => {
    const { path, found } = orgWith('UTC', ['Europe/London', 'GMT'])
    expect(path).toBe('/services/data/v66.0/sobjects/User/describe')
    expect(bodyOf({ timezone: 'UTC' }, {}, found)).toMatchObject({ TimeZoneSidKey: 'GMT' })
  })

  test('a zone that the org does not list is refused, with those of the same offsets', () => {
    const { found } = orgWith('Europe/Madrid', ['Europe/London', 'Europe/Paris', 'Europe/Berlin'])
    const attempt = () => bodyOf({ timezone: 'Europe/Madrid' }, {}, found)
    expect(attempt).toThrow('same offsets: Europe/Paris, Europe/Berlin')
    expect(attempt).toThrow(expect.objectContaining({ pointer: '/timezone' }) as Error)
  })

  test('TimeZoneSidKey in remote_data spares the look-up', () => {
    expect(salesforce.lookUps?.(input({ timezone: 'UTC', remote_data: { TimeZoneSidKey: 'GMT' } }), account)).toEqual(
      [],
    )
  })

  test.each([
    ['en', 'en_US', 'en_US'],
    ['en-GB', 'en_US', 'en_GB'],
    ['en_GB', 'en_GB', 'en_GB'],
    ['de-AT', 'de', 'de_AT'],
    ['pt-BR', 'pt_BR', 'pt_BR'],
    ['pt-PT', 'pt_PT', 'pt_PT'],
    ['nb', 'no', 'en_US'],
    ['nn-NO', 'no', 'no_NO'],
    ['zh-Hant-TW', 'zh_TW', 'zh_TW'],
    ['zh-Hans', 'zh_CN', 'en_US'],
    ['es-MX', 'es_MX', 'es_MX'],
    ['nl', 'nl_NL', 'en_US'],
    ['he-IL', 'iw', 'iw_IL'],
    ['pl', 'pl', 'en_US'],
    ['en-DE', 'en_US', 'en_US'],
  ])('%s is language %s and locale %s', (tag, LanguageLocaleKey, LocaleSidKey) => {
    expect(bodyOf({ languages: [tag] })).toMatchObject({ LanguageLocaleKey, LocaleSidKey })
  })

  test('the account can have defaults of its own', () => {
    expect(bodyOf({}, { language: 'de', locale: 'de_CH' })).toMatchObject({
      LanguageLocaleKey: 'de',
      LocaleSidKey: 'de_CH',
    })
  })

  test('a language that Salesforce cannot tell apart is warned of', () => {
    expect(warningsOf({ languages: ['en-GB'] })).toContain('derived /languages/0')
    expect(warningsOf({ languages: ['en-US'] })).not.toContain('derived /languages/0')
  })
})

describe('Salesforce answers', () => {
  const [record] = queried.records
  test.each<[string, JsonObject, object]>([
    ['an inactive user', { IsActive: false }, { status: 'inactive' }],
    ['a user whose state may not be read', { IsActive: null }, { status: null }],
    [
      'a user without a role',
      { UserRoleId: null, UserRole: null },
      { roles: [{ id: PROFILE, name: 'Standard User' }] },
    ],
    [
      'a record without names of profile and role',
      { Profile: null, UserRole: null },
      {
        roles: [
          { id: PROFILE, name: null },
          { id: ROLE, name: null },
        ],
      },
    ],
    [
      'an extension and a fax',
      { Extension: '7', Fax: '5', MobilePhone: null },
      {
        phones: [
          { number: '+44 20 0000 0000', extension: '7', type: 'work' },
          { number: '5', type: 'fax' },
        ],
      },
    ],
    ['an older time zone name', { TimeZoneSidKey: 'Asia/Rangoon' }, { timezone: 'Asia/Yangon' }],
    ['a language with a region', { LanguageLocaleKey: 'pt_BR' }, { languages: ['pt-BR'] }],
    ['a language by its older code', { LanguageLocaleKey: 'iw' }, { languages: ['he'] }],
    ['a login', { LastLoginDate: '2026-05-02T10:00:00.000+0200' }, { last_login_at: '2026-05-02T08:00:00.000Z' }],
    [
      'what the integration user may not read',
      { Email: null, FirstName: null, Name: null, FullPhotoUrl: null },
      { emails: [], name: 'Lovelace', avatar: 'https://acme.my.salesforce.com/profilephoto/005/T' },
    ],
  ])('%s', (_, changes, user) => {
    expect(salesforce.toUser({ ...record, ...changes }, minimal, account)).toMatchObject(user)
  })

  test('a found user has its creation time, in a standard form', () => {
    expect(salesforce.parseFound(json(200, queried), minimal, account)).toEqual({
      remoteId: '005dM00000awSFJQA2',
      createdAt: '2026-05-01T07:25:37.000Z',
      body: record,
    })
  })

  test('a read gives the bare record, as a look-up does', () => {
    expect(salesforce.parseRead?.(json(200, queried))).toEqual(record)
    expect(salesforce.parseRead?.(json(200, { totalSize: 0, done: true, records: [] }))).toBeUndefined()
  })
})

describe('Salesforce failures', () => {
  const error = (status: number, errorCode: string, message: string, fields?: string[]) =>
    json(status, [{ message, errorCode, ...(fields && { fields }) }])
  test.each([
    [
      'a duplicate username',
      error(400, 'DUPLICATE_USERNAME', 'Duplicate Username.<br>The username already exists', ['Username']),
      'user_exists',
      'failed',
      '/username',
    ],
    [
      'a nickname that Salesforce made up',
      error(400, 'DUPLICATE_COMM_NICKNAME', 'Duplicate Nickname.<br>Another user has already selected this nickname.'),
      'provider_unavailable',
      'retrying',
      undefined,
    ],
    [
      'a missing field',
      error(400, 'REQUIRED_FIELD_MISSING', 'Required fields are missing: [ProfileId]', ['ProfileId']),
      'provider_validation_failed',
      'failed',
      '/roles',
    ],
    [
      'a username that is not an address',
      error(400, 'FIELD_INTEGRITY_EXCEPTION', 'Username must be in the form of an email address', ['Username']),
      'provider_validation_failed',
      'failed',
      '/username',
    ],
    [
      'an unknown time zone',
      error(
        400,
        'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST',
        'Time Zone: bad value for restricted picklist field: Mars/Olympus',
        ['TimeZoneSidKey'],
      ),
      'provider_validation_failed',
      'failed',
      '/timezone',
    ],
    [
      'a language the org has not',
      error(400, 'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST', 'Language: bad value', ['LanguageLocaleKey']),
      'provider_validation_failed',
      'failed',
      '/languages/0',
    ],
    [
      'a value that is too long',
      error(400, 'STRING_TOO_LONG', 'Last Name: data value too large', ['LastName']),
      'provider_validation_failed',
      'failed',
      '/last_name',
    ],
    [
      'a bad address',
      error(400, 'INVALID_EMAIL_ADDRESS', 'Email: invalid email address: x'),
      'provider_validation_failed',
      'failed',
      '/emails/0/email',
    ],
    [
      'a malformed id',
      error(400, 'MALFORMED_ID', 'Profile ID: id value of incorrect type', ['ProfileId']),
      'provider_validation_failed',
      'failed',
      '/roles',
    ],
    [
      'an id of nothing',
      error(400, 'INVALID_CROSS_REFERENCE_KEY', 'invalid cross reference id'),
      'provider_not_found',
      'failed',
      '/roles',
    ],
    [
      'a role of another user type',
      error(400, 'FIELD_INTEGRITY_EXCEPTION', 'Role Type Must Match User Type', ['UserRoleId']),
      'provider_validation_failed',
      'failed',
      '/roles',
    ],
    [
      'a profile that may not be given',
      error(400, 'INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY', 'insufficient access rights on cross-reference id'),
      'permission_denied',
      'failed',
      '/roles',
    ],
    [
      'a column that is not there',
      error(400, 'INVALID_FIELD', "No such column 'foo' on sobject of type User"),
      'provider_validation_failed',
      'failed',
      '/remote_data/foo',
    ],
    [
      'a field that cannot be set',
      error(400, 'INVALID_FIELD_FOR_INSERT_UPDATE', 'Unable to create/update fields: Name', ['Name']),
      'provider_validation_failed',
      'failed',
      undefined,
    ],
    [
      'no licence',
      error(400, 'LICENSE_LIMIT_EXCEEDED', 'License Limit Exceeded'),
      'license_limit_reached',
      'failed',
      '/roles',
    ],
    [
      "the org's own rule",
      error(400, 'FIELD_CUSTOM_VALIDATION_EXCEPTION', 'No contractors'),
      'provider_validation_failed',
      'failed',
      undefined,
    ],
    [
      "the org's own trigger",
      error(400, 'CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY', 'OnUser: execution of BeforeInsert'),
      'provider_validation_failed',
      'failed',
      undefined,
    ],
    [
      "a locked row inside a trigger's error",
      error(
        400,
        'CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY',
        'UserTrigger: execution of AfterInsert caused by: System.DmlException: Insert failed. First exception on row 0; first error: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access to this record: []',
      ),
      'provider_unavailable',
      'retrying',
      undefined,
    ],
    [
      "a locked row that a trigger reports in its own error's words",
      error(400, 'FIELD_CUSTOM_VALIDATION_EXCEPTION', 'unable to obtain exclusive access to this record'),
      'provider_unavailable',
      'retrying',
      undefined,
    ],
    [
      "a limit inside a flow's error",
      error(400, 'CANNOT_EXECUTE_FLOW_TRIGGER', 'The flow failed: REQUEST_LIMIT_EXCEEDED: ConcurrentRequests'),
      'rate_limited',
      'rate_limited',
      undefined,
    ],
    [
      "another record's refusal inside a trigger's error",
      error(400, 'CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY', 'first error: DUPLICATE_USERNAME, Duplicate Username.: []'),
      'provider_validation_failed',
      'failed',
      undefined,
    ],
    [
      'a lock in the second place',
      json(400, [
        { errorCode: 'REQUIRED_FIELD_MISSING', message: 'Required', fields: [] },
        { errorCode: 'UNABLE_TO_LOCK_ROW', message: 'unable to obtain exclusive access', fields: [] },
      ]),
      'provider_unavailable',
      'retrying',
      undefined,
    ],
    [
      'an org in maintenance, as a 400',
      error(400, 'ORG_IN_MAINTENANCE', 'Organization is in maintenance'),
      'provider_unavailable',
      'retrying',
      undefined,
    ],
    [
      'an internal error, as a 400',
      error(400, 'UNKNOWN_EXCEPTION', 'An unexpected error occurred.'),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      'no right to create users',
      error(403, 'INSUFFICIENT_ACCESS', 'insufficient access rights on object id'),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'no right, as a 400',
      error(400, 'INSUFFICIENT_ACCESS_OR_READONLY', 'insufficient access rights on object id', []),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'no right to one field',
      error(400, 'INSUFFICIENT_ACCESS_OR_READONLY', 'no access', ['UserRoleId']),
      'permission_denied',
      'failed',
      '/roles',
    ],
    [
      'a function that is off',
      error(400, 'FUNCTIONALITY_NOT_ENABLED', 'not enabled'),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'an org without the API',
      error(403, 'API_DISABLED_FOR_ORG', 'The REST API is not enabled for this Organization.'),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'an org whose API is switched off',
      error(403, 'API_CURRENTLY_DISABLED', 'API is currently disabled for this Organization.'),
      'permission_denied',
      'held',
      undefined,
    ],
    [
      'broken JSON',
      error(400, 'JSON_PARSER_ERROR', 'Unexpected character'),
      'provider_validation_failed',
      'failed',
      '/remote_data',
    ],
    [
      'an ended session',
      error(401, 'INVALID_SESSION_ID', 'Session expired or invalid'),
      'credentials_rejected',
      'held',
      undefined,
    ],
    [
      'a resource that is not there',
      error(404, 'NOT_FOUND', 'The requested resource does not exist'),
      'provider_not_found',
      'failed',
      undefined,
    ],
    [
      'a locked row',
      error(400, 'UNABLE_TO_LOCK_ROW', 'unable to obtain exclusive access to this record'),
      'provider_unavailable',
      'retrying',
      undefined,
    ],
    [
      'a query that took too long',
      error(400, 'QUERY_TIMEOUT', 'Your query request was running for too long.'),
      'provider_unavailable',
      'retrying',
      undefined,
    ],
    [
      'a weak password',
      error(400, 'INVALID_NEW_PASSWORD', 'Your password must have a mix of letters and numbers'),
      'password_rejected',
      'failed',
      '/password',
    ],
    [
      'an internal error',
      error(500, 'UNKNOWN_EXCEPTION', 'An unexpected error occurred. Please include this ErrorId'),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      'a server that is unavailable',
      error(503, 'SERVER_UNAVAILABLE', 'Server is currently unavailable'),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
    [
      'a page of maintenance',
      text(503, '<html><body>down for maintenance</body></html>'),
      'provider_unavailable',
      'unknown',
      undefined,
    ],
  ])('%s', (_, response, code, outcome, pointer) => {
    const failure = salesforce.classifyFailure(response, input({ remote_data: { foo: 1 } }))
    expect({ code: failure.code, outcome: failure.outcome, pointer: failure.pointer }).toEqual({
      code,
      outcome,
      pointer,
    })
  })

  test.each([
    ['the day', 403, 'TotalRequests Limit exceeded.', 300_000],
    ['requests side by side', 403, 'ConcurrentRequests (Concurrent API Requests) Limit exceeded.', 5_000],
    ['requests side by side, as a 503', 503, 'ConcurrentRequests (Concurrent API Requests) Limit exceeded.', 5_000],
  ])('the limit of %s waits as long as it takes', (_, status, message, retryAfterMs) => {
    expect(salesforce.classifyFailure(error(status, 'REQUEST_LIMIT_EXCEEDED', message))).toEqual({
      code: 'rate_limited',
      outcome: 'rate_limited',
      message,
      retryAfterMs,
    })
  })

  test('HTML is taken out of the words of Salesforce, and all of them are kept', () => {
    const response = json(400, [
      { errorCode: 'DUPLICATE_USERNAME', message: 'Duplicate Username.<br>Use a different one.', fields: ['Username'] },
      { errorCode: 'REQUIRED_FIELD_MISSING', message: 'Required fields are missing: [Alias]', fields: ['Alias'] },
    ])
    expect(salesforce.classifyFailure(response).message).toBe(
      'Duplicate Username. Use a different one. — Required fields are missing: [Alias]',
    )
  })

  test('a nickname that was asked for is the one to change', () => {
    const failure = salesforce.classifyFailure(
      error(400, 'DUPLICATE_COMM_NICKNAME', 'Duplicate Nickname.'),
      input({ remote_data: { CommunityNickname: 'ada' } }),
    )
    expect(failure).toMatchObject({ outcome: 'failed', pointer: '/remote_data/CommunityNickname' })
  })

  test('a feature licence is not blamed on the profile', () => {
    const failure = salesforce.classifyFailure(
      error(400, 'LICENSE_LIMIT_EXCEEDED', 'License Limit Exceeded'),
      input({ remote_data: { UserPermissionsMarketingUser: true } }),
    )
    expect(failure).toEqual({
      code: 'license_limit_reached',
      outcome: 'failed',
      message: 'License Limit Exceeded',
    })
  })

  test('a refusal of the primary address points to it, wherever it stands', () => {
    const emails = [{ email: 'a@x.example' }, { email: 'b@x.example', is_primary: true }]
    expect(
      salesforce.classifyFailure(
        error(400, 'INVALID_EMAIL_ADDRESS', 'Email: invalid email address', ['Email']),
        input({ emails }),
      ).pointer,
    ).toBe('/emails/1/email')
  })
})

describe('Salesforce logins', () => {
  const now = Date.UTC(2026, 4, 1)
  const base = 'https://acme.my.salesforce.com'
  const { refresh_token: refresh, jwt_bearer: jwt, client_credentials: client } = salesforce.authentications
  const tokenBody = {
    access_token: '00DdM00000vfgTu!AQ',
    signature: 'Vtxr=',
    scope: 'refresh_token api',
    instance_url: 'https://acme.my.salesforce.com',
    id: 'https://login.salesforce.com/id/00DdM00000vfgTuUAI/005dM00000awSFJQA2',
    token_type: 'Bearer',
    issued_at: '1778066860000',
  }

  test('a refresh token is traded at the login host', async () => {
    if (refresh?.kind !== 'token') throw new Error('no such login')
    const credentials = {
      type: 'refresh_token' as const,
      client_id: 'id',
      client_secret: 'secret',
      refresh_token: '5Aep',
    }
    const form = { grant_type: 'refresh_token', client_id: 'id', client_secret: 'secret', refresh_token: '5Aep' }
    expect(
      await refresh.toTokenRequest(credentials, { ...account, config: {} }, salesforce.defaultBaseUrl ?? '', now),
    ).toEqual({ url: 'https://login.salesforce.com/services/oauth2/token', form })
    expect(
      await refresh.toTokenRequest(
        credentials,
        withConfig({ token_url: 'https://test.salesforce.com/services/oauth2/token' }),
        base,
        now,
      ),
    ).toEqual({ url: 'https://test.salesforce.com/services/oauth2/token', form })
  })

  test('the token holds until Salesforce refuses it, and names the origin to call', () => {
    if (refresh?.kind !== 'token') throw new Error('no such login')
    const token = refresh.parseToken(tokenBody, now)
    expect(token).toEqual({ value: '00DdM00000vfgTu!AQ', expiresAt: null, baseUrl: base })
    expect(refresh.toHeaders(token)).toEqual({ authorization: 'Bearer 00DdM00000vfgTu!AQ' })
    expect(refresh.parseToken({ ...tokenBody, refresh_token: 'next' }, now).rotatedRefreshToken).toBe('next')
    expect(() => refresh.parseToken({ ...tokenBody, instance_url: undefined }, now)).toThrow(RemoteFailureError)
  })

  test.each([
    ['https://login.salesforce.com', {}, 'https://login.salesforce.com'],
    [base, {}, 'https://login.salesforce.com'],
    ['https://acme--uat.sandbox.my.salesforce.com', {}, 'https://test.salesforce.com'],
    ['https://test.salesforce.com', {}, 'https://test.salesforce.com'],
    ['https://acme.my.sfcrmproducts.cn', {}, 'https://acme.my.sfcrmproducts.cn'],
    [base, { audience: 'https://acme.my.site.com/customers' }, 'https://acme.my.site.com/customers'],
  ])('an assertion sent to %s is for the right audience, for three minutes', async (origin, config, audience) => {
    if (jwt?.kind !== 'token') throw new Error('no such login')
    const { privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    })
    const request = await jwt.toTokenRequest(
      { type: 'jwt_bearer', client_id: 'consumer', private_key: privateKey, username: 'bot@acme.example' },
      { ...account, config },
      origin,
      now,
    )
    expect(request).toMatchObject({
      url: `${origin}/services/oauth2/token`,
      form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer' },
    })
    const assertion = request.form.assertion ?? ''
    expect(decodeProtectedHeader(assertion).alg).toBe('RS256')
    expect(decodeJwt(assertion)).toMatchObject({
      iss: 'consumer',
      sub: 'bot@acme.example',
      aud: audience,
      exp: now / 1000 + 180,
    })
  })

  test('client credentials are traded at the My Domain, and are not sent anywhere else', async () => {
    if (client?.kind !== 'token') throw new Error('no such login')
    const credentials = { type: 'client_credentials' as const, client_id: 'id', client_secret: 'secret' }
    expect(await client.toTokenRequest(credentials, account, base, now)).toEqual({
      url: `${base}/services/oauth2/token`,
      form: { grant_type: 'client_credentials', client_id: 'id', client_secret: 'secret' },
    })
    await expect(
      client.toTokenRequest(credentials, { ...account, config: {} }, 'https://login.salesforce.com', now),
    ).rejects.toMatchObject({
      failure: {
        outcome: 'held',
        code: 'credentials_rejected',
        message: expect.stringContaining('My Domain') as string,
      },
    })
  })

  test.each([
    ['login.salesforce.com', true],
    ['test.salesforce.com', true],
    ['acme.my.salesforce.com', true],
    ['acme--uat.sandbox.my.salesforce.com', true],
    ['acme-dev-ed.develop.my.salesforce.com', true],
    ['na139.salesforce.com', true],
    ['usa2s.sfdc-yfeipo.salesforce.com', true],
    ['acme.my.salesforce.mil', true],
    ['acme.my.sfcrmproducts.cn', true],
    ['acme.lightning.force.com', false],
    ['acme.my.site.com', false],
    ['evilsalesforce.com', false],
    ['my.salesforce.com.evil.example', false],
  ])('%s: a host of Salesforce’s API is %s', (host, isAllowed) => {
    expect(isAllowedOrigin(salesforce, `https://${host}`, {}, new Set())).toBe(isAllowed)
  })
})
