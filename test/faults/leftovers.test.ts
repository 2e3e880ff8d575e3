import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { batchClientOf, itemsOf } from '../support/batch-client.ts'
import { eventually, newUser, startMuster, type Muster } from '../support/harness.ts'
import { startReceiver, type Receiver } from '../support/receiver.ts'

const RETENTION_SECONDS = 2
const DAY_SECONDS = 86_400
let muster: Muster
let receiver: Receiver
let redis: Redis
beforeAll(async () => {
  receiver = await startReceiver()
  muster = await startMuster({
    allowedHosts: [receiver.host],
    environment: { MUSTER_RETENTION_DAYS: String(RETENTION_SECONDS / DAY_SECONDS) },
  })
  redis = new Redis(muster.redis.url)
})
afterAll(async () => {
  redis.disconnect()
  await muster.close()
  await receiver.close()
})

/** An id says nothing here; its kind does. */
const kindOf = (key: string): string =>
  key.replace(/[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/g, '<id>').replace(/:[\w-]{27,}$/, ':<hash>')

/** Every key with its time to live in seconds; -1 for ever. */
async function everyKey(): Promise<{ key: string; ttl: number }[]> {
  const keys = (await redis.keys('*')).sort()
  return Promise.all(keys.map(async (key) => ({ key, ttl: await redis.ttl(key) })))
}

/** What an installation with one tenant and one key has, and what no request takes away. */
const permanent = [
  'muster:api-key:<hash>',
  'muster:hash-key',
  'muster:tenant-names',
  'muster:tenant:<id>',
  'muster:tenant:<id>:api-keys',
  'muster:tenant:<id>:callback-secret',
  'muster:tenant:<id>:open-work',
]
/** An upload's key outlives its batch; a reference is kept until its operations could have ended, and the retention. */
const keptLonger = /^muster:tenant:<id>:(batch-idempotency|reference):/

test('of everything that was made, ended and deleted nothing is left when its retention is over', async () => {
  const client = batchClientOf(muster)
  await muster.request('POST', '/callback-secret')
  const called = `callback_url=${encodeURIComponent(`http://${receiver.host}/callback`)}`
  const made = async (path: string, body: unknown): Promise<string> =>
    (await muster.request<{ id: string }>('POST', path, { body })).body.id
  const key = await made('/api-keys', { name: 'another', scopes: ['read'] })
  await made('/column-mappings', { name: 'people', columns: { Mail: 'email' } })
  const endpoint = await made('/webhook-endpoints', { url: `http://${receiver.host}/endpoint` })

  // Operations of every end, of one account with a static token and one whose token is fetched.
  const [okta, google] = [await muster.connect('okta'), await muster.connect('google_workspace')]
  const options = { query: `reference=employee-1&${called}`, headers: { 'idempotency-key': 'first' } }
  const taken = newUser('okta')
  const succeeded = (await muster.create<{ id: string }>(okta, taken, options)).body.id
  expect((await muster.finished(succeeded)).status).toBe('succeeded')
  const failed = (await muster.create<{ id: string }>(okta, taken)).body.id
  expect((await muster.finished(failed)).status).toBe('failed')
  const erased = (await muster.create<{ id: string }>(google, newUser('google_workspace'), options)).body.id
  await muster.finished(erased)
  await muster.request('DELETE', `/operations/${erased}`)
  const later = `not_before=${new Date(Date.now() + 3_600_000).toISOString()}`
  const canceled = (await muster.create<{ id: string }>(okta, newUser('okta'), { query: later })).body.id
  await muster.request('POST', `/operations/${canceled}/cancel`)

  const batchOf = async (query: string): Promise<string> =>
    (
      await client.bulk(JSON.stringify({ items: itemsOf('okta', 5) }), {
        query: `integrated_account_id=${okta}&reference=march&${query}`,
        type: 'application/json',
        key: query,
      })
    ).body.id
  const batch = await batchOf(called)
  await client.completed(batch)
  const stopped = await batchOf(later)
  await muster.request('POST', `/batches/${stopped}/cancel`)
  await client.completed(stopped)
  await receiver.until(({ path, event }) => path === '/callback' && event.data.batch_id === batch)
  await receiver.until(({ path, event }) => path === '/endpoint' && event.data.operation_id === canceled)

  for (const path of [
    `/api-keys/${key}`,
    '/column-mappings/people',
    `/webhook-endpoints/${endpoint}`,
    `/integrated-accounts/${okta}`,
    `/integrated-accounts/${google}`,
  ]) {
    const { status } = await muster.request('DELETE', path)
    expect({ path, status }).toEqual({ path, status: 204 })
  }

  // A day more than the retention, for the clocks.
  await eventually(
    async () =>
      (await everyKey()).filter(({ key: name, ttl }) => ttl > DAY_SECONDS + 10 && !keptLonger.test(kindOf(name))),
    (tooLong) => tooLong.length === 0,
  )
  // What is kept for its time is gone after it; the rest must go by itself.
  await eventually(
    async () => {
      const all = await everyKey()
      const kept = all.filter(({ ttl }) => ttl >= 0).map(({ key: name }) => name)
      const lasting = kept.filter((name) => !/lease/.test(name))
      if (lasting.length > 0) await redis.del(...lasting)
      return all.filter(({ ttl }) => ttl < 0).map(({ key: name }) => kindOf(name))
    },
    (left) => left.join() === permanent.join(),
    30_000,
  )
  // One hash a tenant, without anything in it of an account that is gone.
  const work = await eventually(
    () => redis.hkeys(`muster:tenant:${muster.owner.tenantId}:open-work`),
    (fields) => !fields.some((field) => field.startsWith('account:')),
  )
  expect(work.length).toBeLessThan(10)
}, 60_000)
