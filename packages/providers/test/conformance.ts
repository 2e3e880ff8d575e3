import { readFileSync } from 'node:fs'
import { integratedAccountInputSchema } from '@muster/contracts/integrated-account'
import type { JsonObject } from '@muster/contracts/json'
import { unifiedUserInputSchema, type UnifiedUser, type UnifiedUserInput } from '@muster/contracts/unified-user'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkAccount } from '../src/engine/account-config.ts'
import { baseUrlOf, isAllowedOrigin } from '../src/engine/base-url.ts'
import { attemptCreate } from '../src/engine/attempt.ts'
import { classifyAnswer } from '../src/engine/classify.ts'
import { isSuccess, type Connection } from '../src/engine/connection.ts'
import type { FailureRow } from '../src/engine/failure-row.ts'
import { findRow, type Said } from '../src/engine/failure-table.ts'
import { checkInput } from '../src/engine/field-support.ts'
import {
  RemoteFailureError,
  type AccountContext,
  type CreateInput,
  type Provider,
  type RemoteResponse,
} from '../src/provider.ts'

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
  /** The answer of the read call, where the create call answers an id only. */
  readResponse?: RemoteResponse
  /** What `toUser` makes of it. */
  user: UnifiedUser
  /** The answer of the find call that holds the user of `minimal`. */
  foundResponse: RemoteResponse
  /** Every answer by which the provider says that no user has the natural key. */
  absent: readonly RemoteResponse[]
}

export const json = (status: number, body: unknown, headers: Record<string, string> = {}): RemoteResponse => ({
  status,
  headers,
  body,
  isJson: true,
})
export const text = (status: number, body: string, headers: Record<string, string> = {}): RemoteResponse => ({
  status,
  headers,
  body,
  isJson: false,
})

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze)
  return value
}

/** Success in a form that is not a provider's: of a gateway, a portal, another product. */
const foreignBodies: readonly unknown[] = [
  '',
  'nonsense',
  null,
  7,
  true,
  {},
  { ok: true },
  { error: 'maintenance' },
  { unexpected: [] },
  [7],
  [{}],
  [{ unexpected: 'shape' }],
  { user: 'ada' },
  { user: {} },
  { records: {} },
  { records: [{}] },
]

const pageHeadings = [
  'What it creates',
  'Connect an account',
  'Fields',
  'What is derived',
  'Errors',
  'Limits',
  'After a lost answer',
  'Good to know',
  'Not verified',
]

const pageOf = ({ id }: Provider): string =>
  readFileSync(new URL(`../../../docs/providers/${id}.md`, import.meta.url), 'utf8')
const bodiesOf = (page: string): JsonObject[] =>
  [...page.matchAll(/^```json\n([^]*?)^```$/gm)].map(([, body = '']) => JSON.parse(body) as JsonObject)
const accountsOf = (page: string) =>
  bodiesOf(page)
    .filter((body) => 'provider' in body)
    .map((body) => integratedAccountInputSchema.parse(body))

type Path = readonly string[]

/** The path of each value of a record, at any depth. */
function leavesOf(value: unknown, path: Path = []): { path: Path; leaf: unknown }[] {
  if (typeof value !== 'object' || value === null) return [{ path, leaf: value }]
  return Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, [...path, key]))
}

function withOddValue(record: unknown, path: Path): unknown {
  const copy = structuredClone(record)
  const parent = path.slice(0, -1).reduce((inner, key) => (inner as Record<string, unknown>)[key], copy) as Record<
    string,
    unknown
  >
  parent[path.at(-1) ?? ''] = { odd: [1] }
  return copy
}

const statuses = [400, 401, 403, 404, 409, 412, 422, 429, 500]

/** Texts that fit. `stringMatching` knows neither boundaries nor what must not follow: the filter does. */
function samplesOf(expression: RegExp): string[] {
  const plain = expression.source
    .replaceAll('\\b', '')
    .replaceAll('.*', ' ')
    .replace(/\(\?!(?:[^()]|\([^()]*\))*\)/g, '')
  const texts = fc.sample(fc.stringMatching(new RegExp(plain)), { seed: 1, numRuns: 40 })
  return texts.filter((each) => expression.test(each))
}

/** Answers made from a row, that have nothing but what it asks for. */
function answersOf({ status = statuses, code, says, field, purpose }: FailureRow): { status: number; said: Said }[] {
  const codes = code === undefined ? [] : [code].flat()
  const texts = says ? samplesOf(says) : ['', 'Something else.']
  const fields = field ? samplesOf(field).slice(0, 1) : []
  return [status]
    .flat()
    .flatMap((each) =>
      (codes.length > 0 ? codes : [undefined]).flatMap((one) =>
        texts.map((text) => ({ status: each, said: { codes: one === undefined ? [] : [one], text, fields, purpose } })),
      ),
    )
}

/** What every adapter must keep, whatever its provider: run with true bodies, and with its simulator's answers. */
export function describeProvider(provider: Provider, sample: ConformanceSample): void {
  const account = freeze(sample.account)
  const { minimal, full } = freeze({ minimal: sample.minimal, full: sample.full })
  const found = sample.found ?? {}
  const readRecord = () =>
    sample.readResponse && provider.parseRead ? provider.parseRead(sample.readResponse) : sample.readResponse?.body

  describe(`${provider.name} keeps the adapter's contract`, () => {
    test('accepts its own minimal and full input without a problem', () => {
      expect(checkInput(provider, minimal, account).problems).toEqual([])
      expect(checkInput(provider, full, account)).toEqual({ problems: [], warnings: [] })
    })

    test('names the pointer of everything that is missing from an empty request, at once', () => {
      const { problems } = checkInput(provider, { user: {}, remoteQuery: {} }, { ...account, config: {} })
      const pointers = problems.map((problem) => problem.pointer)
      for (const [field, support] of Object.entries(provider.fields))
        if (support === 'required') expect(pointers).toContain(`/${field}`)
      for (const [name, support] of Object.entries(provider.parameters))
        if (support === 'required') expect(pointers).toContain(`?${name}`)
      expect(new Set(pointers).size).toBe(pointers.length)
    })

    test('creates no user as deleted', () => {
      if (!provider.fields.status) return
      const { problems } = checkInput(provider, { ...minimal, user: { ...minimal.user, status: 'deleted' } }, account)
      expect(problems).toMatchObject([{ pointer: '/status', code: 'not_supported' }])
    })

    test('warns of a field it has no place for, and never drops one in silence', () => {
      const all: UnifiedUserInput = {
        name: 'a',
        password: 'b',
        username: 'c',
        group: 1,
        first_name: 'd',
        last_name: 'e',
        phones: [],
        roles: [],
        timezone: 'UTC',
        languages: [],
        description: 'f',
        groups: [],
        status: 'active',
      }
      const { warnings } = checkInput(provider, { user: all, remoteQuery: {} }, account)
      const expected = Object.keys(all)
        .filter((field) => !(field in provider.fields))
        .map((field) => `/${field}`)
      expect(warnings.map((warning) => warning.pointer)).toEqual(expect.arrayContaining(expected))
    })

    test('builds the same request from the same input, and changes nothing it was given', () => {
      expect(provider.toCreateRequest(full, account, found)).toEqual(provider.toCreateRequest(full, account, found))
    })

    test('sends a password in the body only, and only when there is one', () => {
      const secret = 'Canary-7f3a-Pass1'
      if (!provider.fields.password) return
      const { request } = provider.toCreateRequest(
        { ...minimal, user: { ...minimal.user, password: secret } },
        account,
        found,
      )
      expect(JSON.stringify(request.body)).toContain(secret)
      expect(JSON.stringify({ ...request, body: undefined })).not.toContain(secret)
    })

    test('passes remote_query on, and remote_data wins over mapped fields', () => {
      const plan = provider.toCreateRequest(
        {
          ...minimal,
          remoteQuery: { muster_probe: 'q' },
          user: { ...minimal.user, remote_data: { muster_probe: { deep: 'd' } } },
        },
        account,
        found,
      )
      expect(plan.request.query).toMatchObject({ muster_probe: 'q' })
      expect(JSON.stringify(plan.request.body)).toContain('"muster_probe":{"deep":"d"}')
    })

    test('folds the case of its natural key', () => {
      const upper = JSON.parse(JSON.stringify(minimal.user), (key, value: unknown) =>
        key === 'email' || key === 'username' ? String(value).toUpperCase() : value,
      ) as UnifiedUserInput
      const { value } = provider.toNaturalKey(minimal, account)
      expect(provider.toNaturalKey({ ...minimal, user: upper }, account).value).toBe(value)
      expect(value).not.toBe('')
    })

    test('reads the answer of a create into the unified user, and keeps it as the provider wrote it', () => {
      const created = provider.parseCreated(sample.created, minimal)
      expect(created?.remoteId).toBe(sample.user.id)
      expect(created?.body === undefined).toBe(provider.toReadRequest !== undefined)
      if (created?.body !== undefined) expect(created.body).toEqual(sample.created.body)
      const user = provider.toUser(created?.body ?? readRecord(), minimal, account)
      expect(user).toEqual(sample.user)
      for (const [field, value] of Object.entries(user))
        if (value !== undefined) expect(provider.responseFields).toContain(field)
    })

    test('a field of an unexpected type costs that field alone: the user was created all the same', () => {
      const body = sample.readResponse ? readRecord() : sample.created.body
      for (const { path, leaf } of leavesOf(body)) {
        if (String(leaf) === sample.user.id) continue
        const odd = withOddValue(body, path)
        const created = sample.readResponse
          ? { remoteId: sample.user.id, body: odd }
          : provider.parseCreated({ ...sample.created, body: odd }, minimal)
        expect([path.join('.'), created?.remoteId]).toEqual([path.join('.'), sample.user.id])
        expect(provider.toUser(created?.body, minimal, account).id).toBe(sample.user.id)
      }
    })

    test('a read without a record in it gives none', () => {
      for (const body of provider.parseRead ? foreignBodies : [])
        expect([body, provider.parseRead?.(json(200, body))]).toEqual([body, undefined])
    })

    test('finds a user by its natural key, in the shape that a created one has, and does not take another user for it', () => {
      const user = provider.parseFound(sample.foundResponse, minimal, account)
      if (typeof user !== 'object') throw new Error(`found: ${user}`)
      expect(provider.toUser(user.body, minimal, account).id).toBe(user.remoteId)
      const other: CreateInput = {
        ...minimal,
        user: {
          ...minimal.user,
          username: 'another.user@example.org',
          emails: [{ email: 'another.user@example.org' }],
        },
      }
      expect(provider.parseFound(sample.foundResponse, other, account)).toBeUndefined()
    })

    test("takes for absence the provider's own word alone, since a create follows it", () => {
      const isAbsent = (response: RemoteResponse) =>
        provider.isAbsent?.(response) ||
        (isSuccess(response) && provider.parseFound(response, minimal, account) === undefined)
      for (const response of sample.absent) expect([response, isAbsent(response)]).toEqual([response, true])
      for (const body of foreignBodies)
        expect([body, provider.parseFound(json(200, body), minimal, account)]).toEqual([body, 'unreadable'])
      for (const status of [200, 404, 410, 400, 403])
        expect([status, isAbsent(text(status, '<html>not found</html>'))]).toEqual([status, false])
      for (const body of foreignBodies.filter((each) => each !== ''))
        expect([body, provider.isAbsent?.(json(404, body)) ?? false]).toEqual([body, false])
      expect(provider.isAbsent?.(sample.foundResponse) ?? false).toBe(false)
    })

    test('sends a create again after a lost answer only when the provider says that there is no such user', async () => {
      const attempt = async (answer: RemoteResponse) => {
        const sent: string[] = []
        const connection: Connection = {
          read: (purpose) => {
            if (purpose === 'check') return Promise.resolve(json(200, {}))
            return purpose === 'find' ? Promise.resolve(answer) : Promise.reject(new Error(purpose))
          },
          write: (purpose) => {
            sent.push(purpose)
            return Promise.resolve(json(500, {}))
          },
          clockOffsetMs: () => 0,
        }
        const options = {
          provider,
          account,
          input: minimal,
          connection,
          onConflict: 'fail',
          unknown: { firstSentAt: 0, lastSentAt: 0 },
          expiresAt: Infinity,
        } as const
        const result = await attemptCreate({
          ...options,
          lookUp: (lookUp) => Promise.resolve(found[lookUp.key]),
          recordIntent: () => Promise.resolve(),
          withdrawIntent: () => Promise.resolve(),
        })
        return [result.outcome, ...sent]
      }
      for (const response of sample.absent)
        expect([response, await attempt(response)]).toEqual([response, ['unknown', 'create']])
      for (const body of foreignBodies) expect([body, await attempt(json(200, body))]).toEqual([body, ['retrying']])
      for (const status of [200, 403, 404, 500])
        expect([status, ...(await attempt(text(status, '<html>')))]).not.toContain('create')
    })

    test('takes a look-up of another form for no answer, never for "no such name"', () => {
      for (const lookUp of provider.lookUps?.(full, account) ?? []) {
        for (const body of foreignBodies)
          expect(() => lookUp.parse(json(200, body)), JSON.stringify(body)).toThrow(RemoteFailureError)
      }
    })

    test('sends credentials to hosts of the vendor, and to nothing that looks like them', () => {
      for (const { config = {} } of accountsOf(pageOf(provider))) {
        const host = new URL(baseUrlOf(provider, config)).hostname
        const isAllowed = (origin: string) => isAllowedOrigin(provider, origin, {}, new Set())
        expect(isAllowed(`https://${host}`), host).toBe(true)
        for (const origin of [
          `http://${host}`,
          `https://${host}.evil.example`,
          `https://evil-${host.replaceAll('.', '-')}.example`,
          `https://${host}x`,
          `https://${host}.`,
          'https://127.0.0.1',
          'https://example.com',
        ])
          expect(isAllowed(origin), origin).toBe(false)
      }
    })

    test('has a page whose parts are in one order, that names every field and whose bodies are accepted as they stand', () => {
      const page = pageOf(provider)
      expect([...page.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)).toEqual(pageHeadings)
      for (const field of Object.keys(provider.fields)) expect(page).toMatch(new RegExp(`^\\|[^|]*\`${field}\\b`, 'm'))
      const bodies = bodiesOf(page)
      const accounts = accountsOf(page)
      for (const each of accounts)
        expect([each.provider, checkAccount(provider, each.config ?? {}, each.credentials, new Set())]).toEqual([
          provider.id,
          [],
        ])
      expect(accounts.map((each) => each.credentials.type).sort()).toEqual(Object.keys(provider.authentications).sort())
      const users = bodies.filter((body) => !('provider' in body)).map((body) => unifiedUserInputSchema.parse(body))
      expect(users).not.toEqual([])
      for (const user of users)
        expect(checkInput(provider, { ...minimal, user }, account)).toEqual({ problems: [], warnings: [] })
    })

    test('takes no success without a user in it for a create', () => {
      for (const body of [...foreignBodies, [], { user: null }])
        expect(provider.parseCreated(json(200, body), minimal)).toBeUndefined()
    })

    test('has no row of failures that an earlier one shadows', () => {
      expect(provider.failures).not.toEqual([])
      for (const row of provider.failures)
        expect([
          row,
          answersOf(row).some(({ status, said }) => findRow(provider.failures, status, said) === row),
        ]).toEqual([row, true])
    })

    test('knows the statuses that mean the same everywhere', () => {
      expect(provider.classifyFailure(text(500, '<html>'), minimal).outcome).toBe('unknown')
      expect(provider.classifyFailure(text(502, '<html>'), minimal).outcome).toBe('unknown')
      expect(provider.classifyFailure(text(200, '<html>'), minimal).outcome).toBe('unknown')
      expect(provider.classifyFailure(json(429, {}, { 'retry-after': '7' }), minimal)).toMatchObject({
        code: 'rate_limited',
        outcome: 'rate_limited',
        retryAfterMs: 7_000,
      })
      expect(provider.classifyFailure(json(401, {}), minimal)).toMatchObject({
        outcome: 'held',
        code: 'credentials_rejected',
        certainty: 'confirm',
      })
    })

    test('believes nothing final of an answer that is not in its own form', () => {
      for (const status of [300, 302, 400, 401, 403, 404, 405, 409, 410, 418, 422, 451])
        for (const body of ['<html><body>Sorry, you have been blocked</body></html>', 'nonsense', '{"ok":'])
          expect([status, body, classifyAnswer(provider, text(status, body), minimal).outcome]).toEqual([
            status,
            body,
            status === 404 ? 'retrying' : 'unknown',
          ])
      for (const body of foreignBodies.filter((each) => each !== ''))
        for (const status of [400, 403, 404])
          expect(['retrying', 'unknown']).toContain(
            classifyAnswer(provider, json(status, { request: body }), minimal).outcome,
          )
    })

    test('takes a bare 404 for no answer while the provider answers no other call either', async () => {
      const sent: string[] = []
      const connection: Connection = {
        read: () => Promise.resolve(text(404, '')),
        write: (purpose) => {
          sent.push(purpose)
          return Promise.resolve(text(404, ''))
        },
        clockOffsetMs: () => 0,
      }
      const attempt = (unknown: { firstSentAt: number; lastSentAt: number } | null) =>
        attemptCreate({
          provider,
          account,
          input: minimal,
          connection,
          onConflict: 'fail',
          unknown,
          expiresAt: Infinity,
          lookUp: (lookUp) => Promise.resolve(found[lookUp.key]),
          recordIntent: () => Promise.resolve(),
          withdrawIntent: () => Promise.resolve(),
        })
      expect(await attempt(null)).toMatchObject({ outcome: 'retrying' })
      expect(sent).toEqual(['create'])
      expect(await attempt({ firstSentAt: 0, lastSentAt: 0 })).toMatchObject({ outcome: 'retrying' })
      expect(sent).toEqual(['create'])
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
