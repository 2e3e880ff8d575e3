import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { batchClientOf, isOver, itemsOf, recount, toNdjson } from '../support/batch-client.ts'
import { createdTwice } from '../support/faults.ts'
import { eventually, newUser, startMuster, type Muster } from '../support/harness.ts'

const RATE = 40
/** packages/lanes/src/lane-owner.ts: what a lane holds of a batch. */
const LANE_SECONDS = 4
/** A row fails for good by it, and the provider is not taken to be down: then one at a time would be tried. */
const refusal = {
  fault: 'answer',
  status: 400,
  body: { errorCode: 'E0000001', errorSummary: 'Api validation failed: login', errorCauses: [] },
} as const

describe('a batch under way', () => {
  let muster: Muster
  let client: ReturnType<typeof batchClientOf>
  let okta: string
  let query: string
  beforeAll(async () => {
    // Two, since each worker supervises the batch.
    muster = await startMuster({ workers: 2, environment: { MUSTER_MAX_ATTEMPTS: '1' } })
    client = batchClientOf(muster)
  })
  beforeEach(async () => {
    await muster.simulators.okta.reset()
    await muster.simulators.okta.set({ rate_limit: null, rate_limit_by_id: null })
    okta = await muster.connect('okta', { limits: { requests: RATE, per_seconds: 1, concurrency: 5 } })
    query = `integrated_account_id=${okta}`
  })
  afterAll(() => muster.close())
  const created = async (): Promise<number> => (await muster.simulators.okta.ledger()).created.length
  const start = async (count: number, more = ''): Promise<string> =>
    (await client.bulk(toNdjson(itemsOf('okta', count)), { query: query + more })).body.id

  test('pause starts no more rows, rows under way end, and resume runs the rest', async () => {
    const id = await start(200)
    await eventually(created, (count) => count >= 20)
    const paused = await client.change(id, 'pause')
    expect(paused).toMatchObject({
      status: 200,
      body: { status: 'paused', links: { resume: `/batches/${id}/resume` } },
    })
    const before = await created()
    const still = await client.until(id, ({ counts }) => counts.running === 0 && counts.retrying === 0)
    expect(still.counts.succeeded).toBeLessThanOrEqual(before + LANE_SECONDS * RATE)
    expect(still.counts.queued).toBeGreaterThan(0)
    // Polled for a second, in which forty rows would have been sent.
    const until = Date.now() + 1_000
    await eventually(
      async () => Date.now(),
      (now) => now > until,
    )
    expect(await created()).toBe(still.counts.succeeded)
    expect((await client.change(id, 'pause')).status).toBe(200)
    expect((await client.change(id, 'resume')).body.status).toBe('running')
    const batch = await client.completed(id)
    expect(batch.counts).toMatchObject({ total: 200, succeeded: 200, queued: 0 })
    expect(await created()).toBe(200)
  }, 40_000)

  test('cancel ends every row exactly once: sent rows with their outcome, the rest as canceled, and the counts add up', async () => {
    const id = await start(300)
    await eventually(created, (count) => count >= 15)
    const canceling = await client.change(id, 'cancel')
    expect(canceling).toMatchObject({ status: 202, body: { status: 'canceling' } })
    const batch = await client.completed(id)
    expect(batch.status).toBe('canceled')
    expect(batch.counts.succeeded + batch.counts.canceled).toBe(300)
    expect(recount(await client.results(id))).toEqual(batch.counts)
    expect(await created()).toBe(batch.counts.succeeded)
    expect(await client.results(id, '?status=canceled')).toHaveLength(batch.counts.canceled)
    for (const what of ['cancel', 'pause', 'resume', 'retry'] as const)
      expect({ what, status: (await client.change(id, what)).status }).toEqual({ what, status: 409 })
  })

  test('a retry runs the failed rows of a completed batch, and no others; the counts stay exact', async () => {
    await muster.simulators.okta.arm({ fault: 'server_error', status: 500, times: 7 })
    const id = await start(30)
    const before = await client.completed(id)
    expect(before.counts).toMatchObject({ succeeded: 23, failed: 7 })
    expect(before.links.retry).toBe(`/batches/${id}/retry`)
    expect((await client.change(id, 'retry')).status).toBe(202)
    await client.until(id, (batch) => isOver(batch) && batch.counts.failed === 0)
    const batch = await client.completed(id)
    expect(batch).toMatchObject({
      status: 'completed',
      retry_skipped: 0,
      counts: { total: 30, succeeded: 30, failed: 0, queued: 0, retrying: 0 },
    })
    expect(recount(await client.results(id))).toEqual(batch.counts)
    expect(await created()).toBe(30)
    expect((await client.change(id, 'retry')).status).toBe(409)
  })

  test('a retry skips rows whose secrets were erased when they ended, and counts them once', async () => {
    const google = await muster.connect('google_workspace')
    await muster.simulators.google_workspace.arm({ fault: 'server_error', status: 503, times: 0 })
    const { body } = await client.bulk(
      toNdjson([
        ...itemsOf('google_workspace', 3),
        ...itemsOf('okta', 2).map((item) => ({ ...item, integrated_account_id: okta })),
      ]),
      { query: `integrated_account_id=${google}` },
    )
    await client.completed(body.id)
    await muster.simulators.google_workspace.disarm()
    await client.change(body.id, 'retry')
    const batch = await client.until(body.id, (one) => isOver(one) && one.retry_skipped > 0)
    expect(batch).toMatchObject({ retry_skipped: 3, counts: { succeeded: 2, failed: 3 } })
  })

  test.each([
    ['max_failures=5', 'max_failures is 5'],
    ['max_failure_rate=0.5', 'max_failure_rate is 0.5'],
  ])(
    'a failure limit of %s stops the batch and says why; once resumed, it counts from zero',
    async (limit, reason) => {
      await muster.simulators.okta.arm({ ...refusal, times: 0 })
      const id = await start(150, `&${limit}`)
      const stopped = await client.until(id, ({ status }) => status === 'stopped')
      expect(stopped.status_reason).toContain(reason)
      const first = (await client.until(id, ({ counts }) => counts.running === 0)).counts
      expect(first.queued).toBeGreaterThan(0)
      await client.change(id, 'resume')
      const again = await client.until(id, ({ status, counts }) => status === 'stopped' && counts.failed > first.failed)
      expect(again.counts.failed - first.failed).toBeGreaterThanOrEqual(5)
      await client.until(id, ({ counts }) => counts.running === 0)
      await muster.simulators.okta.disarm()
      await client.change(id, 'resume')
      const batch = await client.completed(id)
      expect(batch.counts.succeeded + batch.counts.failed).toBe(150)
      expect(batch.status_reason).toBeNull()
      expect(recount(await client.results(id))).toEqual(batch.counts)
    },
    40_000,
  )

  test('a retry that fails like the first time is stopped by the failure limit like the first time', async () => {
    await muster.simulators.okta.arm({ ...refusal, times: 40 })
    const id = await start(100, '&max_failures=25')
    await client.until(id, ({ status }) => status === 'stopped')
    await client.change(id, 'resume')
    expect((await client.completed(id)).counts.failed).toBe(40)
    await muster.simulators.okta.arm({ ...refusal, times: 0 })
    await client.change(id, 'retry')
    const stopped = await client.until(
      id,
      ({ status, counts }) => status === 'stopped' || (status === 'completed' && counts.failed === 40),
    )
    // On a slow machine the last of them have failed as well by the time of the stop, and the batch has ended.
    expect(stopped.status_reason).toContain('max_failures is 25')
  }, 40_000)

  test('rows wait for their not_before, and the others do not wait for them', async () => {
    const at = Date.now() + 4_000
    const times = [at, undefined, at + 3_600_000, undefined]
    const items = itemsOf('okta', times.length).map((item, index) => {
      const time = times[index]
      return time ? { ...item, not_before: new Date(time).toISOString() } : item
    })
    const { body } = await client.bulk(toNdjson(items), { query })
    const { counts } = await client.until(body.id, (batch) => batch.counts.succeeded === 3)
    expect(counts).toMatchObject({ total: 4, queued: 1 })
    const { created: all } = await muster.simulators.okta.ledger()
    expect(all.filter((entry) => Date.parse(entry.at) >= at - 50).length).toBeGreaterThanOrEqual(1)
    await client.change(body.id, 'cancel')
    expect((await client.completed(body.id)).counts).toMatchObject({ succeeded: 3, canceled: 1 })
  })

  test('a single create overtakes a batch of 200 on its account, and another account is not delayed', async () => {
    const slow = await muster.connect('okta', { limits: { requests: 10, per_seconds: 1, concurrency: 2 } })
    const { body } = await client.bulk(toNdjson(itemsOf('okta', 200)), { query: `integrated_account_id=${slow}` })
    await client.until(body.id, ({ counts }) => counts.succeeded >= 3)
    const [single, elsewhere] = await Promise.all(
      [slow, okta].map((account) =>
        client.create<{ status: string }>(account, newUser('okta'), { headers: { prefer: 'wait=10' } }),
      ),
    )
    expect({ single: single?.body, elsewhere: elsewhere?.body }).toMatchObject({
      single: { emails: expect.anything() as unknown },
      elsewhere: { emails: expect.anything() as unknown },
    })
    const batch = await client.read(body.id)
    expect(batch.counts.succeeded).toBeLessThan(100)
    expect(batch.accounts[0]).toMatchObject({ limit_per_second: 10 })
    await client.change(body.id, 'cancel')
    await client.completed(body.id)
  })

  test('no user was created twice in all of this', async () => {
    expect(createdTwice(await muster.simulators.okta.ledger())).toEqual([])
  })
})
