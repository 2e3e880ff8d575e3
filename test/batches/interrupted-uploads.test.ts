import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CHUNK_ROWS } from '../../packages/domain/src/batch/record.ts'
import { batchClientOf, itemsOf, recount, toNdjson } from '../support/batch-client.ts'
import { createdTwice } from '../support/faults.ts'
import { eventually, startMuster, type Muster } from '../support/harness.ts'

/** Rows are taken in so many at a time: of a broken upload, whole chunks are in. */
const CHUNK = CHUNK_ROWS

describe('uploads that break off, are sent twice, or are repeated', () => {
  let muster: Muster
  let client: ReturnType<typeof batchClientOf>
  let okta: string
  let query: string
  beforeAll(async () => {
    muster = await startMuster()
    client = batchClientOf(muster)
    okta = await muster.connect('okta', { limits: { requests: 500, per_seconds: 1, concurrency: 20 } })
    await muster.simulators.okta.set({ rate_limit: null, rate_limit_by_id: null })
    query = `integrated_account_id=${okta}`
  })
  afterAll(() => muster.close())

  /** Every row of the batch has one user, and no row has two. */
  async function expectEachOnce(name: string, count: number): Promise<void> {
    const ledger = await muster.simulators.okta.ledger()
    expect(createdTwice(ledger)).toEqual([])
    expect(ledger.created.filter(({ key }) => key.startsWith(`${name}.`))).toHaveLength(count)
  }

  const json = (items: readonly unknown[]): string => JSON.stringify({ items })
  const broken: [
    string,
    (items: Record<string, unknown>[]) => string | Buffer,
    string,
    Record<string, string>,
    string,
  ][] = [
    [
      'malformed JSON in the middle',
      (items) => `${json(items).slice(0, -2)},{"user":}]}`,
      'application/json',
      {},
      'malformed_json',
    ],
    ['JSON that ends early', (items) => json(items).slice(0, -1), 'application/json', {}, 'ended_early'],
    [
      'gzip that ends early',
      (items) => gzipSync(toNdjson(items)).subarray(0, -12),
      'application/x-ndjson',
      { 'content-encoding': 'gzip' },
      'ended_early',
    ],
    [
      'gzip damaged at its end',
      (items) => Buffer.concat([gzipSync(toNdjson(items)).subarray(0, -8), Buffer.alloc(8, 1)]),
      'application/x-ndjson',
      { 'content-encoding': 'gzip' },
      'corrupt_gzip',
    ],
    [
      'bytes that are not UTF-8',
      (items) => Buffer.concat([Buffer.from(toNdjson(items)), Buffer.from([0x7b, 0xff, 0x0a])]),
      'application/x-ndjson',
      {},
      'not_utf8',
    ],
  ]
  test.each(broken)(
    '%s: rows before it run, the answer names the batch, and the corrected file continues under the same key',
    async (title, breakIt, type, headers, code) => {
      const name = `b${broken.findIndex(([one]) => one === title)}`
      const items = itemsOf('okta', CHUNK + 100, name)
      const first = await client.bulk(breakIt(items), { query, type, headers, key: title.replaceAll(' ', '-') })
      expect(first).toMatchObject({ status: 400, body: { code: 'malformed_upload', upload_error: code } })
      const id = first.body.batch_id ?? ''
      const halted = await client.until(id, ({ counts }) => counts.succeeded === CHUNK)
      expect(halted).toMatchObject({
        status: 'uploading',
        is_uploading: false,
        uploaded_at: null,
        counts: { total: CHUNK },
      })

      const corrected = type === 'application/json' ? json(items) : toNdjson(items)
      const second = await client.bulk(headers['content-encoding'] ? gzipSync(corrected) : corrected, {
        query,
        type,
        headers,
        key: title.replaceAll(' ', '-'),
      })
      expect(second).toMatchObject({ status: 202, body: { id } })
      const batch = await client.completed(id)
      expect(batch.counts).toMatchObject({ total: CHUNK + 100, succeeded: CHUNK + 100, rejected: 0 })
      expect(recount(await client.results(id))).toEqual(batch.counts)
      await expectEachOnce(name, CHUNK + 100)
    },
    60_000,
  )

  test('UTF-16 is read', async () => {
    const answer = await client.bulk(Buffer.from('\ufeffShoe größe\n', 'utf16le'), { query, type: 'text/csv' })
    expect(answer).toMatchObject({ status: 400, body: { upload_error: 'unknown_headers', line: 1 } })
    expect(answer.body.detail).toContain('Shoe größe')
  })

  test('an error in the first row of a long upload is answered, not cut off', async () => {
    const answer = await client.bulk(`{"users":[${'{},'.repeat(2_000_000)}{}]}`, { query, type: 'application/json' })
    expect(answer).toMatchObject({ status: 400, body: { upload_error: 'unknown_member' } })
  })

  test('a client that loses its connection continues with the same key, and each row is one user', async () => {
    const items = itemsOf('okta', 3 * CHUNK + 7, 'dropped')
    const half = client.stream({ query, key: 'dropped' })
    await half.send(toNdjson(items.slice(0, CHUNK + 100)))
    const { body } = await eventually(
      () => client.request<{ result: { id: string; counts: { total: number } }[] }>('GET', '/batches?status=uploading'),
      (page) => (page.body.result[0]?.counts.total ?? 0) >= CHUNK,
    )
    const id = body.result[0]?.id ?? ''
    half.drop()
    expect(await client.until(id, ({ is_uploading }) => !is_uploading)).toMatchObject({
      status: 'uploading',
      counts: { total: CHUNK },
    })
    const again = await client.bulk(toNdjson(items), { query, key: 'dropped' })
    expect(again).toMatchObject({ status: 202, body: { id } })
    expect((await client.completed(id)).counts).toMatchObject({ total: items.length, succeeded: items.length })
    await expectEachOnce('dropped', items.length)
  }, 60_000)

  test('a broken upload without a key cannot be continued: it is closed with the rows that came in, and says so', async () => {
    const items = itemsOf('okta', CHUNK + 100, 'keyless')
    const broken = await client.bulk(json(items).slice(0, -1), { query, type: 'application/json' })
    const batch = await client.completed(broken.body.batch_id ?? '')
    expect(batch).toMatchObject({
      status: 'completed',
      status_reason: expect.stringContaining(`broke off after ${CHUNK} rows`),
      counts: { total: CHUNK, succeeded: CHUNK },
    })
    expect(
      (
        await client.request<{ result: unknown[]; next_cursor: string | null }>(
          'GET',
          `/operations?batch_id=${batch.id}&limit=100`,
        )
      ).body,
    ).toMatchObject({ result: { length: 100 }, next_cursor: expect.any(String) })
  }, 60_000)

  test('a batch whose upload was never finished can be canceled, and the rest is not accepted', async () => {
    const items = itemsOf('okta', CHUNK + 100, 'given-up')
    await muster.request('POST', `/integrated-accounts/${okta}/pause`)
    const first = await client.bulk(`${json(items).slice(0, -1)}`, { query, type: 'application/json', key: 'given-up' })
    expect((await client.change(first.body.batch_id ?? '', 'cancel')).status).toBe(202)
    const batch = await client.completed(first.body.batch_id ?? '')
    expect(batch).toMatchObject({ status: 'canceled', counts: { total: CHUNK, canceled: CHUNK, queued: 0 } })
    const again = await client.bulk(json(items), { query, type: 'application/json', key: 'given-up' })
    expect(again).toMatchObject({
      status: 202,
      body: { id: batch.id, status: 'canceled', counts: { total: CHUNK } },
    })
    await muster.request('POST', `/integrated-accounts/${okta}/resume`)
    await expectEachOnce('given-up', 0)
  })

  test('canceled during its upload, it accepts no more rows, and every row that came in ends once', async () => {
    const items = itemsOf('okta', 4 * CHUNK, 'while')
    const upload = client.stream({ query, key: 'while' })
    await upload.send(toNdjson(items.slice(0, CHUNK + 50)))
    const { body } = await eventually(
      () => client.request<{ result: { id: string; counts: { total: number } }[] }>('GET', '/batches?status=uploading'),
      (page) => (page.body.result[0]?.counts.total ?? 0) >= CHUNK,
    )
    const id = body.result[0]?.id ?? ''
    await client.change(id, 'cancel')
    await upload.send(toNdjson(items.slice(CHUNK + 50)))
    upload.end()
    expect(await upload.answered).toMatchObject({ status: 202, body: { id } })
    const batch = await client.completed(id)
    expect(batch.status).toBe('canceled')
    expect(batch.counts.total).toBeLessThanOrEqual(2 * CHUNK)
    expect(batch.counts.succeeded + batch.counts.canceled).toBe(batch.counts.total)
    expect(recount(await client.results(id))).toEqual(batch.counts)
    await expectEachOnce('while', batch.counts.succeeded)
  }, 30_000)

  test('of two simultaneous uploads with one key one is accepted, however close they come', async () => {
    const items = itemsOf('okta', 20, 'race')
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => client.bulk(toNdjson(items), { query, key: 'race' })),
    )
    for (const { status, body } of answers)
      expect({ status, code: body.code }).toEqual(
        status === 202 ? { status: 202, code: undefined } : { status: 409, code: 'upload_in_progress' },
      )
    const ids = new Set(answers.map(({ body }) => body.id ?? body.batch_id))
    expect(ids.size).toBe(1)
    await client.completed([...ids][0] ?? '')
    await expectEachOnce('race', 20)
    expect(
      (await client.request<{ result: unknown[] }>('GET', '/operations?reference=race-1')).body.result,
    ).toHaveLength(1)
  })

  test('while one request uploads, another with its key learns the batch and when to try again', async () => {
    const items = itemsOf('okta', 10, 'busy')
    const slow = client.stream({ query, key: 'busy' })
    await slow.send(toNdjson(items.slice(0, 5)))
    await eventually(
      () => client.request<{ result: { is_uploading: boolean }[] }>('GET', '/batches?status=uploading'),
      ({ body }) => body.result[0]?.is_uploading === true,
    )
    const other = await client.bulk(toNdjson(items), { query, key: 'busy' })
    expect({ status: other.status, code: other.body.code, retryAfter: other.headers.get('retry-after') }).toEqual({
      status: 409,
      code: 'upload_in_progress',
      retryAfter: '5',
    })
    slow.end(toNdjson(items.slice(5)))
    const { status, body } = await slow.answered
    expect({ status, id: body.id }).toEqual({ status: 202, id: other.body.batch_id })
    await client.completed(body.id)
  })

  test('the same upload again is the same batch; another file or query under its key is refused', async () => {
    const items = itemsOf('okta', 6, 'again')
    const first = await client.bulk(toNdjson(items), { query, key: 'again' })
    await client.completed(first.body.id)
    expect((await client.bulk(toNdjson(items), { query, key: 'again' })).body.id).toBe(first.body.id)
    for (const [body, other] of [
      [toNdjson(items.slice(0, 5)), query],
      [toNdjson([...items, ...itemsOf('okta', 1)]), query],
      [toNdjson([...itemsOf('okta', 1), ...items.slice(1)]), query],
      [toNdjson([...items].reverse()), query],
      [toNdjson(items), `${query}&max_failures=3`],
    ] as const) {
      const answer = await client.bulk(body, { query: other, key: 'again' })
      expect(answer).toMatchObject({
        status: 422,
        body: { code: 'idempotency_key_reused', batch_id: first.body.id },
      })
    }
    await expectEachOnce('again', 6)
  })
})
