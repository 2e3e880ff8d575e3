import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { connectUnlimited, pointersOf, startContract, type ProblemBody } from '../support/contract.ts'
import { newUser } from '../support/harness.ts'

const WAIT = { prefer: 'wait=20' }
const inOneHour = (): string => encodeURIComponent(new Date(Date.now() + 3_600_000).toISOString())

const { muster, client } = await startContract()
const okta = await connectUnlimited(muster, 'okta')

describe('a create that is sent again', () => {
  test('quoted and bare are one key: the same operation again, and 202', async () => {
    const user = newUser('okta')
    const first = await client.create<{ id: string }>(okta, user, { headers: { 'idempotency-key': 'k-quoted' } })
    const second = await client.create<{ id: string }>(okta, user, { headers: { 'idempotency-key': '"k-quoted"' } })
    expect({ firstStatus: first.status, secondStatus: second.status }).toEqual({ firstStatus: 202, secondStatus: 202 })
    expect(second.body.id).toBe(first.body.id)
    const end = await muster.finished(first.body.id)
    expect(end.status).toBe('succeeded')
    const after = await client.create<{ id: string }>(okta, user, {
      headers: { 'idempotency-key': 'k-quoted', ...WAIT },
    })
    expect(after.status).toBe(201)
  })

  test('the order of fields and the notation of lists do not make another request', async () => {
    const user = newUser('okta')
    const turned = Object.fromEntries(Object.entries(user).reverse())
    const first = await client.create<{ id: string }>(okta, user, {
      query: 'truto_exclude_fields=a,b',
      headers: { 'idempotency-key': 'k-order' },
    })
    const second = await client.create<{ id: string }>(okta, turned, {
      query: 'truto_exclude_fields[]=a&truto_exclude_fields[]=b',
      headers: { 'idempotency-key': 'k-order' },
    })
    expect(second.body.id).toBe(first.body.id)
  })

  test('with another body: 422 and where the first operation is', async () => {
    const user = newUser('okta')
    const first = await client.create<{ id: string }>(okta, user, { headers: { 'idempotency-key': 'k-other' } })
    const second = await client.create<ProblemBody>(
      okta,
      { ...user, first_name: 'Grace' },
      { headers: { 'idempotency-key': 'k-other' } },
    )
    expect({ status: second.status, code: second.body.code, operation: second.body.operation }).toEqual({
      status: 422,
      code: 'idempotency_key_reused',
      operation: `/operations/${first.body.id}`,
    })
    const third = await client.create<ProblemBody>(okta, user, {
      query: 'on_conflict=adopt',
      headers: { 'idempotency-key': 'k-other' },
    })
    expect({ status: third.status, code: third.body.code }).toEqual({ status: 422, code: 'idempotency_key_reused' })
  })

  test('50 at once are one operation and one user', async () => {
    const user = newUser('okta')
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        client.create<{ id: string }>(okta, user, { headers: { 'idempotency-key': 'k-parallel' } }),
      ),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
    const ids = new Set(answers.map(({ body }) => body.id))
    expect(ids.size).toBe(1)
    const [id = ''] = ids
    const operation = await muster.finished(id)
    const { created } = await muster.simulators.okta.ledger()
    expect(created.filter((entry) => entry.id === operation.remote_id)).toHaveLength(1)
  })

  test('it counts within one account of one tenant', async () => {
    const user = newUser('okta')
    const other = await muster.connect('okta')
    const stranger = await muster.bootstrap()
    const theirs = await muster.connect('okta', { key: stranger.adminKey })
    const options = { query: `not_before=${inOneHour()}`, headers: { 'idempotency-key': 'k-scope' } }
    const ids = [
      (await client.create<{ id: string }>(okta, user, options)).body.id,
      (await client.create<{ id: string }>(other, user, options)).body.id,
      (await client.create<{ id: string }>(theirs, user, { ...options, key: stranger.adminKey })).body.id,
    ]
    expect(new Set(ids).size).toBe(3)
  })

  test('a refused request uses up no key and leaves nothing in Redis', async () => {
    const redis = new Redis(muster.redis.url)
    const keys = async () =>
      (await redis.keys('*')).filter((key) => /operation:|operation-locator|idempotency|live-login|reference/.test(key))
    try {
      const live = newUser('okta')
      await client.create(okta, live, { query: `not_before=${inOneHour()}` })
      const before = await keys()
      const headers = { 'idempotency-key': 'k-refused' }
      expect((await client.create(okta, { first_name: 7 }, { headers })).status).toBe(422)
      expect((await client.create(okta, live, { query: 'reference=refused', headers })).status).toBe(409)
      expect((await client.create('62f44730-dd91-461e-bd6a-aedd9e0ad79d', live, { headers })).status).toBe(404)
      expect((await keys()).filter((key) => !before.includes(key))).toEqual([])
      expect((await client.create(okta, newUser('okta'), { headers })).status).toBe(202)
    } finally {
      redis.disconnect()
    }
  })

  test.each(['', 'x'.repeat(256), 'ü', 'two words'])('%j is no key', async (key) => {
    const answer = await client.create(okta, newUser('okta'), {
      headers: { 'idempotency-key': encodeURI(key) === key ? key : Buffer.from(key, 'latin1').toString('latin1') },
    })
    expect(answer.status).toBe(422)
    expect(pointersOf(answer)).toEqual(['idempotency-key'])
  })

  test('a login that an unfinished operation is creating is refused in any case, with that operation', async () => {
    const first = await client.create<{ id: string }>(okta, newUser('okta', 'Grace.Hopper'), {
      query: `not_before=${inOneHour()}`,
    })
    const second = await client.create<ProblemBody>(okta, newUser('okta', 'gRACE.hOPPER'))
    expect({ status: second.status, code: second.body.code, operation: second.body.operation }).toEqual({
      status: 409,
      code: 'operation_in_progress',
      operation: `/operations/${first.body.id}`,
    })
    expect(second.headers.get('location')).toBe(`/operations/${first.body.id}`)
    await client.request('POST', `/operations/${first.body.id}/cancel`)
    expect((await client.create(okta, newUser('okta', 'grace.hopper'))).status).toBe(202)
  })
})
