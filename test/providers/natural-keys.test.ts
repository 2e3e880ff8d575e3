import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../packages/contracts/src/json.ts'
import { providerIds } from '../../packages/contracts/src/provider-ids.ts'
import { unifiedUserInputSchema, type UnifiedUserInput } from '../../packages/contracts/src/unified-user.ts'
import { checkInput } from '../../packages/providers/src/engine/field-support.ts'
import { planCreate } from '../../packages/providers/src/engine/preview.ts'
import { toUrl } from '../../packages/providers/src/engine/remote-request.ts'
import type { AccountContext, CreateInput, RemoteRequest } from '../../packages/providers/src/provider.ts'
import { providerOf } from '../../packages/providers/src/registry.ts'
import { json } from '../../packages/providers/test/conformance.ts'
import { accountOf, sampleOf } from '../support/samples.ts'

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
  // Who the vendor reads in the body it gets, by its own rules, and how it shows that user: no code of the adapter.
  const { loginsIn, foldLogin, foundUser, listsAllUsers, user: sampleUser } = sampleOf(id)
  const { username: _, emails: __, ...base } = unifiedUserInputSchema.parse(sampleUser('ada'))
  const account: AccountContext = accountOf(id, id === 'salesforce' ? { username_suffix: '.acme' } : {})
  const inputOf = (user: UnifiedUserInput): CreateInput => ({ user: { ...base, ...user }, remoteQuery: {} })
  /** What the provider makes of a request that Muster accepts; undefined for one that it refuses. */
  const accepted = (user: UnifiedUserInput): { login: string; value: string } | undefined => {
    const input = inputOf(user)
    if (checkInput(provider, input, account).problems.length > 0) return undefined
    const { request } = planCreate(provider, input, account).plan
    const logins = loginsIn(request.body ?? {})
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
        if (first && second)
          expect(first.value === second.value).toBe(foldLogin(first.login) === foldLogin(second.login))
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
        if (!listsAllUsers) expect([asked, asked.replace(/\\(.)/g, '$1')].join()).toContain(seen.login)
        const upper = seen.login.toUpperCase()
        // Some letters have no way back, such as ß.
        const same = foldLogin(upper) === foldLogin(seen.login) ? upper : seen.login
        expect(provider.parseFound(json(200, foundUser(same)), input, account)).toMatchObject({ remoteId: '7' })
        expect(provider.parseFound(json(200, foundUser(`not.${seen.login}`)), input, account)).toBeUndefined()
      }),
      { numRuns: 1_000 },
    )
  })
})
