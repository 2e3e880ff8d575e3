import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Route } from '../packages/contracts/src/route.ts'
import { routes } from '../packages/contracts/src/routes.ts'
import { systemRoutes } from '../packages/contracts/src/system-routes.ts'
import { checkAnswer, clientOf, pointersOf, sendRaw, type ProblemBody } from './contract.ts'
import { newUser, startMuster, type Muster, type ProviderName } from './harness.ts'

const USERS = '/unified/user-directory/users'
const PASSWORD = 'Canary-Password-4711'
/** encodeURIComponent throws on half of a surrogate pair. */
const sound = (text: string): string => text.replace(/\p{Surrogate}/gu, '?')

describe('bad input', () => {
  let muster: Muster
  let client: ReturnType<typeof clientOf>
  let okta: string
  beforeAll(async () => {
    muster = await startMuster({ workers: 0, environment: { LOG_LEVEL: 'trace' } })
    client = clientOf(muster)
    okta = await muster.connect('okta')
  })
  afterAll(() => muster.close())

  const post = (rawBody: string, headers: Record<string, string> = {}) => client.request<ProblemBody>('POST', `${USERS}?integrated_account_id=${okta}`, { rawBody, headers })
  const raw = (request: string, body: string | Buffer = '') =>
    sendRaw(muster.url(), Buffer.concat([Buffer.from(`${request}\r\nhost: muster\r\nconnection: close\r\nauthorization: Bearer ${muster.owner.adminKey}\r\n`, 'latin1'), Buffer.from('\r\n'), Buffer.from(body)]))

  describe('everything that is wrong is told at once', () => {
    test('unknown names, wrong types, bad headers and what the provider needs, in one answer', async () => {
      const google = await muster.connect('google_workspace')
      const answer = await client.request('POST', `${USERS}?integrated_account_id=${google}&colour=red&on_conflict=merge&truto_response_format=xml&dry_run=maybe&not_before=soon&reference=`, {
        body: { first_name: 7, emails: [{ email: 'not an address' }, { email: 'a@b.example', primary: true }], nickname: 'x', group: '4', languages: 'en', status: 'gone' },
        headers: { 'idempotency-key': 'two words' },
      })
      expect(answer.status).toBe(422)
      expect(pointersOf(answer).sort()).toEqual(
        ['/emails/0/email', '/emails/1/primary', '/first_name', '/group', '/languages', '/last_name', '/nickname', '/password', '/status', '?colour', '?dry_run', '?not_before', '?on_conflict', '?reference', '?truto_response_format', 'idempotency-key'].sort(),
      )
    })

    test('an unknown account and a bad body are told together', async () => {
      const answer = await client.request('POST', `${USERS}?integrated_account_id=62f44730-dd91-461e-bd6a-aedd9e0ad79d`, { body: { first_name: 7 } })
      expect(pointersOf(answer).sort()).toEqual(['/first_name', '?integrated_account_id'])
    })

    test('no account at all, and no body', async () => {
      const answer = await client.request<ProblemBody>('POST', USERS)
      expect([answer.status, answer.body.code, pointersOf(answer)]).toEqual([400, 'malformed_json', ['?integrated_account_id']])
    })

    test('what is missing is called missing, whatever its type', async () => {
      const answer = await client.request<ProblemBody>('POST', '/api-keys', { body: {} })
      expect(answer.body.errors).toEqual(['/name', '/scopes'].map((pointer) => ({ pointer, code: 'required', detail: 'This is required.' })))
      const account = await client.request<ProblemBody>('POST', '/integrated-accounts', { body: {} })
      expect(account.body.errors?.map(({ code }) => code)).toEqual(['required', 'required', 'required'])
    })
  })

  describe('bodies', () => {
    test.each([
      ['null', 'null', 422],
      ['an array', '[]', 422],
      ['a number', '7', 422],
      ['a text', '"x"', 422],
      ['nothing', '', 400],
      ['white space', ' ', 400],
      ['half of it', `{"password":"${PASSWORD}"`, 400],
      ['single quotes', `{'password':'${PASSWORD}'}`, 400],
      ['two values', '{} {}', 400],
      ['numbers as texts', '{"group":"4"}', 422],
      ['booleans as texts', '{"emails":[{"email":"a@b.example","is_primary":"true"}]}', 422],
      ['a NUL in a value', '{"first_name":"A\\u0000da"}', 422],
      ['a NUL in a name', '{"first_name\\u0000":"Ada"}', 422],
      ['half of a surrogate pair', '{"first_name":"\\ud800"}', 422],
      ['own __proto__', '{"__proto__":{"is_admin":true}}', 422],
      ['deep __proto__', '{"remote_data":{"a":[{"__proto__":1}]}}', 422],
      ['constructor', '{"remote_data":{"constructor":{"prototype":{}}}}', 422],
      ['a number beyond all', '{"group":1e999}', 422],
      ['100,000 nested arrays', '['.repeat(100_000) + ']'.repeat(100_000), 422],
      ['100,000 nested objects', '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000), 422],
      ['arrays as deep as passes elsewhere', `{"remote_data":${'['.repeat(25)}${']'.repeat(25)}}`, 422],
      ['100,000 wrong items', `{"emails":[${'{},'.repeat(100_000)}{}]}`, 422],
      ['20,000 unknown fields', `{${Array.from({ length: 20_000 }, (_, index) => `"f${index}":1`).join()}}`, 422],
      ['1,000 unknown fields', `{${Array.from({ length: 1_000 }, (_, index) => `"f${index}":1`).join()}}`, 422],
      ['a field name of 500 kB', `{"${'n'.repeat(500_000)}":1}`, 422],
      ['a megabyte and more', JSON.stringify({ first_name: 'x'.repeat(1_100_000) }), 413],
      ['ten megabytes', JSON.stringify({ first_name: 'x'.repeat(10_000_000) }), 413],
    ])('%s', async (_, body, status) => {
      const answer = await post(body)
      expect(answer.status).toBe(status)
      expect(JSON.stringify(answer.body).length).toBeLessThan(60_000)
    })

    test.each([
      ['text/plain', 415],
      ['application/x-www-form-urlencoded', 415],
      ['multipart/form-data; boundary=x', 415],
      ['application/json; charset=utf-16', 415],
      ['application/json; charset=latin1', 415],
      ['nonsense', 415],
      ['application/scim+json', 202],
      ['application/json; charset=UTF-8', 202],
    ])('content-type %s is answered %i', async (type, status) => {
      expect((await post(JSON.stringify(newUser('okta')), { 'content-type': type })).status).toBe(status)
    })

    test('bytes that are no UTF-8 are refused and not replaced', async () => {
      const body = Buffer.concat([Buffer.from('{"first_name":"Ad'), Buffer.from([0xe0, 0xff]), Buffer.from('"}')])
      const { status, body: text } = await raw(`POST ${USERS}?integrated_account_id=${okta} HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`, body)
      expect([status, (JSON.parse(text) as ProblemBody).code]).toEqual([400, 'malformed_json'])
    })

    test('a compressed body is refused', async () => {
      const body = gzipSync(JSON.stringify(newUser('okta')))
      const { status } = await raw(`POST ${USERS}?integrated_account_id=${okta} HTTP/1.1\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: ${body.length}`, body)
      expect(status).toBe(415)
    })

    test('a chunked body is taken, and one that is cut off is not', async () => {
      const json = JSON.stringify(newUser('okta'))
      const head = `POST ${USERS}?integrated_account_id=${okta}&dry_run=true HTTP/1.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked`
      expect((await raw(head, `${json.length.toString(16)}\r\n${json}\r\n0\r\n\r\n`)).status).toBe(200)
      expect((await raw(head, `zz\r\n${json}\r\n0\r\n\r\n`)).status).toBe(400)
    })

    test('who is refused before the body is read gets his answer, however much he sends', async () => {
      const rawBody = JSON.stringify({ first_name: 'x'.repeat(10_000_000) })
      expect((await client.request('POST', USERS, { rawBody, key: null })).status).toBe(401)
      expect((await client.request('POST', '/no/such/path', { rawBody })).status).toBe(404)
      expect((await post(rawBody, { 'content-type': 'text/plain' })).status).toBe(415)
    })
  })

  describe('queries and paths', () => {
    test.each([
      '__proto__[x]=1',
      'remote_query[__proto__][x]=1',
      'remote_query[constructor][prototype][x]=1',
      'remote_query[a][b][c][d][e][f][g]=1',
      'truto_exclude_fields[a]=b',
      `${'truto_exclude_fields[]=x&'.repeat(150)}`,
      `${Array.from({ length: 250 }, (_, index) => `remote_query[f${index}]=1`).join('&')}`,
      'truto_exclude_fields[99999999]=x',
      'reference=%zz',
      'reference=%ff',
      'reference=%00',
      '%E0%A4%A=1',
      'reference=a&reference=b',
      'on_conflict[]=adopt',
      'remote_query=x',
      'integrated_account_id[]=x',
    ])('?%s is refused with a pointer', async (query) => {
      const answer = await client.create(okta, newUser('okta'), { query })
      expect(answer.status).toBe(422)
      expect(pointersOf(answer)[0]).toMatch(/^\?/)
    })

    test.each(['/operations/%zz', '/operations/%00', '/operations/..%2f..%2fetc', '/operations/__proto__', '/operations/x', '/integrated-accounts/constructor', '/nothing', '//', '/operations/a/b/c', '/docs/package.json', '/docs/..%2fpackage.json', '/docs/%2e%2e/%2e%2e/package.json', '/unified/user-directory/users/bulk'])('%s is answered 404', async (path) => {
      const { status, head, body } = await raw(`GET ${path} HTTP/1.1`)
      expect([status, (JSON.parse(body) as ProblemBody).code]).toEqual([404, 'not_found'])
      expect(head.toLowerCase()).toContain('content-type: application/problem+json')
    })

    test('a method that a path does not take: 405 with those that it takes', async () => {
      for (const { path } of Object.values<Route>({ ...routes, ...systemRoutes })) {
        const own = Object.values<Route>({ ...routes, ...systemRoutes }).filter((route) => route.path === path).flatMap(({ method }) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]))
        const target = path.replace('{id}', '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b')
        for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
          if (own.includes(method)) continue
          const { status, headers } = await muster.request(method, target, { key: null })
          expect([method, path, status, headers.get('allow'), headers.get('content-type')]).toEqual([method, path, 405, own.join(', '), 'application/problem+json'])
        }
      }
    })

    test('HEAD answers like GET, without the body', async () => {
      for (const path of ['/healthz', '/operations', '/openapi.json', '/docs']) {
        const { status, body } = await muster.request('HEAD', path)
        expect([path, status, body]).toEqual([path, 200, undefined])
      }
    })
  })

  describe('what is hardly HTTP', () => {
    test.each([
      ['a header of 100 kB', `GET /healthz HTTP/1.1\r\nx: ${'a'.repeat(100_000)}`, 431],
      ['ten megabytes of parameters', `GET /operations?${'a=1&'.repeat(2_500_000)} HTTP/1.1`, 431],
      ['nonsense', 'hello there', 400],
      ['a content-length of text', 'POST /api-keys HTTP/1.1\r\ncontent-length: many', 400],
      ['two content-lengths', 'POST /api-keys HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2', 400],
      ['chunked and a content-length', 'POST /api-keys HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 2', 400],
    ])('%s is a problem too', async (_, request, status) => {
      const answer = await raw(request).catch((error: NodeJS.ErrnoException) => ({ status: error.code, head: '', body: '{}' }))
      // The kernel may drop the answer when bytes are still on their way to a socket that was closed.
      if (answer.status === 'ECONNRESET' || answer.status === 'EPIPE') return
      expect([answer.status, (JSON.parse(answer.body) as { status: number }).status]).toEqual([status, status])
      expect(answer.head.toLowerCase()).toContain('content-type: application/problem+json')
    })
  })

  test('nothing of all that was accepted, sent, logged as an error, or left a trace of a password', async () => {
    await post(`{"password":"${PASSWORD}",`)
    await post(JSON.stringify({ ...newUser('okta'), password: PASSWORD, nickname: 'x' }))
    await client.create(okta, { ...newUser('okta'), password: PASSWORD, last_name: 7 }, { query: `remote_query[token]=${PASSWORD}` })
    const { created } = await muster.simulators.okta.ledger()
    expect(created).toEqual([])
    const accepted = await client.request<{ result: unknown[] }>('GET', '/operations?limit=100')
    // Two of the content types above were right.
    expect(accepted.body.result).toHaveLength(2)
    const logged = muster.logs().join('\n')
    expect(logged).not.toContain(PASSWORD)
    expect(logged).not.toContain(muster.owner.adminKey)
    expect(muster.logs().filter((line) => /"level":"(warn|error|fatal)"|^\s+at /.test(line))).toEqual([])
  })

  test('whatever is sent to whatever route: no 5xx, and a problem for every refusal', async () => {
    const providers: ProviderName[] = ['activecampaign', 'cisco_meraki', 'files_com', 'google_workspace', 'okta', 'salesforce']
    const accounts = await Promise.all(providers.map((provider) => muster.connect(provider)))
    const ids = [okta, '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b', 'x']
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.constantFrom('true', '', '\u0000', '__proto__', okta, 'ada@example.com', '2026-01-01T00:00:00Z', '1e9', '-1'))
    const names = ['first_name', 'last_name', 'emails', 'password', 'username', 'group', 'roles', 'groups', 'phones', 'languages', 'timezone', 'status', 'remote_data', 'name', 'credentials', 'config', 'limits', 'provider', 'scopes', 'expires_at', 'type', 'api_token', 'base_url']
    const json = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 4 }, text, fc.integer(), fc.double(), fc.boolean(), fc.constant(null), fc.array(tie('value'), { maxLength: 3 }), fc.dictionary(fc.oneof(fc.constantFrom(...names), text), tie('value'), { maxKeys: 4 })),
    })).value
    /** A good body with some of its values exchanged. */
    const mutated = fc.tuple(fc.constantFrom<Record<string, unknown>>(...providers.map((provider) => newUser(provider)), { provider: 'okta', name: 'x', credentials: { type: 'api_token', api_token: 'x' }, config: { base_url: 'https://acme.okta.com' } }, { name: 'x', scopes: ['read'] }), fc.dictionary(fc.constantFrom(...names), json, { maxKeys: 3 })).map(([good, changes]) => ({ ...good, ...changes }))
    const parameters = ['integrated_account_id', 'truto_response_format', 'truto_ignore_remote_data', 'truto_exclude_fields', 'truto_exclude_fields[]', 'remote_query', 'remote_query[a]', 'remote_query[a][b][]', 'dry_run', 'not_before', 'expires_at', 'reference', 'limit', 'cursor', 'status', 'provider', 'created_after', 'on_conflict', 'organization_id']
    const query = fc.array(fc.tuple(fc.oneof(fc.constantFrom(...parameters), text), fc.oneof(text, fc.constantFrom(...ids, 'raw', 'adopt', 'okta', 'held', '10'))), { maxLength: 4 })
    const header = fc.string({ unit: 'grapheme-ascii', maxLength: 20 }).map((value) => value.trim())
    const seldom = <T>(arbitrary: fc.Arbitrary<T>) => fc.oneof({ weight: 10, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
    const requests = fc.record({
      // Half of all: the create call.
      route: fc.oneof(fc.constant<Route>(routes.createUser), fc.constantFrom<Route>(...Object.values<Route>({ ...routes, ...systemRoutes }))),
      method: seldom(fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE')),
      id: fc.oneof(fc.constantFrom(...ids), text),
      query: fc.oneof(query, fc.constant<[string, string][]>([['dry_run', 'true']]), fc.constant<[string, string][]>([])),
      account: fc.option(fc.constantFrom(...accounts), { freq: 9 }),
      body: fc.oneof(json, mutated, mutated),
      cut: seldom(fc.nat(40)),
      key: seldom(header),
      prefer: fc.oneof(header, fc.constantFrom('', 'respond-async', 'handling=strict', 'handling=strict, wait=0')),
    })
    await fc.assert(
      fc.asyncProperty(requests, async ({ route, method: other, id, query: pairs, account, body, cut, key, prefer }) => {
        const method = other ?? route.method.toUpperCase()
        const given = pairs.map(([name, value]) => `${encodeURIComponent(sound(name)).replaceAll('%5B', '[').replaceAll('%5D', ']')}=${encodeURIComponent(sound(value))}`)
        const whose = account !== null && route.id === 'createUser' ? [`integrated_account_id=${account}`] : []
        const path = `${route.path.replace('{id}', encodeURIComponent(sound(id)))}?${[...whose, ...given].join('&')}`
        const text = JSON.stringify(body)
        const rawBody = cut === undefined ? text : text.slice(0, cut)
        const answer = await muster.request(method, path, { ...(method === 'GET' ? {} : { rawBody }), headers: { prefer, ...(key ? { 'idempotency-key': key } : {}) } })
        if (answer.status >= 500) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`)
        checkAnswer(method, path, answer)
      }),
      { numRuns: 600, interruptAfterTimeLimit: 10_000 },
    )
    expect((await client.request('GET', '/readyz')).status).toBe(200)
  })

  test('a well-formed user, however odd, is previewed or refused with a pointer, at all six providers', async () => {
    const providers: ProviderName[] = ['activecampaign', 'cisco_meraki', 'files_com', 'google_workspace', 'okta', 'salesforce']
    const accounts = await Promise.all(providers.map(async (provider) => ({ provider, id: await muster.connect(provider) })))
    const text = (maxLength: number) => fc.oneof(fc.string({ unit: 'grapheme', minLength: 1, maxLength: Math.min(maxLength, 12) }), fc.constantFrom('Ada', ' ', 'a@b', '0', 'null', 'Europe/London', 'UTC', 'en-GB', 'zh-Hant-TW', 'x'.repeat(maxLength), 'ü@ü.example', "O'Brien \\ \"x\""))
    const email = fc.oneof(fc.emailAddress(), fc.tuple(text(20), text(20)).map(([local, domain]) => `${local}@${domain}`.replace(/\s|@(?=.*@)/g, '.')), fc.constant('A@B'))
    const part = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 3 })
    const json = fc.oneof(text(20), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.integer(), { maxLength: 2 }), fc.dictionary(text(10), text(10), { maxKeys: 2 }))
    const remoteNames = fc.oneof(fc.constantFrom('profile', 'user', 'credentials', 'Username', 'ProfileId', 'name', 'primaryEmail', 'password', 'groupIds', 'email', 'orgAccess', 'networks', 'tags', 'username', 'group_ids', 'TimeZoneSidKey', 'Alias'), text(10))
    const users = fc.record({
      name: part(text(255)),
      first_name: part(text(255)),
      last_name: part(text(255)),
      username: part(fc.oneof(text(255), email)),
      password: part(text(1024)),
      emails: part(fc.array(fc.record({ email, type: part(text(64)), is_primary: part(fc.boolean()) }), { maxLength: 3 })),
      group: part(fc.nat(2_147_483_647)),
      phones: part(fc.array(fc.record({ number: text(64), extension: part(text(32)), type: part(fc.oneof(text(64), fc.constantFrom('mobile', 'fax', 'work'))) }), { maxLength: 4 })),
      roles: part(fc.array(fc.record({ id: part(text(255)), name: part(fc.oneof(text(255), fc.constantFrom('full', 'Standard User'))), group: part(text(255)), organization: part(text(255)), workspace: part(text(255)) }), { maxLength: 3 })),
      groups: part(fc.array(fc.record({ id: part(text(255)), name: part(text(255)) }), { maxLength: 3 })),
      timezone: part(text(64)),
      languages: part(fc.array(text(35), { maxLength: 3 })),
      description: part(text(2000)),
      status: part(fc.constantFrom('active', 'inactive', 'deleted', 'invited')),
      remote_data: part(fc.dictionary(remoteNames, json, { maxKeys: 3 })),
    })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...accounts), users, fc.boolean(), async ({ provider, id }, odd, isComplete) => {
        const body = { ...(isComplete ? newUser(provider) : {}), ...JSON.parse(JSON.stringify(odd)) as object }
        const { status } = await client.create(id, body, { query: 'dry_run=true' })
        expect([200, 422]).toContain(status)
      }),
      { numRuns: 500, interruptAfterTimeLimit: 10_000 },
    )
  })
})
