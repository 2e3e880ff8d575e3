import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { batchClientOf, itemsOf, toNdjson } from '../support/batch-client.ts'
import { newUser, startMuster, type Answer, type Muster } from '../support/harness.ts'

const AT_ONCE = 60
const MOST = 20

let muster: Muster
let client: ReturnType<typeof batchClientOf>
let okta: string
beforeAll(async () => {
  // No worker runs: what is accepted stays open.
  muster = await startMuster({
    workers: 0,
    allowedHosts: ['127.0.0.1:1'],
    environment: { MUSTER_MAX_OPEN_ROWS: '50', MUSTER_MAX_OPEN_MB: '2', MUSTER_MAX_UPLOADS: '100' },
  })
  client = batchClientOf(muster)
  okta = await muster.connect('okta')
})
afterAll(() => muster.close())

const countOf = (answers: readonly Answer<unknown>[], status: number): number =>
  answers.filter((answer) => answer.status === status).length

/** Refusals say which bound it was, and when to look again. */
function expectRefused(answers: readonly Answer<unknown>[], bound: string, limit: number): void {
  for (const { status, headers, body } of answers) {
    if (status < 400) continue
    expect({ status, body }).toMatchObject({ status: 429, body: { code: 'too_many_requests', bound, limit } })
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  }
}

describe('of many requests at the same moment, as many get in as there is room for', () => {
  const times = <T>(request: (number: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: AT_ONCE }, (_, number) => request(number)))

  test('webhook endpoints', async () => {
    const answers = await times(() =>
      client.request('POST', '/webhook-endpoints', { body: { url: 'http://127.0.0.1:1/hook' } }),
    )
    expectRefused(answers, 'webhookEndpoints', MOST)
    expect(answers.find(({ status }) => status === 429)?.body).toMatchObject({
      detail:
        'The limit of this tenant is reached: 20 registered webhook endpoints. ' +
        'Delete one, or have the operator raise MUSTER_MAX_WEBHOOK_ENDPOINTS.',
    })
    expect(countOf(answers, 201)).toBe(MOST)
  })

  test('open batches', async () => {
    const answers = await times(() =>
      client.bulk(toNdjson(itemsOf('okta', 1)), { query: `integrated_account_id=${okta}` }),
    )
    expect(countOf(answers, 202)).toBe(MOST)
    expect(countOf(answers, 429)).toBe(AT_ONCE - MOST)
  })

  test('unfinished operations, those of the batches among them', async () => {
    const answers = await times(() => client.create(okta, newUser('okta')))
    expectRefused(answers, 'openOperations', 50)
    expect(countOf(answers, 202)).toBe(50 - MOST)
  })
})

test('large creates are refused by their bytes, and canceling one makes room for one', async () => {
  const key = (await muster.bootstrap()).adminKey
  const account = await muster.connect('okta', { key })
  const large = () => ({
    ...newUser('okta'),
    remote_data: { profile: { note: Array.from({ length: 12_000 }, () => Math.random()).join() } },
  })
  const accepted: string[] = []
  let refused: Answer | undefined
  while (!refused && accepted.length < 49) {
    const answer = await client.create<{ id: string }>(account, large(), { key })
    if (answer.status === 202) accepted.push(answer.body.id)
    else refused = answer
  }
  expect(refused).toMatchObject({ status: 429, body: { bound: 'openMegabytes', limit: 2 } })
  await client.request('POST', `/operations/${accepted[0]}/cancel`, { key })
  expect((await client.create(account, large(), { key })).status).toBe(202)
  expect((await client.create(account, large(), { key })).status).toBe(429)
})

test('lists come in pages, each entry once, in number and in bytes', async () => {
  const key = (await muster.bootstrap()).adminKey
  const columns = Object.fromEntries(
    Array.from({ length: 290 }, (_, number) => [`${number}`.padEnd(180, 'x'), `remote_data.profile.${number}`]),
  )
  for (let number = 0; number < 25; number += 1) {
    const body = { name: `m${number}`, columns }
    expect((await client.request('POST', '/column-mappings', { body, key })).status).toBe(200)
  }
  const names: string[] = []
  for (let cursor = ''; ;) {
    const path = `/column-mappings?limit=100${cursor && `&cursor=${cursor}`}`
    const { body } = await client.request<{ result: { name: string }[]; next_cursor: string | null }>('GET', path, {
      key,
    })
    expect(JSON.stringify(body).length).toBeLessThan(300_000)
    names.push(...body.result.map(({ name }) => name))
    if (body.next_cursor === null) break
    cursor = body.next_cursor
  }
  expect({ listed: names.length, distinct: new Set(names).size }).toEqual({ listed: 25, distinct: 25 })
  const large = { name: 'large', columns: { ...columns, ...columnsOf(100) } }
  expect(await client.request('POST', '/column-mappings', { body: large, key })).toMatchObject({
    status: 413,
    body: { code: 'payload_too_large', bound: 'columnMappings', limit: 65_536 },
  })
})

const columnsOf = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, number) => [`y${number}`.padEnd(180, 'y'), '']))
