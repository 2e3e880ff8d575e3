import type { JsonObject } from '@muster/contracts/json'
import type { UnifiedUser, UnifiedUserInput } from '@muster/contracts/unified-user'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkInput } from '../src/field-support.ts'
import type { AccountContext, CreateInput, Provider, RemoteResponse } from '../src/provider.ts'

export interface ConformanceSample {
  account: AccountContext
  /** The least that is accepted. */
  minimal: CreateInput
  /** Every field that the provider supports. */
  full: CreateInput
  /** Answers of `lookUps`, by key, for `full`. */
  found?: Record<string, unknown>
  /** A true answer of the create call, from the vendor's facts. */
  created: RemoteResponse
  /** The record as `toUser` reads it, where the create call answers an id only. */
  record?: unknown
  /** What `toUser` makes of it. */
  user: UnifiedUser
  /** The answer of the find call that holds the user of `minimal`. */
  foundResponse: RemoteResponse
}

export const json = (status: number, body: unknown, headers: Record<string, string> = {}): RemoteResponse => ({ status, headers, body, isJson: true })
export const text = (status: number, body: string, headers: Record<string, string> = {}): RemoteResponse => ({ status, headers, body, isJson: false })

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze)
  return value
}

/** What every adapter owes, whatever its provider. Each provider's folder runs it with a sample of its own. */
export function describeProvider(provider: Provider, sample: ConformanceSample): void {
  const account = freeze(sample.account)
  const { minimal, full } = freeze({ minimal: sample.minimal, full: sample.full })
  const found = sample.found ?? {}

  describe(`${provider.name} keeps the adapter's contract`, () => {
    test('accepts its own minimal and full input without a problem', () => {
      expect(checkInput(provider, minimal, account).problems).toEqual([])
      expect(checkInput(provider, full, account)).toEqual({ problems: [], warnings: [] })
    })

    test('names the pointer of everything that is missing from an empty request, at once', () => {
      const { problems } = checkInput(provider, { user: {}, remoteQuery: {} }, { ...account, config: {} })
      const pointers = problems.map((problem) => problem.pointer)
      for (const [field, support] of Object.entries(provider.fields)) if (support === 'required') expect(pointers).toContain(`/${field}`)
      for (const [name, support] of Object.entries(provider.parameters)) if (support === 'required') expect(pointers).toContain(`?${name}`)
      expect(new Set(pointers).size).toBe(pointers.length)
    })

    test('warns of a field it has no place for, and never drops one in silence', () => {
      const all: UnifiedUserInput = { name: 'a', password: 'b', username: 'c', group: 1, first_name: 'd', last_name: 'e', phones: [], roles: [], timezone: 'UTC', languages: [], description: 'f', groups: [], status: 'active' }
      const { warnings } = checkInput(provider, { user: all, remoteQuery: {} }, account)
      const expected = Object.keys(all).filter((field) => !(field in provider.fields)).map((field) => `/${field}`)
      expect(warnings.map((warning) => warning.pointer)).toEqual(expect.arrayContaining(expected))
    })

    test('builds the same request from the same input, and changes nothing it was given', () => {
      expect(provider.toCreateRequest(full, account, found)).toEqual(provider.toCreateRequest(full, account, found))
    })

    test('sends a password in the body only, and only when there is one', () => {
      const secret = 'Canary-7f3a-Pass1'
      if (!provider.fields.password) return
      const { request } = provider.toCreateRequest({ ...minimal, user: { ...minimal.user, password: secret } }, account, found)
      expect(JSON.stringify(request.body)).toContain(secret)
      expect(JSON.stringify({ ...request, body: undefined })).not.toContain(secret)
    })

    test('passes remote_query on, and remote_data wins over mapped fields', () => {
      const plan = provider.toCreateRequest({ ...minimal, remoteQuery: { muster_probe: 'q' }, user: { ...minimal.user, remote_data: { muster_probe: { deep: 'd' } } } }, account, found)
      expect(plan.request.query).toMatchObject({ muster_probe: 'q' })
      expect(JSON.stringify(plan.request.body)).toContain('"muster_probe":{"deep":"d"}')
    })

    test('folds the case of its natural key', () => {
      const upper = JSON.parse(JSON.stringify(minimal.user), (key, value: unknown) => (key === 'email' || key === 'username' ? String(value).toUpperCase() : value)) as UnifiedUserInput
      expect(provider.toNaturalKey({ ...minimal, user: upper }, account)).toEqual(provider.toNaturalKey(minimal, account))
      expect(provider.toNaturalKey(minimal, account).value).not.toBe('')
    })

    test('reads the answer of a create into the unified user', () => {
      const created = provider.parseCreated(sample.created, minimal)
      expect(created?.remoteId).toBe(sample.user.id)
      expect(created?.body === undefined).toBe(provider.toReadRequest !== undefined)
      const user = provider.toUser(created?.body ?? sample.record, minimal, account)
      expect(user).toEqual(sample.user)
      for (const [field, value] of Object.entries(user)) if (value !== undefined) expect(provider.responseFields).toContain(field)
    })

    test('finds a user by its natural key, and tells nobody from somebody else', () => {
      const user = provider.parseFound(sample.foundResponse, minimal, account)
      expect(user).toBeDefined()
      expect(provider.toUser(user?.body, minimal, account).id).toBe(user?.remoteId)
      const other: CreateInput = { ...minimal, user: { ...minimal.user, username: 'somebody.else@example.org', emails: [{ email: 'somebody.else@example.org' }] } }
      expect(provider.parseFound(sample.foundResponse, other, account)).toBeUndefined()
      for (const body of ['', 'nonsense', null, 7, [], {}, { user: null }, [{}]]) expect(provider.parseFound(json(200, body), minimal, account)).toBeUndefined()
    })

    test('takes no success without a user in it for a create', () => {
      for (const body of ['', null, 7, [], {}, { user: null }, [{}]]) expect(provider.parseCreated(json(200, body), minimal)).toBeUndefined()
    })

    test('knows the statuses that mean the same everywhere', () => {
      expect(provider.classifyFailure(text(500, '<html>'), minimal).disposition).toBe('unknown')
      expect(provider.classifyFailure(text(502, '<html>'), minimal).disposition).toBe('unknown')
      expect(provider.classifyFailure(text(200, '<html>'), minimal).disposition).toBe('unknown')
      expect(provider.classifyFailure(json(429, {}, { 'retry-after': '7' }), minimal)).toMatchObject({ code: 'rate_limited', disposition: 'throttled', retryAfterMs: 7_000 })
      expect(provider.classifyFailure(json(401, {}), minimal).disposition).toBe('unauthorized')
    })

    test('classifies any answer at all, and never throws', () => {
      fc.assert(
        fc.property(fc.integer({ min: 200, max: 599 }), fc.oneof(fc.json(), fc.string()), (status, body) => {
          let parsed: unknown = body
          let isJson = false
          try {
            parsed = JSON.parse(body) as JsonObject
            isJson = true
          } catch {
            isJson = false
          }
          const failure = provider.classifyFailure({ status, headers: {}, body: parsed, isJson }, minimal)
          expect(failure.message.length).toBeGreaterThan(0)
          expect(failure.message.length).toBeLessThan(2_000)
        }),
      )
    })
  })
}
