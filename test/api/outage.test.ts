import { describe, expect, test } from 'vitest'
import { startContract, type ProblemBody } from '../support/contract.ts'
import { eventually, newUser, type Answer } from '../support/harness.ts'

interface Operation {
  id: string
  status: string
}

const inOneHour = (): string => new Date(Date.now() + 3_600_000).toISOString()

const { muster, client } = await startContract({ durable: true, workers: 0 })
const okta = await muster.connect('okta')

describe('the API while Redis is away, and when it is stopped', () => {
  /** And how much longer it took than an answer that needs no Redis: a slow machine slows both. */
  async function timed<T>(run: () => Promise<T>): Promise<{ value: T; ms: number }> {
    const startedAt = performance.now()
    const took = async (end: Promise<unknown>): Promise<number> => end.then(() => performance.now() - startedAt)
    const answer = run()
    const [ms, healthzMs] = await Promise.all([took(answer), took(client.request('GET', '/healthz'))])
    return { value: await answer, ms: ms - healthzMs }
  }

  const create = (options: { query?: string; headers?: Record<string, string> } = {}) =>
    client.create<Operation & ProblemBody>(okta, newUser('okta'), options)

  async function expectRefusals(): Promise<void> {
    const requests: (() => Promise<Answer>)[] = [
      () => client.create(okta, newUser('okta')),
      () => client.request('GET', '/operations'),
      () => client.request('GET', '/integrated-accounts'),
      () => client.request('POST', '/api-keys', { body: { name: 'x', scopes: ['read'] } }),
    ]
    for (const { value, ms } of await Promise.all(requests.map((request) => timed(request)))) {
      expect(value).toMatchObject({ status: 503, body: { code: 'service_unavailable' } })
      expect(Number(value.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(ms).toBeLessThan(2_000)
    }
    const ready = await timed(() => client.request('GET', '/readyz'))
    expect(ready.value).toMatchObject({ status: 503, body: { redis: false } })
    expect(ready.ms).toBeLessThan(2_000)
    expect((await client.request('GET', '/healthz')).status).toBe(200)
  }
  const expectRecovery = () =>
    eventually(
      () => create({ query: `not_before=${inOneHour()}` }),
      ({ status }) => status === 202,
      10_000,
    )

  test('frozen: every request, also one under way, is answered 503 within two seconds; thawed, the API recovers by itself', async () => {
    const key = { 'idempotency-key': 'across-the-freeze' }
    const user = newUser('okta')
    const underWay = Promise.all(
      Array.from({ length: 40 }, () => timed(() => client.create<Operation>(okta, user, { headers: key }))),
    )
    process.kill(muster.redis.pid, 'SIGSTOP')
    try {
      await expectRefusals()
      for (const { value, ms } of await underWay) {
        expect([202, 503]).toContain(value.status)
        expect(ms).toBeLessThan(2_500)
      }
    } finally {
      process.kill(muster.redis.pid, 'SIGCONT')
    }
    await expectRecovery()
    // What was frozen on its way in may have been written after all: the key makes it the same operation.
    const repeated = await eventually(
      () => client.create<Operation>(okta, user, { headers: key }),
      ({ status }) => status === 202,
    )
    const accepted = (await underWay).filter(({ value }) => value.status === 202)
    for (const { value } of accepted) expect(value.body.id).toBe(repeated.body.id)
  })

  test('killed: 503 within two seconds; started again, everything acknowledged is there', async () => {
    const { body } = await create()
    await muster.restartRedis(expectRefusals)
    await expectRecovery()
    expect((await client.request<Operation>('GET', `/operations/${body.id}`)).body.status).toBe('queued')
  })

  test('a create that waits was accepted before Redis froze, and is answered so', async () => {
    const waiting = timed(() =>
      create({ query: `not_before=${inOneHour()}&reference=frozen`, headers: { prefer: 'wait=2' } }),
    )
    await eventually(
      () => client.request<{ result: unknown[] }>('GET', '/operations?reference=frozen'),
      ({ body }) => body.result.length === 1,
    )
    process.kill(muster.redis.pid, 'SIGSTOP')
    try {
      const { value, ms } = await waiting
      expect(value.status).toBe(202)
      expect(ms).toBeLessThan(4_500)
    } finally {
      process.kill(muster.redis.pid, 'SIGCONT')
    }
    await expectRecovery()
  })

  test('SIGTERM under load: every acknowledged operation is kept, waiting clients are answered at once, and the exit code is 0', async () => {
    const acknowledged: string[] = []
    const refusals: string[] = []
    let isStopped = false
    const waiters = Array.from({ length: 5 }, () =>
      create({ query: `not_before=${inOneHour()}&reference=waiter`, headers: { prefer: 'wait=60' } }),
    )
    const poll = (async () => {
      const { body } = await create({ query: `not_before=${inOneHour()}` })
      return client.request<Operation>('GET', `/operations/${body.id}`, { headers: { prefer: 'wait=60' } })
    })()
    const client20 = Array.from({ length: 20 }, async () => {
      while (!isStopped) {
        const answer: Answer<Operation> | undefined = await create().catch((error: unknown) => {
          refusals.push(String((error as { cause?: { code?: string } }).cause?.code ?? error))
          isStopped = true
          return undefined
        })
        if (answer?.status === 202) acknowledged.push(answer.body.id)
      }
    })
    await eventually(
      () => client.request<{ result: unknown[] }>('GET', '/operations?reference=waiter'),
      ({ body }) => body.result.length === waiters.length,
    )
    await eventually(
      () => Promise.resolve(acknowledged.length),
      (count) => count > 200,
    )
    // Sooner than the minute that the waits would last: this test has no more than 20 seconds.
    const exitCode = await muster.api.kill('SIGTERM')
    isStopped = true
    expect(exitCode).toBe(0)
    for (const waiter of await Promise.all(waiters)) {
      expect(waiter.status).toBe(202)
      acknowledged.push(waiter.body.id)
    }
    expect((await poll).body.status).toBe('queued')
    await Promise.all(client20)
    // No request was cut off: late ones found no listener, or a connection closed between two requests.
    for (const refusal of refusals) expect(refusal).toMatch(/ECONNREFUSED|UND_ERR_SOCKET|ECONNRESET/)
    await muster.restartApi()
    const found = await Promise.all(acknowledged.map((id) => client.request<Operation>('GET', `/operations/${id}`)))
    expect(found.every(({ status }) => status === 200)).toBe(true)
  })
})
