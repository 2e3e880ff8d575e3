import { isJsonObject, type JsonObject, type JsonValue } from '@muster/contracts/json'
import { providerIds, type ProviderId } from '@muster/contracts/provider-ids'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { json } from '../../test/conformance.ts'
import { checkInput } from './field-support.ts'
import { planCreate } from './preview.ts'
import type { AccountContext, CreateInput, RemoteRequest, RemoteResponse } from '../provider.ts'
import { providerOf } from '../registry.ts'
import { toUrl } from './remote-request.ts'

/** Who a provider reads in the body it gets, by its own rules, and how it shows that user: no code of the adapter. */
interface Vendor {
  account: AccountContext
  input: CreateInput
  /** All that it would take for the login; a body that says two is ambiguous. */
  read(body: JsonObject): JsonValue[]
  fold(login: string): string
  answer(login: string): RemoteResponse
  /** False where a look-up lists all. */
  isAskedByLogin?: false
}

const lower = (text: string): string => text.toLowerCase()
const named = (body: JsonValue | undefined, name: string): JsonValue[] =>
  isJsonObject(body) && body[name] !== undefined ? [body[name]] : []
const ada = { first_name: 'Ada', last_name: 'Lovelace' }

const vendors: Record<ProviderId, Vendor> = {
  activecampaign: {
    account: { config: {}, credentialType: 'api_token' },
    input: { user: { name: 'Ada L', password: 'Correct-Horse-9', group: 4 }, remoteQuery: {} },
    read: (body) => named(body.user, 'username'),
    // Not documented: two that may be equal are never under way at once.
    fold: (login) => lower(login.normalize('NFC')),
    answer: (username) => json(200, { user: { id: '7', username } }),
  },
  cisco_meraki: {
    account: { config: { organization_id: '1', workspace_id: 'N_1' }, credentialType: 'api_key' },
    input: { user: { name: 'Ada' }, remoteQuery: {} },
    read: (body) => named(body, 'email'),
    fold: lower,
    answer: (email) =>
      json(200, [
        { id: '1', email: 'other@acme.example' },
        { id: '7', email },
      ]),
    isAskedByLogin: false,
  },
  files_com: {
    account: { config: {}, credentialType: 'api_key' },
    input: { user: { password: 'Correct-Horse-9' }, remoteQuery: {} },
    read: (body) => named(body, 'username'),
    fold: (login) => lower(login.normalize('NFC')),
    answer: (username) => json(200, [{ id: 7, username }]),
  },
  google_workspace: {
    account: { config: {}, credentialType: 'service_account' },
    input: { user: { ...ada, password: 'Correct-Horse-9' }, remoteQuery: {} },
    read: (body) => named(body, 'primaryEmail'),
    fold: lower,
    answer: (primaryEmail) => json(200, { id: '7', primaryEmail }),
  },
  okta: {
    account: { config: {}, credentialType: 'api_token' },
    input: { user: ada, remoteQuery: {} },
    read: (body) => named(body.profile, 'login'),
    fold: (login) => lower(login.normalize('NFD').replace(/\p{M}/gu, '')),
    answer: (login) => json(200, { id: '7', profile: { login } }),
  },
  salesforce: {
    account: { config: { profile: '00e000000000001', username_suffix: '.acme' }, credentialType: 'refresh_token' },
    input: { user: { ...ada, timezone: 'Europe/London' }, remoteQuery: {} },
    // Names of fields are taken in any case.
    read: (body) => Object.entries(body).flatMap(([name, value]) => (lower(name) === 'username' ? [value] : [])),
    fold: lower,
    answer: (Username) => json(200, { records: [{ Id: '7', Username }] }),
  },
}

const people = [
  'ada@acme.example',
  'tom@acme.example',
  'ada@acme.com@portal.example',
  'josé@acme.example',
  'ada',
  'a b',
]
const spellings: ((person: string) => string)[] = [
  (person) => person,
  (person) => person.toUpperCase(),
  (person) => person.normalize('NFD'),
  (person) => ` ${person} `,
  (person) => `${person.slice(0, 1)}\u200b${person.slice(1)}`,
  (person) => `../${person}`,
  (person) => `%2e%2e/${person}?#`,
  (person) => `.${person}`,
]
const login = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constantFrom(...people), fc.constantFrom(...spellings)).map(([p, s]) => s(p)) },
  { weight: 1, arbitrary: fc.constantFrom('', ' ', '.', '..', '\ud800') },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
)
const oddValue = fc.oneof({ weight: 5, arbitrary: login }, { weight: 1, arbitrary: fc.constantFrom(null, 7, [], {}) })
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
const fieldNames = [
  'username',
  'Username',
  'USERNAME',
  'login',
  'Login',
  'email',
  'Email',
  'primaryEmail',
  'primary_email',
]
const fields = fc
  .record(Object.fromEntries(fieldNames.map((name) => [name, maybe(oddValue)])))
  .map((record) => JSON.parse(JSON.stringify(record)) as JsonObject)
const remoteData = fc
  .tuple(fields, maybe(fields), maybe(fields))
  .map(([own, profile, user]): JsonObject => ({ ...own, ...(profile && { profile }), ...(user && { user }) }))
const given = fc
  .tuple(maybe(login.filter(Boolean)), maybe(login.filter(Boolean)), maybe(remoteData))
  .map(([username, email, remote_data]): UnifiedUserInput => ({
    ...(username !== undefined && { username }),
    emails: [{ email: email ?? 'mail@acme.example' }],
    ...(remote_data !== undefined && { remote_data }),
  }))

describe.each(providerIds)('%s: who is created is who is validated, locked, looked up and adopted', (id) => {
  const provider = providerOf(id)
  const { account, input: base, read, fold, answer, isAskedByLogin = true } = vendors[id]
  const inputOf = (user: UnifiedUserInput): CreateInput => ({ ...base, user: { ...base.user, ...user } })
  /** What the provider makes of a request that Muster accepts; undefined for one that it refuses. */
  const accepted = (user: UnifiedUserInput): { login: string; value: string } | undefined => {
    const input = inputOf(user)
    if (checkInput(provider, input, account).problems.length > 0) return undefined
    const { request } = planCreate(provider, input, account).plan
    const logins = read(request.body ?? {})
    const key = provider.toNaturalKey(input, account)
    expect(logins).toEqual([key.sent])
    expect(key.sent).not.toBe('')
    return { login: key.sent, value: key.value }
  }

  test('the natural key is the one that the provider reads in the body that is sent', () => {
    let count = 0
    fc.assert(
      fc.property(given, (user) => {
        if (accepted(user)) count += 1
      }),
      { numRuns: 2_000 },
    )
    expect(count).toBeGreaterThan(200)
  })

  test('the query names no user besides, in whatever spelling', () => {
    const request = inputOf({ username: 'ada@b.example', emails: [{ email: 'ada@b.example' }] })
    const { field } = provider.toNaturalKey(request, account)
    expect(checkInput(provider, request, account).problems).toEqual([])
    for (const name of [field, field.toUpperCase(), field.replace(/(?=[A-Z])/, '_')])
      for (const remoteQuery of [{ [name]: 'eve@b.example' }, { user: { [name]: 'eve@b.example' } }])
        expect(checkInput(provider, { ...request, remoteQuery }, account).problems).toMatchObject([
          { pointer: '?remote_query', code: 'ambiguous' },
        ])
  })

  test('two requests have one natural key exactly where the provider sees one user', () => {
    fc.assert(
      fc.property(given, given, (one, other) => {
        const [first, second] = [accepted(one), accepted(other)]
        if (first && second) expect(first.value === second.value).toBe(fold(first.login) === fold(second.login))
      }),
      { numRuns: 1_000 },
    )
  })

  test('a look-up asks for that user, at the address of users, and takes no other', () => {
    const segmentsOf = (request: RemoteRequest): number =>
      new URL(toUrl('https://api.vendor.example', request)).pathname.split('/').length
    const plain = segmentsOf(
      provider.toFindRequest(inputOf({ username: 'a@b.c', emails: [{ email: 'a@b.c' }] }), account),
    )
    fc.assert(
      fc.property(given, (user) => {
        const seen = accepted(user)
        if (!seen) return
        const input = inputOf(user)
        const request = provider.toFindRequest(input, account)
        expect(segmentsOf(request)).toBe(plain)
        // As text of a query language, too, in which quotes are escaped.
        const asked = decodeURIComponent(toUrl('', request))
        if (isAskedByLogin) expect([asked, asked.replace(/\\(.)/g, '$1')].join()).toContain(seen.login)
        const upper = seen.login.toUpperCase()
        // Some letters have no way back, such as ß.
        const same = fold(upper) === fold(seen.login) ? upper : seen.login
        expect(provider.parseFound(answer(same), input, account)).toMatchObject({ remoteId: '7' })
        expect(provider.parseFound(answer(`not.${seen.login}`), input, account)).toBeUndefined()
      }),
      { numRuns: 1_000 },
    )
  })
})
