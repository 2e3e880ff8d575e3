import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { Route } from '../../packages/contracts/src/route.ts'
import { routes } from '../../packages/contracts/src/routes.ts'
import { systemRoutes } from '../../packages/contracts/src/system-routes.ts'
import { pointersOf, sendRaw, startContract, type ProblemBody } from '../support/contract.ts'
import { newUser } from '../support/harness.ts'

const USERS = '/unified/user-directory/users'
const PASSWORD = 'Canary-Password-4711'

const { muster, client } = await startContract({ workers: 0, environment: { LOG_LEVEL: 'trace' } })
const okta = await muster.connect('okta')

describe('bad input', () => {
  const post = (rawBody: string, headers: Record<string, string> = {}) =>
    client.request<ProblemBody>('POST', `${USERS}?integrated_account_id=${okta}`, { rawBody, headers })
  const raw = (request: string, body: string | Buffer = '') =>
    sendRaw(
      muster.url(),
      Buffer.concat([
        Buffer.from(
          `${request}\r\nhost: muster\r\nconnection: close\r\nauthorization: Bearer ${muster.owner.adminKey}\r\n`,
          'latin1',
        ),
        Buffer.from('\r\n'),
        Buffer.from(body),
      ]),
    )

  describe('everything wrong is reported at once', () => {
    test('unknown names, wrong types, bad headers and what the provider needs, in one answer', async () => {
      const google = await muster.connect('google_workspace')
      const answer = await client.request(
        'POST',
        `${USERS}?integrated_account_id=${google}&colour=red&on_conflict=merge&truto_response_format=xml&dry_run=maybe&not_before=soon&reference=`,
        {
          body: {
            first_name: 7,
            emails: [{ email: 'not an address' }, { email: 'a@b.example', primary: true }],
            nickname: 'x',
            group: '4',
            languages: 'en',
            status: 'gone',
          },
          headers: { 'idempotency-key': 'two words' },
        },
      )
      expect(answer.status).toBe(422)
      expect(pointersOf(answer).sort()).toEqual(
        [
          '/emails/0/email',
          '/emails/1/primary',
          '/first_name',
          '/group',
          '/languages',
          '/last_name',
          '/nickname',
          '/password',
          '/status',
          '?colour',
          '?dry_run',
          '?not_before',
          '?on_conflict',
          '?reference',
          '?truto_response_format',
          'idempotency-key',
        ].sort(),
      )
    })

    test('an unknown account and a bad body are reported together', async () => {
      const answer = await client.request(
        'POST',
        `${USERS}?integrated_account_id=62f44730-dd91-461e-bd6a-aedd9e0ad79d`,
        { body: { first_name: 7 } },
      )
      expect(pointersOf(answer).sort()).toEqual(['/first_name', '?integrated_account_id'])
    })

    test('no account at all, and no body', async () => {
      const answer = await client.request<ProblemBody>('POST', USERS)
      expect({ status: answer.status, code: answer.body.code, pointers: pointersOf(answer) }).toEqual({
        status: 400,
        code: 'malformed_json',
        pointers: ['?integrated_account_id'],
      })
    })

    test('what is missing is called missing, whatever its type', async () => {
      const answer = await client.request<ProblemBody>('POST', '/api-keys', { body: {} })
      expect(answer.body.errors).toEqual(
        ['/name', '/scopes'].map((pointer) => ({ pointer, code: 'required', detail: 'This is required.' })),
      )
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
      ['{"first_name":"A\\u0000da"}', 'invalid_text', '/first_name'],
      ['{"first_name\\u0000":"Ada"}', 'invalid_text', '/first_name\u0000'],
      ['{"first_name":"\\ud800"}', 'invalid_text', '/first_name'],
      ['{"__proto__":{"is_admin":true}}', 'forbidden_name', '/__proto__'],
      ['{"remote_data":{"a":[{"__proto__":1}]}}', 'forbidden_name', '/remote_data/a/0/__proto__'],
      ['{"remote_data":{"constructor":{}}}', 'forbidden_name', '/remote_data/constructor'],
      [`{"remote_data":${'['.repeat(25)}${']'.repeat(25)}}`, 'too_deep', `/remote_data${'/0'.repeat(19)}`],
      [`{"emails":[${'{},'.repeat(10_000)}{}]}`, 'too_many', '/emails'],
    ])('%.60s is refused for what it is, before any schema sees it', async (body, code, pointer) => {
      expect((await post(body)).body.errors).toEqual([{ code, pointer, detail: expect.any(String) as string }])
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
      const { status, body: text } = await raw(
        `POST ${USERS}?integrated_account_id=${okta} HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`,
        body,
      )
      expect({ status, code: (JSON.parse(text) as ProblemBody).code }).toEqual({ status: 400, code: 'malformed_json' })
    })

    test('a compressed body is refused', async () => {
      const body = gzipSync(JSON.stringify(newUser('okta')))
      const { status } = await raw(
        `POST ${USERS}?integrated_account_id=${okta} HTTP/1.1\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: ${body.length}`,
        body,
      )
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

    test.each([
      '/operations/%zz',
      '/operations/%00',
      '/operations/..%2f..%2fetc',
      '/operations/__proto__',
      '/operations/x',
      '/integrated-accounts/constructor',
      '/nothing',
      '//',
      '/operations/a/b/c',
      '/docs/package.json',
      '/docs/..%2fpackage.json',
      '/docs/%2e%2e/%2e%2e/package.json',
    ])('%s is answered 404', async (path) => {
      const { status, head, body } = await raw(`GET ${path} HTTP/1.1`)
      expect({ status, code: (JSON.parse(body) as ProblemBody).code }).toEqual({ status: 404, code: 'not_found' })
      expect(head.toLowerCase()).toContain('content-type: application/problem+json')
    })

    test('a method that a path does not take: 405 with those that it takes', async () => {
      for (const { path } of Object.values<Route>({ ...routes, ...systemRoutes })) {
        const own = Object.values<Route>({ ...routes, ...systemRoutes })
          .filter((route) => route.path === path)
          .flatMap(({ method }) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]))
        const target = path.replace('{id}', '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b').replace('{name}', 'hr')
        for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
          if (own.includes(method)) continue
          const { status, headers } = await muster.request(method, target, { key: null })
          expect(
            { status, allow: headers.get('allow'), contentType: headers.get('content-type') },
            `${method} ${path}`,
          ).toEqual({ status: 405, allow: own.join(', '), contentType: 'application/problem+json' })
        }
      }
    })

    test('HEAD answers like GET, without the body', async () => {
      for (const path of ['/healthz', '/operations', '/openapi.json', '/docs']) {
        const { status, body } = await muster.request('HEAD', path)
        expect({ status, body }, path).toEqual({ status: 200, body: undefined })
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
      [
        'chunked and a content-length',
        'POST /api-keys HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 2',
        400,
      ],
    ])('%s is a problem too', async (_, request, status) => {
      const answer = await raw(request).catch((error: NodeJS.ErrnoException) => ({
        status: error.code,
        head: '',
        body: '{}',
      }))
      // The kernel may drop the answer when bytes are still on their way to a socket that was closed.
      if (answer.status === 'ECONNRESET' || answer.status === 'EPIPE') return
      expect({ answerStatus: answer.status, status: (JSON.parse(answer.body) as { status: number }).status }).toEqual({
        answerStatus: status,
        status,
      })
      expect(answer.head.toLowerCase()).toContain('content-type: application/problem+json')
    })
  })

  describe('what Node would refuse by itself, without a word', () => {
    const bare = (request: string) => sendRaw(muster.url(), `${request}\r\nconnection: close\r\n\r\n`)

    test.each([
      ['no Host', 'GET /healthz HTTP/1.1\r\nx: y', 400, 'malformed_request'],
      ['two Hosts', 'GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b', 400, 'malformed_request'],
      ['an odd Expect', 'GET /healthz HTTP/1.1\r\nhost: muster\r\nexpect: 200-ok', 417, 'expectation_failed'],
      ['CONNECT', 'CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443', 405, 'method_not_allowed'],
      ['a method that is none', 'BREW /healthz HTTP/1.1\r\nhost: muster', 400, 'malformed_request'],
      ['HTTP/2 without asking', 'PRI * HTTP/2.0\r\n\r\nSM', 400, 'malformed_request'],
      ['another version', 'GET /healthz HTTP/9.9\r\nhost: muster', 400, 'malformed_request'],
      ['an odd coding', 'POST /api-keys HTTP/1.1\r\nhost: muster\r\ntransfer-encoding: gzip', 400, 'malformed_request'],
    ])('%s is a problem', async (_, request, status, code) => {
      const answer = await bare(request)
      expect(answer.head.toLowerCase()).toContain('content-type: application/problem+json')
      expect(answer.head.toLowerCase()).toContain('x-request-id: ')
      const problem = JSON.parse(answer.body) as ProblemBody & { status: number; title: string }
      expect({ answerStatus: answer.status, problemStatus: problem.status, problemCode: problem.code }).toEqual({
        answerStatus: status,
        problemStatus: status,
        problemCode: code,
      })
      if (status === 405) expect(answer.head).toContain('allow: ')
    })

    test.each([
      ['HTTP/1.0 needs no Host', 'GET /healthz HTTP/1.0'],
      ['an Upgrade that is not taken is passed over', 'GET /healthz HTTP/1.1\r\nhost: a\r\nupgrade: websocket'],
      ['an address with the host in it', 'GET http://muster/healthz HTTP/1.1\r\nhost: muster'],
    ])('%s', async (_, request) => expect((await bare(request)).status).toBe(200))
  })

  test('nothing of all that was accepted, sent, logged as an error, or left a trace of a password', async () => {
    await post(`{"password":"${PASSWORD}",`)
    await post(JSON.stringify({ ...newUser('okta'), password: PASSWORD, nickname: 'x' }))
    await client.create(
      okta,
      { ...newUser('okta'), password: PASSWORD, last_name: 7 },
      { query: `remote_query[token]=${PASSWORD}` },
    )
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
})
