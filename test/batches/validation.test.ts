import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { batchClientOf, BULK, itemsOf, toNdjson, type UploadProblem } from '../support/batch-client.ts'
import { eventually, newUser, startMuster, type Muster } from '../support/harness.ts'

interface DryRun extends UploadProblem {
  dry_run: true
  rows: number
  valid: number
  rejected: number
  rejected_rows: { row: number; line: number | null; errors: { pointer: string; code: string }[] }[]
  accounts: { integrated_account_id: string; rows: number; estimated_wait_seconds: number | null }[]
}

const UNKNOWN = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b'

describe('what is refused, and how', () => {
  let muster: Muster
  let client: ReturnType<typeof batchClientOf>
  let okta: string
  let query: string
  beforeAll(async () => {
    muster = await startMuster({
      environment: {
        MUSTER_MAX_OPEN_BATCHES: '2',
        MUSTER_MAX_OPEN_ROWS: '40',
        MUSTER_MAX_BATCH_ROWS: '50',
        MUSTER_MAX_UPLOAD_MB: '1',
      },
    })
    client = batchClientOf(muster)
    okta = await muster.connect('okta')
    query = `integrated_account_id=${okta}`
  })
  afterAll(() => muster.close())
  const nothingIsThere = async (): Promise<void> => {
    expect((await client.request<{ result: unknown[] }>('GET', '/batches')).body.result).toEqual([])
    expect((await client.request<{ result: unknown[] }>('GET', '/operations')).body.result).toEqual([])
    expect((await muster.simulators.okta.ledger()).requests).toEqual([])
  }
  const mixed = (): Record<string, unknown>[] => [
    ...itemsOf('okta', 2),
    { reference: 'no-mail', user: { first_name: 'Ada', last_name: 'Lovelace' } },
    { reference: 'no-account', integrated_account_id: UNKNOWN, user: newUser('okta') },
    { reference: 'too-late', expires_at: '2020-01-01T00:00:00Z', user: newUser('okta') },
  ]

  test('a dry run validates every row, sends nothing and stores nothing', async () => {
    const { status, body } = await client.bulk<DryRun>(toNdjson(mixed()), {
      query: `${query}&dry_run=true`,
      key: 'dry',
    })
    expect({ status, body }).toMatchObject({ status: 200, body: { rows: 5, valid: 2, rejected: 3 } })
    expect(body.rejected_rows.map(({ row, line, errors }) => [row, line, errors[0]?.pointer])).toEqual([
      [3, 3, expect.stringMatching(/^\/user\//)],
      [4, 4, '/integrated_account_id'],
      [5, 5, '/expires_at'],
    ])
    expect(body.accounts).toMatchObject([{ integrated_account_id: okta, rows: 2 }])
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString()
    const later = await client.bulk<DryRun>(
      toNdjson([...itemsOf('okta', 1), { not_before: tomorrow, user: newUser('okta') }]),
      {
        query: `${query}&dry_run=true`,
      },
    )
    expect(later.body.accounts[0]?.estimated_wait_seconds).toBeGreaterThan(86_000)
    await nothingIsThere()
  })

  test('what cannot be read is named with its line and byte, by the charset of the Content-Type too', async () => {
    const file = (sign: number): Buffer => Buffer.from([...Buffer.from('first_name,email\nAda,a@b.example\n'), sign])
    const answers = await Promise.all([
      client.bulk(file(0xff), { type: 'application/x-ndjson', query }),
      client.bulk(file(0xd2), { type: 'text/csv; charset=windows-1253', query }),
    ])
    expect(answers.map(({ status, body }) => [status, body.upload_error, body.line, body.byte])).toEqual([
      [400, 'not_utf8', 3, 34],
      [400, 'not_in_charset', 3, 34],
    ])
    await nothingIsThere()
  })

  test('reject_all refuses the upload before anything is queued, points to each bad row, and accepts the corrected file under the same key', async () => {
    const options = { query: `${query}&on_invalid=reject_all`, key: 'all-or-nothing' }
    const refused = await client.bulk(toNdjson(mixed()), options)
    expect(refused).toMatchObject({ status: 422, body: { code: 'validation_failed' } })
    expect(refused.body.errors?.map(({ pointer }) => pointer)).toEqual(
      expect.arrayContaining(['/items/3/integrated_account_id', '/items/4/expires_at']),
    )
    expect(refused.body).toMatchObject({ rows: 5, rejected: 3 })
    await nothingIsThere()
    const taken = await client.bulk(toNdjson(mixed().slice(0, 2)), options)
    const { counts } = await client.completed(taken.body.id)
    expect({ status: taken.status, succeeded: counts.succeeded }).toEqual({ status: 202, succeeded: 2 })
  })

  test.each<
    [
      string,
      { body?: string; type?: string; query?: string; headers?: Record<string, string> },
      number,
      string,
      string?,
    ]
  >([
    ['an unknown parameter', { query: 'colour=red' }, 422, 'validation_failed', '?colour'],
    ['an unknown account in the query', { query: `integrated_account_id=${UNKNOWN}` }, 404, 'not_found'],
    ['a failure limit of zero', { query: 'max_failures=0' }, 422, 'validation_failed', '?max_failures'],
    ['a rate above 1', { query: 'max_failure_rate=1.5' }, 422, 'validation_failed', '?max_failure_rate'],
    ['a rate of zero', { query: 'max_failure_rate=0.0' }, 422, 'validation_failed', '?max_failure_rate'],
    ['another word for on_invalid', { query: 'on_invalid=stop' }, 422, 'validation_failed', '?on_invalid'],
    ['a default for no field', { query: 'defaults[shoe]=1' }, 422, 'validation_failed', '?defaults[shoe]'],
    ['a default of a secret', { query: 'defaults[password]=x' }, 422, 'validation_failed', '?defaults[password]'],
    ['a long default', { query: `defaults[name]=${'x'.repeat(256)}` }, 422, 'validation_failed', '?defaults[name]'],
    ['an invisible default', { query: 'defaults[name]=a%E2%80%8Bb' }, 422, 'validation_failed', '?defaults[name]'],
    ['columns for NDJSON', { query: 'columns[a]=b' }, 422, 'validation_failed', '?columns'],
    ['a mapping for JSON', { query: 'mapping=hr', type: 'application/json' }, 422, 'validation_failed', '?mapping'],
    [
      'a callback that leads inside',
      { query: 'callback_url=http://10.0.0.1/' },
      422,
      'validation_failed',
      '?callback_url',
    ],
    ['no type', { type: '' }, 415, 'unsupported_media_type'],
    ['a spreadsheet', { type: 'application/vnd.ms-excel' }, 415, 'unsupported_media_type'],
    ['an unknown charset', { type: 'text/csv; charset=klingon' }, 415, 'unsupported_media_type'],
    ['another encoding', { headers: { 'content-encoding': 'br' } }, 415, 'unsupported_media_type'],
    [
      'a key with a space',
      { headers: { 'idempotency-key': 'two words' } },
      422,
      'validation_failed',
      'idempotency-key',
    ],
    ['a CSV without columns', { body: '', type: 'text/csv' }, 400, 'malformed_upload'],
    ['a CSV with a column that goes nowhere', { body: 'shoe_size\n44\n', type: 'text/csv' }, 400, 'malformed_upload'],
    ['no JSON', { body: 'x', type: 'application/json' }, 400, 'malformed_upload'],
    ['JSON without items', { body: '{}', type: 'application/json' }, 400, 'malformed_upload'],
    ['no gzip', { headers: { 'content-encoding': 'gzip' } }, 400, 'malformed_upload'],
    ['more rows than are allowed', { body: '{}\n'.repeat(51) }, 413, 'payload_too_large'],
    ['more bytes than are allowed', { body: `{"a":"${'x'.repeat(60_000)}"}\n`.repeat(18) }, 413, 'payload_too_large'],
  ])(
    'an upload with %s',
    async (_, { body = '{}\n', type = 'application/x-ndjson', query: more, headers = {} }, status, code, pointer) => {
      const answer = await client.bulk(body, { type, headers, ...(more === undefined ? {} : { query: more }) })
      expect(answer).toMatchObject({ status, body: { code } })
      if (pointer) expect(answer.body.errors?.map((error) => error.pointer)).toContain(pointer)
      // A refused upload must not count as an open batch.
      if (answer.body.batch_id)
        await client.change(answer.body.batch_id, 'cancel').then(() => client.completed(answer.body.batch_id ?? ''))
    },
  )

  test.each([
    ['GET', `/batches/${UNKNOWN}`, undefined, 404],
    ['GET', '/batches/x', undefined, 404],
    ['GET', `/batches/${UNKNOWN}/results`, undefined, 404],
    ['GET', `/batches/${UNKNOWN}/accounts`, undefined, 404],
    ['GET', `/batches/${UNKNOWN}/accounts?cursor=x`, undefined, 422],
    ['GET', `/batches/${UNKNOWN}/events`, undefined, 404],
    ['POST', `/batches/${UNKNOWN}/cancel`, undefined, 404],
    ['GET', '/batches?status=done', undefined, 422],
    ['GET', '/batches?limit=0', undefined, 422],
    ['GET', '/batches?cursor=x', undefined, 422],
    ['GET', `/batches/${UNKNOWN}/results?format=xml`, undefined, 422],
    ['GET', `/batches/${UNKNOWN}/results?status=done`, undefined, 422],
    ['GET', BULK, undefined, 405],
    ['POST', '/column-mappings', {}, 422],
    ['POST', '/column-mappings', { name: 'a b', columns: {} }, 422],
    ['POST', '/column-mappings', { name: 'a', columns: { Shoe: 'shoe_size' } }, 422],
    ['POST', '/column-mappings', { name: 'a', columns: { A: '__proto__' } }, 422],
    ['POST', '/column-mappings', { name: 'a', columns: {} }, 422],
    ['DELETE', '/column-mappings/never', undefined, 404],
  ])('%s %s is answered as the document says', async (method, path, body, status) => {
    expect((await client.request(method, path, body === undefined ? {} : { body })).status).toBe(status)
  })

  test('a tenant at its bound of open batches or waiting rows is refused for now; another tenant is not', async () => {
    await muster.request('POST', `/integrated-accounts/${okta}/pause`)
    const ids: string[] = []
    for (let count = 0; count < 2; count += 1)
      ids.push((await client.bulk(toNdjson(itemsOf('okta', 3)), { query })).body.id)
    const third = await client.bulk(toNdjson(itemsOf('okta', 3)), { query })
    expect({ status: third.status, code: third.body.code, retryAfter: third.headers.get('retry-after') }).toEqual({
      status: 429,
      code: 'too_many_requests',
      retryAfter: '60',
    })
    // A repeated upload opens no other batch.
    const stranger = await muster.bootstrap()
    const theirs = await muster.connect('okta', { key: stranger.adminKey })
    const other = await muster.request('POST', `${BULK}?integrated_account_id=${theirs}`, {
      rawBody: toNdjson(itemsOf('okta', 1)),
      headers: { 'content-type': 'application/x-ndjson' },
      key: stranger.adminKey,
    })
    expect(other.status).toBe(202)

    await client.change(ids[0] ?? '', 'cancel')
    await client.completed(ids[0] ?? '')
    const tooMany = await eventually(
      () => client.bulk(toNdjson(itemsOf('okta', 38)), { query }),
      ({ body }) => (body as { bound?: string }).bound !== 'openBatches',
    )
    expect(tooMany).toMatchObject({ status: 429, body: { bound: 'openOperations', limit: 40 } })
    expect(await muster.request('GET', '/batches?status=uploading')).toMatchObject({ body: { result: [] } })
    ids.push((await client.bulk(toNdjson(itemsOf('okta', 37)), { query })).body.id)
    expect(await client.create(okta, newUser('okta'))).toMatchObject({
      status: 429,
      body: { code: 'too_many_requests', bound: 'openOperations', limit: 40 },
    })
    for (const id of ids.slice(1)) {
      await client.change(id, 'cancel')
      await client.completed(id)
    }
    expect((await client.create(okta, newUser('okta'))).status).toBe(202)
    await muster.request('POST', `/integrated-accounts/${okta}/resume`)
  })

  test('the retry of one row opens its batch again, and only while there is room for another open batch', async () => {
    const { adminKey: key } = await muster.bootstrap()
    const paused = await muster.connect('okta', { key })
    await muster.request('POST', `/integrated-accounts/${paused}/pause`, { key })
    const open = async (): Promise<string> =>
      (
        await muster.request<{ id: string }>('POST', `${BULK}?integrated_account_id=${paused}`, {
          rawBody: toNdjson(itemsOf('okta', 1)),
          headers: { 'content-type': 'application/x-ndjson' },
          key,
        })
      ).body.id
    const end = async (id: string): Promise<void> => {
      await muster.request('POST', `/batches/${id}/cancel`, { key })
      await eventually(
        () => muster.request<{ status: string }>('GET', `/batches/${id}`, { key }),
        ({ body }) => body.status === 'canceled',
      )
    }
    const ended = await open()
    await end(ended)
    const [row] = (await muster.request<{ result: { id: string }[] }>('GET', `/operations?batch_id=${ended}`, { key }))
      .body.result
    const others = [await open(), await open()]
    const retry = () => muster.request('POST', `/operations/${row?.id}/retry`, { key })
    expect(await retry()).toMatchObject({ status: 429, body: { bound: 'openBatches', limit: 2 } })
    expect(await muster.request('GET', `/operations/${row?.id}`, { key })).toMatchObject({
      body: { status: 'canceled' },
    })
    await end(others[0] ?? '')
    expect((await eventually(retry, ({ status }) => status !== 429)).status).toBe(202)
    expect(await muster.request('GET', `/batches/${ended}`, { key })).toMatchObject({ body: { status: 'running' } })
  })

  test('tenants see and change their own batches, operations and mappings only', async () => {
    const { body } = await client.bulk(toNdjson(itemsOf('okta', 2, 'own')), { query, key: 'shared-key' })
    await client.completed(body.id)
    await client.request('POST', '/column-mappings', { body: { name: 'mine', columns: { Mail: 'email' } } })
    const { adminKey: key } = await muster.bootstrap()
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/results'],
      ['GET', '/accounts'],
      ['GET', '/events'],
      ['POST', '/cancel'],
      ['POST', '/pause'],
      ['POST', '/resume'],
      ['POST', '/retry'],
    ] as const) {
      const { status } = await client.request(method, `/batches/${body.id}${path}`, { key })
      expect({ path, status }).toEqual({ path, status: 404 })
    }
    for (const path of ['/batches', '/column-mappings', '/operations?reference=own-1']) {
      const { result } = (await client.request<{ result: unknown[] }>('GET', path, { key })).body
      expect({ path, result }).toEqual({ path, result: [] })
    }
    // Like a filter by account: a batch of another tenant does not exist for this one.
    expect((await client.request('GET', `/operations?batch_id=${body.id}`, { key })).status).toBe(404)
    expect((await client.request('DELETE', '/column-mappings/mine', { key })).status).toBe(404)
    // An account of another tenant is answered like an unknown one, in the query and in a row. Keys are per tenant.
    const theirs = await muster.connect('okta', { key })
    const rows = toNdjson([
      { integrated_account_id: okta, user: newUser('okta') },
      { integrated_account_id: theirs, user: newUser('okta') },
    ])
    const answer = await muster.request<{ id: string; counts: Record<string, number> }>('POST', BULK, {
      rawBody: rows,
      headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': 'shared-key' },
      key,
    })
    expect(answer).toMatchObject({ status: 202, body: { counts: { rejected: 1 } } })
    expect(answer.body.id).not.toBe(body.id)
    expect(
      (
        await muster.request('POST', `${BULK}?${query}`, {
          rawBody: rows,
          headers: { 'content-type': 'application/x-ndjson' },
          key,
        })
      ).status,
    ).toBe(404)
  })
})
