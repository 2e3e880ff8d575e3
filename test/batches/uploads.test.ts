import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientOf } from '../support/contract.ts'
import { newUser, startMuster, type Muster } from '../support/harness.ts'

interface Batch {
  id: string
  status: string
  status_reason: string | null
  counts: Record<string, number>
  code: string
}

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

const csv = (count: number, name: string, header = 'first_name,last_name,email'): string =>
  `${header}\n${Array.from({ length: count }, (_, index) => `Ada,Lovelace,${name}.${index}@example.com\n`).join('')}`
const upload = (body: string, query = '', headers: Record<string, string> = {}) =>
  client.upload<Batch>(`/unified/user-directory/users/bulk?integrated_account_id=${okta}${query}`, body, {
    'content-type': 'text/csv',
    ...headers,
  })
const ended = async (id: string): Promise<Batch> => {
  for (;;) {
    const { body } = await client.request<Batch>('GET', `/batches/${id}`, { headers: { prefer: 'wait=20' } })
    if (body.status === 'completed' || body.status === 'canceled') return body
  }
}
const resultsOf = async (id: string) =>
  (await client.text(`/batches/${id}/results`))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { status: string; operation_id: string })

describe('an upload that is refused before its body is read', () => {
  const large = csv(100_000, 'large', 'first_name,last_name,strange')

  test.each(['', '&dry_run=true', '&on_invalid=reject_all'])(
    'gets its answer although most of it is still being sent (%s)',
    async (query) => {
      expect(await upload(large, query)).toMatchObject({
        status: 400,
        body: { code: 'malformed_upload', upload_error: 'unknown_headers' },
      })
    },
  )

  test('leaves no batch behind, and its key can be used again', async () => {
    const key = { 'idempotency-key': 'corrected' }
    expect((await upload(csv(2, 'corrected', 'first_name,last_name,strange'), '', key)).status).toBe(400)
    expect((await client.request<{ result: Batch[] }>('GET', '/batches?status=uploading')).body.result).toEqual([])
    const { status, body } = await upload(csv(2, 'corrected'), '', key)
    expect(status).toBe(202)
    expect((await ended(body.id)).counts.succeeded).toBe(2)
  })
})

test('two rows erased at the same moment are both gone from the results', async () => {
  const { body } = await upload(csv(20, 'erased'))
  await ended(body.id)
  await Promise.all(
    (await resultsOf(body.id)).map(({ operation_id }) => client.request('DELETE', `/operations/${operation_id}`)),
  )
  expect(await client.text(`/batches/${body.id}/results`)).not.toContain('erased.')
})

describe('rows that are retried', () => {
  /** A batch whose every row fails, since the users are there. */
  async function failedBatch(name: string, count: number, query = ''): Promise<string> {
    for (let index = 0; index < count; index += 1)
      expect(
        (await client.create(okta, newUser('okta', `${name}.${index}`), { headers: { prefer: 'wait=20' } })).status,
      ).toBe(201)
    const { body } = await upload(csv(count, name), query)
    await ended(body.id)
    return body.id
  }

  test('alone, after the batch has ended: the row ends, and the batch ends again', async () => {
    const id = await failedBatch('alone', 2)
    const [first] = await resultsOf(id)
    expect((await client.request('POST', `/operations/${first?.operation_id}/retry`)).status).toBe(202)
    expect(
      (await client.request<Batch>('GET', `/operations/${first?.operation_id}`, { headers: { prefer: 'wait=20' } }))
        .body.status,
    ).toBe('failed')
    expect(await ended(id)).toMatchObject({ status: 'completed', counts: { failed: 2, queued: 0 } })
  })

  test('alone, after the batch was canceled: it is not canceled again', async () => {
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString()
    const { body } = await upload(csv(2, 'given-up'), `&not_before=${tomorrow}`)
    await client.request('POST', `/batches/${body.id}/cancel`)
    expect((await ended(body.id)).counts.canceled).toBe(2)
    const [first] = await resultsOf(body.id)
    await client.request('POST', `/operations/${first?.operation_id}/retry`)
    expect(
      (await client.request<Batch>('GET', `/operations/${first?.operation_id}`, { headers: { prefer: 'wait=20' } }))
        .body.status,
    ).toBe('succeeded')
    expect(await ended(body.id)).toMatchObject({ status: 'completed', counts: { succeeded: 1, canceled: 1 } })
  })

  test('all together: the failure limit counts from the retry on', async () => {
    const id = await failedBatch('limit', 8, '&max_failures=8')
    const { body } = await client.request<Batch>('POST', `/batches/${id}/retry`)
    expect(body.status).toBe('running')
    expect(await ended(id)).toMatchObject({
      status: 'completed',
      status_reason: '8 rows have failed, and max_failures is 8.',
      counts: { failed: 8 },
    })
  })
})
