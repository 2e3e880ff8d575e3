import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientOf } from '../support/contract.ts'
import { startMuster, type Muster } from '../support/harness.ts'

let muster: Muster
let client: ReturnType<typeof clientOf>
let okta: string

beforeAll(async () => {
  muster = await startMuster({})
  client = clientOf(muster)
  okta = await muster.connect('okta', { limits: { requests: 100, per_seconds: 1 } })
  await muster.simulators.okta.set({ rate_limit: null })
})
afterAll(() => muster.close())

interface Batch extends Record<string, unknown> {
  id: string
  status: string
  counts: Record<string, number>
}
interface Problem {
  code: string
  detail: string
}

const upload = (
  body: string | Buffer,
  options: { query?: string; type?: string; key?: string; headers?: Record<string, string> } = {},
) =>
  client.upload<Batch & Problem>(
    `/unified/user-directory/users/bulk?integrated_account_id=${okta}${options.query ? `&${options.query}` : ''}`,
    body,
    {
      'content-type': options.type ?? 'text/csv',
      ...(options.key ? { 'idempotency-key': options.key } : {}),
      ...options.headers,
    },
  )
const completed = async (id: string): Promise<Batch> => {
  for (;;) {
    const { body } = await client.request<Batch>('GET', `/batches/${id}`, { headers: { prefer: 'wait=20' } })
    if (body.status === 'completed' || body.status === 'canceled') return body
  }
}
const resultsOf = async (id: string, query = ''): Promise<Record<string, unknown>[]> =>
  (await client.text(`/batches/${id}/results${query}`))
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)

const csv = (from: number, count: number, name: string): string =>
  `first_name,last_name,email,reference,Cost centre\n${Array.from({ length: count }, (_, index) => `Ada,Lovelace,${name}.${from + index}@example.com,${name}-${from + index},"4711, ""B"""\n`).join('')}`

describe('an upload becomes a batch', () => {
  test('CSV: good rows become users, bad rows are rejected with their line, results come in order with the columns of the client', async () => {
    const file = csv(0, 30, 'csv').replace('csv.7@example.com', 'no-address').replace('csv.9@', 'csv.3@')
    const answer = await upload(gzipSync(file), {
      query: 'columns[Cost%20centre]=',
      headers: { 'content-encoding': 'gzip' },
    })
    expect(answer.status).toBe(202)
    expect(answer.body.counts).toMatchObject({ total: 30, rejected: 2 })
    const batch = await completed(answer.body.id)
    expect(batch).toMatchObject({
      status: 'completed',
      counts: { total: 30, rejected: 2, succeeded: 28, failed: 0, queued: 0, running: 0, retrying: 0 },
    })
    const results = await resultsOf(batch.id)
    expect(results.map(({ row }) => row)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1))
    expect(results[7]).toMatchObject({
      row: 8,
      line: 9,
      status: 'rejected',
      errors: [{ pointer: '/user/emails/0/email' }],
      columns: { 'Cost centre': '4711, "B"' },
    })
    expect(results[9]).toMatchObject({ row: 10, status: 'rejected', error_code: 'duplicate_row' })
    expect(results[0]).toMatchObject({
      status: 'succeeded',
      outcome: 'created',
      reference: 'csv-0',
      columns: { email: 'csv.0@example.com' },
    })
    expect(await resultsOf(batch.id, '?status=rejected')).toHaveLength(2)
    const found = await client.request<{ result: { id: string }[] }>('GET', '/operations?reference=csv-4')
    expect(found.body.result.map(({ id }) => id)).toEqual([results[4]?.operation_id])
    expect((await muster.simulators.okta.ledger()).created).toHaveLength(28)
  })
})
