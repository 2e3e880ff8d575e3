import { request as httpRequest, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { batchClientOf, BULK, itemsOf, toNdjson } from '../support/batch-client.ts'
import { newUser, startMuster, type Muster } from '../support/harness.ts'

let muster: Muster
let client: ReturnType<typeof batchClientOf>
let okta: string
let batchId: string
beforeAll(async () => {
  // No worker runs: a wait lasts as long as it may, and a stream of progress for ever.
  muster = await startMuster({ workers: 0 })
  client = batchClientOf(muster)
  okta = await muster.connect('okta')
  batchId = (await client.bulk(toNdjson(itemsOf('okta', 1)), { query: `integrated_account_id=${okta}` })).body.id
})
afterAll(() => muster.close())

async function newKey(): Promise<{ id: string; key: string; revoke(): Promise<unknown> }> {
  const { body } = await client.request<{ id: string; api_key: string }>('POST', '/api-keys', {
    body: { name: 'held', scopes: ['read', 'provision'] },
  })
  return {
    id: body.id,
    key: body.api_key,
    revoke: () => client.request('DELETE', `/api-keys/${body.id}`),
  }
}

/** A request whose answer is in the hand of the test. */
async function open(path: string, key: string): Promise<IncomingMessage> {
  const request = httpRequest(muster.url() + path, { headers: { authorization: `Bearer ${key}` } })
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return response
}

/** Resolves when the answer has ended, however it did. */
const ended = (response: IncomingMessage): Promise<void> =>
  new Promise((resolve) => {
    response.resume()
    response.on('error', () => undefined)
    response.once('close', () => resolve())
  })

test('a stream of progress ends when its key is revoked, and that of another key continues', async () => {
  const [mine, other] = [await newKey(), await newKey()]
  const [stream, kept] = [
    await open(`/batches/${batchId}/events`, mine.key),
    await open(`/batches/${batchId}/events`, other.key),
  ]
  let isOver = false
  void ended(kept).then(() => (isOver = true))
  await mine.revoke()
  await ended(stream)
  expect(isOver).toBe(false)
  kept.destroy()
  expect((await client.request('GET', `/batches/${batchId}`, { key: mine.key })).status).toBe(401)
})

test('one that does not read its stream cannot keep it open either', async () => {
  const { key, revoke } = await newKey()
  const stream = await open(`/batches/${batchId}/events`, key)
  stream.pause()
  await revoke()
  await ended(stream)
})

test('a wait is answered with 401 when its key is revoked; what was accepted stays', async () => {
  const { key, revoke } = await newKey()
  const headers = { prefer: 'wait=30' }
  // Begun with another key at the same time: the revoked one ends first.
  let isOver = false
  const other = client.request('GET', `/batches/${batchId}`, { headers }).then(() => (isOver = true))
  const reading = client.request('GET', `/batches/${batchId}`, { key, headers })
  const creating = client.create(okta, newUser('okta'), { key, query: 'reference=waited', headers })
  await expect
    .poll(async () => (await client.request<{ result: unknown[] }>('GET', '/operations?reference=waited')).body.result)
    .toHaveLength(1)
  await revoke()
  const [read, created] = await Promise.all([reading, creating])
  expect({ read: read.status, created: created.status }).toEqual({ read: 401, created: 401 })
  expect(isOver).toBe(false)
  other.catch(() => undefined)
})

test('an upload takes no more rows once its key is revoked', async () => {
  const { key, revoke } = await newKey()
  const { hostname, port } = new URL(muster.url())
  const request = httpRequest({
    hostname,
    port,
    method: 'POST',
    path: `${BULK}?integrated_account_id=${okta}`,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/x-ndjson' },
  })
  request.on('error', () => undefined)
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  request.write(toNdjson(itemsOf('okta', 10)))
  await expect
    .poll(async () => (await client.request<{ result: unknown[] }>('GET', '/batches?status=uploading')).body.result)
    .toHaveLength(1)
  await revoke()
  const [response] = await answered
  expect(response.statusCode).toBe(401)
  request.end(toNdjson(itemsOf('okta', 500)))
  await expect
    .poll(async () => (await client.request<{ result: unknown[] }>('GET', '/batches?status=uploading')).body.result)
    .toHaveLength(0)
})

test('a tenant may open its share of streams, and one more is refused with the limit; another tenant has its own', async () => {
  const streams = await Promise.all(
    Array.from({ length: 60 }, () => open(`/batches/${batchId}/events`, muster.owner.adminKey)),
  )
  const refused = streams.filter(({ statusCode }) => statusCode === 429)
  expect({ open: streams.filter(({ statusCode }) => statusCode === 200).length, refused: refused.length }).toEqual({
    open: 50,
    refused: 10,
  })
  expect(refused[0]?.headers).toMatchObject({ 'content-type': 'application/problem+json', 'retry-after': '5' })
  const one = await open(`/batches/${batchId}/events`, (await muster.bootstrap()).adminKey)
  expect(one.statusCode).toBe(404)
  for (const stream of [...streams, one]) stream.destroy()
})
