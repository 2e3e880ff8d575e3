import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { providerIds, type ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import type { Route } from '../../packages/contracts/src/route.ts'
import { routes } from '../../packages/contracts/src/routes.ts'
import { systemRoutes } from '../../packages/contracts/src/system-routes.ts'
import { checkAnswer, startContract } from '../support/contract.ts'
import { newUser } from '../support/harness.ts'

/** encodeURIComponent throws on half of a surrogate pair. */
const sound = (text: string): string => text.replace(/\p{Surrogate}/gu, '?')

const { muster, client } = await startContract({ workers: 0 })
const accountOf = Object.fromEntries(
  await Promise.all(providerIds.map(async (provider) => [provider, await muster.connect(provider)])),
) as Record<ProviderId, string>

describe('generated requests', () => {
  test('whatever is sent to whatever route: no 5xx, and a problem for every refusal', async () => {
    const accounts = Object.values(accountOf)
    // Deleted by the first DELETE that hits it; the accounts of the six must last.
    const victim = await muster.connect('okta')
    const ids = [victim, '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b', 'x']
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom(
        'true',
        '',
        '\u0000',
        '__proto__',
        victim,
        'ada@example.com',
        '2026-01-01T00:00:00Z',
        '1e9',
        '-1',
      ),
    )
    const names = [
      'first_name',
      'last_name',
      'emails',
      'password',
      'username',
      'group',
      'roles',
      'groups',
      'phones',
      'languages',
      'timezone',
      'status',
      'remote_data',
      'name',
      'credentials',
      'config',
      'limits',
      'provider',
      'scopes',
      'expires_at',
      'type',
      'api_token',
      'base_url',
      'url',
      'events',
      'integrated_account_ids',
      'providers',
      'payload',
      'rate',
      'concurrency',
      'asymmetric',
      'overlap_hours',
      'since',
      'until',
    ]
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        text,
        fc.integer(),
        fc.double(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.oneof(fc.constantFrom(...names), text), tie('value'), { maxKeys: 4 }),
      ),
    })).value
    /** A good body with some of its values exchanged. */
    const mutated = fc
      .tuple(
        fc.constantFrom<Record<string, unknown>>(
          ...providerIds.map((provider) => newUser(provider)),
          {
            provider: 'okta',
            name: 'x',
            credentials: { type: 'api_token', api_token: 'x' },
            config: { base_url: 'https://acme.okta.com' },
          },
          { name: 'x', scopes: ['read'] },
          { url: 'https://127.0.0.1/', events: ['operation.failed'] },
          { since: '2026-01-01T00:00:00Z' },
        ),
        fc.dictionary(fc.constantFrom(...names), json, { maxKeys: 3 }),
      )
      .map(([good, changes]) => ({ ...good, ...changes }))
    const parameters = [
      'integrated_account_id',
      'truto_response_format',
      'truto_ignore_remote_data',
      'truto_exclude_fields',
      'truto_exclude_fields[]',
      'remote_query',
      'remote_query[a]',
      'remote_query[a][b][]',
      'dry_run',
      'not_before',
      'expires_at',
      'reference',
      'limit',
      'cursor',
      'status',
      'provider',
      'created_after',
      'on_conflict',
      'organization_id',
      'callback_url',
      'event_type',
      'operation_id',
      'on_invalid',
      'max_failures',
      'max_failure_rate',
      'mapping',
      'columns[a]',
    ]
    const query = fc.array(
      fc.tuple(
        fc.oneof(fc.constantFrom(...parameters), text),
        fc.oneof(text, fc.constantFrom(...ids, 'raw', 'adopt', 'okta', 'held', '10')),
      ),
      { maxLength: 4 },
    )
    const header = fc.string({ unit: 'grapheme-ascii', maxLength: 20 }).map((value) => value.trim())
    const seldom = <T>(arbitrary: fc.Arbitrary<T>) =>
      fc.oneof({ weight: 10, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
    const requests = fc.record({
      // Half of all: the create call.
      route: fc.oneof(
        fc.constant<Route>(routes.createUser),
        fc.constantFrom<Route>(...Object.values<Route>({ ...routes, ...systemRoutes })),
      ),
      method: seldom(fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE')),
      id: fc.oneof(fc.constantFrom(...ids), text),
      query: fc.oneof(
        query,
        fc.constant<[string, string][]>([['dry_run', 'true']]),
        fc.constant<[string, string][]>([]),
      ),
      account: fc.option(fc.constantFrom(...accounts), { freq: 9 }),
      body: fc.oneof(json, mutated, mutated),
      cut: seldom(fc.nat(40)),
      key: seldom(header),
      type: fc.oneof(
        { weight: 3, arbitrary: fc.constant('application/json') },
        { weight: 1, arbitrary: fc.constantFrom('text/csv', 'application/x-ndjson') },
      ),
      prefer: fc.oneof(header, fc.constantFrom('', 'respond-async', 'handling=strict', 'handling=strict, wait=0')),
    })
    await fc.assert(
      fc.asyncProperty(
        requests,
        async ({ route, method: other, id, query: pairs, account, body, cut, key, prefer, type }) => {
          const method = other ?? route.method.toUpperCase()
          const given = pairs.map(
            ([name, value]) =>
              `${encodeURIComponent(sound(name)).replaceAll('%5B', '[').replaceAll('%5D', ']')}=${encodeURIComponent(sound(value))}`,
          )
          const whose =
            account !== null && (route.id === 'createUser' || route.id === 'createUsers')
              ? [`integrated_account_id=${account}`]
              : // Some of them would be at addresses that are no simulator's.
                route.id === 'createIntegratedAccount' || route.id === 'updateIntegratedAccount'
                ? ['test=false']
                : []
          const path = `${route.path.replace(/\{\w+\}/, encodeURIComponent(sound(id)))}?${[...whose, ...given].join('&')}`
          const text = JSON.stringify(body)
          const rawBody = cut === undefined ? text : text.slice(0, cut)
          const answer = await muster.request(method, path, {
            ...(method === 'GET' ? {} : { rawBody }),
            headers: {
              prefer,
              ...(method === 'GET' ? {} : { 'content-type': type }),
              ...(key ? { 'idempotency-key': key } : {}),
            },
          })
          if (answer.status >= 500) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`)
          checkAnswer(method, path, answer)
        },
      ),
      { numRuns: 600, interruptAfterTimeLimit: 10_000 },
    )
    expect((await client.request('GET', '/readyz')).status).toBe(200)
  })

  test('a well-formed user, however odd, is previewed or refused with a pointer, at all six providers', async () => {
    const text = (maxLength: number) =>
      fc.oneof(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: Math.min(maxLength, 12) }),
        fc.constantFrom(
          'Ada',
          ' ',
          'a@b',
          '0',
          'null',
          'Europe/London',
          'UTC',
          'en-GB',
          'zh-Hant-TW',
          'x'.repeat(maxLength),
          'ü@ü.example',
          'O\'Brien \\ "x"',
        ),
      )
    const email = fc.oneof(
      fc.emailAddress(),
      fc.tuple(text(20), text(20)).map(([local, domain]) => `${local}@${domain}`.replace(/\s|@(?=.*@)/g, '.')),
      fc.constant('A@B'),
    )
    const part = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 3 })
    const json = fc.oneof(
      text(20),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.integer(), { maxLength: 2 }),
      fc.dictionary(text(10), text(10), { maxKeys: 2 }),
    )
    const remoteNames = fc.oneof(
      fc.constantFrom(
        'profile',
        'user',
        'credentials',
        'Username',
        'ProfileId',
        'name',
        'primaryEmail',
        'password',
        'groupIds',
        'email',
        'orgAccess',
        'networks',
        'tags',
        'username',
        'group_ids',
        'TimeZoneSidKey',
        'Alias',
      ),
      text(10),
    )
    const users = fc.record({
      name: part(text(255)),
      first_name: part(text(255)),
      last_name: part(text(255)),
      username: part(fc.oneof(text(255), email)),
      password: part(text(1024)),
      emails: part(
        fc.array(fc.record({ email, type: part(text(64)), is_primary: part(fc.boolean()) }), { maxLength: 3 }),
      ),
      group: part(fc.nat(2_147_483_647)),
      phones: part(
        fc.array(
          fc.record({
            number: text(64),
            extension: part(text(32)),
            type: part(fc.oneof(text(64), fc.constantFrom('mobile', 'fax', 'work'))),
          }),
          { maxLength: 4 },
        ),
      ),
      roles: part(
        fc.array(
          fc.record({
            id: part(text(255)),
            name: part(fc.oneof(text(255), fc.constantFrom('full', 'Standard User'))),
            group: part(text(255)),
            organization: part(text(255)),
            workspace: part(text(255)),
          }),
          { maxLength: 3 },
        ),
      ),
      groups: part(fc.array(fc.record({ id: part(text(255)), name: part(text(255)) }), { maxLength: 3 })),
      timezone: part(text(64)),
      languages: part(fc.array(text(35), { maxLength: 3 })),
      description: part(text(2000)),
      status: part(fc.constantFrom('active', 'inactive', 'deleted', 'invited')),
      remote_data: part(fc.dictionary(remoteNames, json, { maxKeys: 3 })),
    })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...providerIds), users, fc.boolean(), async (provider, odd, isComplete) => {
        const body = { ...(isComplete ? newUser(provider) : {}), ...(JSON.parse(JSON.stringify(odd)) as object) }
        const { status } = await client.create(accountOf[provider], body, { query: 'dry_run=true' })
        expect([200, 422]).toContain(status)
      }),
      { numRuns: 500, interruptAfterTimeLimit: 10_000 },
    )
  })
})
