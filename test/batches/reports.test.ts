import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { batchClientOf, itemsOf, toNdjson, type Batch } from '../support/batch-client.ts'
import { eventually, newUser, startMuster, type Muster } from '../support/harness.ts'
import { startReceiver, type Receiver } from '../support/receiver.ts'

interface ServerEvent {
  id: number
  event: string
  batch: Batch
}

/** The stream as it is on the wire (HTML Living Standard, 9.2.6), until it ends or the test leaves. */
function watch(muster: Muster, id: string, lastEventId?: number) {
  const events: ServerEvent[] = []
  const { hostname, port } = new URL(muster.url())
  const headers = {
    authorization: `Bearer ${muster.owner.adminKey}`,
    ...(lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) }),
  }
  let type: string | undefined
  let isOver = false
  const request = httpRequest({ hostname, port, path: `/batches/${id}/events`, headers }, (response) => {
    type = response.headers['content-type']
    let text = ''
    response.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) {
        const fields = new Map(
          block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
        )
        if (fields.has('data'))
          events.push({
            id: Number(fields.get('id')),
            event: fields.get('event') ?? '',
            batch: JSON.parse(fields.get('data') ?? '') as Batch,
          })
      }
    })
    response.on('error', () => undefined)
    response.on('end', () => (isOver = true))
  })
  request.on('error', () => undefined).end()
  return {
    events,
    type: () => type,
    leave: () => void request.destroy(),
    until: (test: (events: ServerEvent[]) => boolean) => eventually(async () => events, test),
    ended: () => eventually(async () => isOver, Boolean),
  }
}

describe('how a batch reports', () => {
  let muster: Muster
  let receiver: Receiver
  let client: ReturnType<typeof batchClientOf>
  let okta: string
  let query: string
  beforeAll(async () => {
    receiver = await startReceiver()
    muster = await startMuster({ workers: 2, allowedHosts: [receiver.host] })
    client = batchClientOf(muster)
    okta = await muster.connect('okta', { limits: { requests: 20, per_seconds: 1 } })
    await muster.simulators.okta.set({ rate_limit: null })
    query = `integrated_account_id=${okta}`
  })
  afterAll(async () => {
    await muster.close()
    await receiver.close()
  })
  const start = async (count: number, more = ''): Promise<string> =>
    (await client.bulk(toNdjson(itemsOf('okta', count)), { query: query + more })).body.id

  test('server-sent events: ids only grow, each holds the whole batch, the last is completed, and then the stream ends', async () => {
    const id = await start(60)
    const stream = watch(muster, id)
    await stream.ended()
    expect(stream.type()).toContain('text/event-stream')
    const ids = stream.events.map((event) => event.id)
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b))
    expect(stream.events.length).toBeGreaterThan(2)
    expect(stream.events.map(({ event }) => event)).toEqual([
      ...stream.events.slice(1).map(() => 'progress'),
      'completed',
    ])
    expect(stream.events.at(-1)?.batch).toEqual(await client.read(id))
  })

  test('a client that returns with Last-Event-ID misses nothing: neither counts nor a resume', async () => {
    const id = await start(100)
    const first = watch(muster, id)
    await first.until((events) => events.some(({ batch }) => batch.counts.succeeded > 5))
    await client.change(id, 'pause')
    const halted = await client.until(id, ({ counts }) => counts.running === 0)
    await first.until(
      (events) =>
        events.at(-1)?.batch.counts.succeeded === halted.counts.succeeded && events.at(-1)?.batch.status === 'paused',
    )
    first.leave()
    const lastId = first.events.at(-1)?.id ?? 0
    // On hold, so that nothing but the status changes.
    await client.request('POST', `/integrated-accounts/${okta}/pause`)
    await client.change(id, 'resume')
    const second = watch(muster, id, lastId)
    await second.until((events) => events.length > 0)
    expect(second.events[0]?.id).toBeGreaterThan(lastId)
    expect(second.events[0]?.batch).toMatchObject({ status: 'running', counts: halted.counts })
    await client.request('POST', `/integrated-accounts/${okta}/resume`)
    await client.completed(id)
    await second.ended()
    expect(second.events.at(-1)?.event).toBe('completed')
    // After its end, too.
    const third = watch(muster, id, second.events.at(-1)?.id)
    await third.ended()
    expect(third.events.map(({ event }) => event)).toEqual(['completed'])
  }, 40_000)

  test('while it runs it shows its rate, its ETA, and what waits ahead of it', async () => {
    const first = await start(60)
    const second = await start(40)
    const batch = await client.until(second, ({ accounts }) => (accounts[0]?.waiting_ahead ?? 0) > 0)
    expect(batch.accounts[0]?.eta_seconds).toBeGreaterThanOrEqual(2)
    expect((await client.read(first)).accounts[0]?.waiting_ahead).toBe(0)
    const running = await client.until(
      first,
      ({ rate_per_second, counts }) => Number(rate_per_second) > 0 && counts.succeeded < 60,
    )
    expect(running.eta_seconds).toBeGreaterThan(0)
    const done = await client.completed(second)
    expect(done).toMatchObject({ rate_per_second: null, eta_seconds: 0 })
  }, 30_000)

  test('beside steady single creates its ETA counts their share of the limit', async () => {
    const account = await muster.connect('okta', { limits: { requests: 2, per_seconds: 1 } })
    const { body } = await client.bulk(toNdjson(itemsOf('okta', 100)), { query: `integrated_account_id=${account}` })
    const ids = await Promise.all(
      Array.from({ length: 12 }, async () => (await muster.create<{ id: string }>(account, newUser('okta'))).body.id),
    )
    for (const id of ids) await muster.finished(id, 20_000)
    const [progress] = (await client.read(body.id)).accounts
    const open = Number(progress?.counts.queued) + Number(progress?.counts.running)
    const alone = open / Number(progress?.limit_per_second)
    expect(progress?.eta_seconds).toBeGreaterThan(1.3 * alone)
    await client.change(body.id, 'cancel')
  }, 40_000)

  test('webhooks: the end to every endpoint and to the callback, progress only to who names it, each row to its own callback', async () => {
    const base = `http://${receiver.host}`
    const { secret } = (await client.request<{ secret: string }>('POST', '/callback-secret')).body
    await client.request('POST', '/webhook-endpoints', { body: { url: `${base}/all` } })
    await client.request('POST', '/webhook-endpoints', {
      body: { url: `${base}/progress`, events: ['batch.progress', 'batch.completed'] },
    })
    const items = itemsOf('okta', 160).map((item, index) =>
      index === 0 ? { ...item, callback_url: `${base}/row` } : item,
    )
    const { body } = await client.bulk(toNdjson(items), {
      query: `${query}&reference=march&callback_url=${encodeURIComponent(`${base}/batch`)}`,
    })
    const batch = await client.completed(body.id)
    const of = (path: string, type: string) =>
      receiver.ledger.filter(
        (received) =>
          received.path === path && received.event.type === type && received.event.data.batch_id === body.id,
      )
    await eventually(
      async () => of('/all', 'operation.succeeded').length,
      (count) => count >= 160,
    )
    await eventually(
      async () => ['/all', '/progress', '/batch'].filter((path) => of(path, 'batch.completed').length > 0).length,
      (count) => count === 3,
    )
    const [end] = of('/batch', 'batch.completed')
    expect(end?.event.data).toMatchObject({
      batch_id: body.id,
      status: 'completed',
      reference: 'march',
      counts: batch.counts,
      links: { self: `/batches/${body.id}`, results: `/batches/${body.id}/results` },
    })
    if (end) receiver.verify(end, secret)
    expect(of('/progress', 'batch.progress').length).toBeGreaterThan(0)
    expect({ all: of('/all', 'batch.progress'), batch: of('/batch', 'batch.progress') }).toEqual({ all: [], batch: [] })
    const [row] = await receiver.until(({ path }) => path === '/row')
    expect(row?.event.data).toMatchObject({ batch_id: body.id, status: 'succeeded' })
    if (row) receiver.verify(row, secret)
    // One message each, whichever of the two workers sent it; a message may arrive again, under its id.
    const received = receiver.ledger.filter(({ path }) => path === '/all')
    const ends = received.map(({ event }) => `${event.type} ${String(event.data.operation_id ?? event.data.batch_id)}`)
    expect(new Set(received.map(({ id }) => id)).size).toBe(new Set(ends).size)
  }, 40_000)

  test('erasure removes the row from results and from the look-up by reference; rows erased concurrently do not restore each other', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `erased.${'abcdefghijkl'[index] ?? ''}`)
    const file = `first_name,last_name,email,reference\n${names.map((name) => `Ada,Lovelace,${name}@example.com,ref-${name}\n`).join('')}`
    const batch = await client.completed((await client.bulk(file, { type: 'text/csv', query })).body.id)
    const before = await client.results(batch.id)
    const doomed = before.slice(0, 8)
    expect(
      (await client.request<{ result: unknown[] }>('GET', '/operations?reference=ref-erased.a')).body.result,
    ).toHaveLength(1)
    const answers = await Promise.all(
      doomed.map(({ operation_id }) => client.request('DELETE', `/operations/${operation_id ?? ''}`)),
    )
    expect(answers.map(({ status }) => status)).toEqual(doomed.map(() => 200))
    for (const format of ['ndjson', 'csv']) {
      const text = await client.text(`/batches/${batch.id}/results?format=${format}`)
      for (const [index, name] of names.entries())
        expect({ name, isThere: text.includes(name) }).toEqual({ name, isThere: index >= 8 })
    }
    const after = await client.results(batch.id)
    expect(after.slice(0, 8)).toEqual(
      before.slice(0, 8).map(({ columns: _columns, ...result }) => ({ ...result, reference: null, remote_id: null })),
    )
    expect(after.slice(8)).toEqual(before.slice(8))
    expect(
      (await client.request<{ result: unknown[] }>('GET', '/operations?reference=ref-erased.a')).body.result,
    ).toEqual([])
    expect((await client.read(batch.id)).counts).toEqual(batch.counts)
  })

  test('the rows of batches are listed among the operations, each once, newest first, page by page', async () => {
    const listed: string[] = []
    for (let cursor = ''; ;) {
      const { body } = await client.request<{ result: { id: string }[]; next_cursor: string | null }>(
        'GET',
        `/operations?limit=37${cursor}`,
      )
      listed.push(...body.result.map(({ id }) => id))
      if (body.next_cursor === null) break
      cursor = `&cursor=${body.next_cursor}`
    }
    expect(new Set(listed).size).toBe(listed.length)
    expect(listed).toEqual([...listed].sort().reverse())
    expect(listed).toHaveLength(60 + 100 + 60 + 40 + (100 + 12) + 160 + 12)
  })
})

test('rows past their retention are reported as gone; counts and rejected rows stay', async () => {
  const muster = await startMuster({ environment: { MUSTER_RETENTION_DAYS: String(2 / 86_400) } })
  try {
    const client = batchClientOf(muster)
    const okta = await muster.connect('okta')
    const batch = await client.completed(
      (
        await client.bulk(toNdjson([...itemsOf('okta', 3), { colour: 'red' }]), {
          query: `integrated_account_id=${okta}`,
        })
      ).body.id,
    )
    const results = await eventually(
      () => client.results(batch.id, '?status=gone'),
      (rows) => rows.length === 3,
    )
    expect(results[0]).toMatchObject({ row: 1, operation_id: expect.any(String) as string, remote_id: null })
    expect(await client.results(batch.id, '?status=rejected')).toHaveLength(1)
    expect((await client.read(batch.id)).counts).toEqual(batch.counts)
    expect((await client.request<{ result: unknown[] }>('GET', '/operations')).body.result).toEqual([])
  } finally {
    await muster.close()
  }
})
