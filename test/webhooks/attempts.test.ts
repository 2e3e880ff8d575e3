import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, newUser } from '../support/harness.ts'
import { answer, type Behaviour } from '../support/receiver.ts'
import { inTurn, onlyTests, startWebhookStage, type WebhookStage } from '../support/webhook-stage.ts'

let stage: WebhookStage
/** tcpmux: nothing listens there, and only a privileged process could. */
const refusingHost = '127.0.0.1:1'
beforeAll(async () => {
  stage = await startWebhookStage({
    allowedHosts: [refusingHost],
    environment: { MUSTER_MAX_WEBHOOK_ENDPOINTS: '100' },
  })
})
afterAll(() => stage.close())

const silence: Behaviour = () => undefined
const reset: Behaviour = (request) => void request.socket.resetAndDestroy()

/** A 200 whose body never ends, a byte every fifth of a second. */
const drip: Behaviour = (_, response) => {
  response.writeHead(200)
  response.flushHeaders()
  const timer = setInterval(() => response.write('.'), 200)
  response.once('close', () => clearInterval(timer))
}

/** A 200 of 20 MB; tells how much of it the other side took. */
const flood =
  (tell: (bytes: number) => void): Behaviour =>
  (request, response) => {
    const chunk = Buffer.alloc(64 * 1024, 'x')
    let left = 320
    const more = (): void => {
      while (left > 0 && !response.destroyed) {
        left -= 1
        if (!response.write(chunk)) return void response.once('drain', more)
      }
      if (!response.destroyed) response.end()
    }
    request.socket.once('close', () => tell((320 - left) * chunk.length))
    response.writeHead(200)
    more()
  }

describe('what a receiver does decides about the next attempt', () => {
  test('a failed delivery is tried again under the same id, signed again, and every attempt is in its log', async () => {
    stage.receiver.behave(inTurn(answer(500, {}, 'out of order'), answer(503), answer(200, {}, 'thanks')), '/again')
    const endpoint = await stage.register('/again', onlyTests)
    const delivery = await stage.delivery((await stage.send(endpoint.id)).id)
    const received = stage.receiver.at('/again')
    expect(new Set(received.map(({ id }) => id))).toEqual(new Set([delivery.event_id]))
    expect(new Set(received.map(({ body }) => body)).size).toBe(1)
    for (const one of received) stage.receiver.verify(one, endpoint.secret)
    expect(new Set(received.map(({ headers }) => headers['webhook-timestamp'])).size).toBeGreaterThan(1)
    expect(delivery).toMatchObject({
      status: 'delivered',
      attempt_count: 3,
      next_attempt_at: null,
      finished_at: expect.any(String) as string,
    })
    expect(delivery.attempts.map(({ number, status, reason, reply }) => [number, status, reason, reply])).toEqual([
      [1, 500, 'status_500', 'out of order'],
      [2, 503, 'status_503', null],
      [3, 200, null, 'thanks'],
    ])
    // What our log says, the receiver saw: within the jitter of a schedule of one second each.
    const gaps = received.slice(1).map(({ at }, index) => at - (received[index]?.at ?? 0))
    for (const gap of gaps) expect(gap).toBeGreaterThan(780)
  })

  test('with its attempts used up it has failed, one attempt more than the schedule has entries', async () => {
    stage.receiver.behave(answer(500), '/never')
    const endpoint = await stage.register('/never', onlyTests)
    const delivery = await stage.delivery((await stage.send(endpoint.id)).id)
    expect(delivery).toMatchObject({ status: 'failed', attempt_count: 4, next_attempt_at: null })
    expect(stage.receiver.at('/never')).toHaveLength(4)
    expect(await stage.endpoint(endpoint.id)).toMatchObject({
      status: 'active',
      failing_since: expect.any(String) as string,
    })
    // The next success takes it back.
    stage.receiver.behave(answer(204), '/never')
    await stage.delivery((await stage.send(endpoint.id)).id)
    expect((await stage.endpoint(endpoint.id)).failing_since).toBeNull()
  })

  test.each([
    ['301 to a metadata address', answer(301, { location: 'http://169.254.169.254/latest/meta-data/' }), 'redirect'],
    ['302 to a metadata address', answer(302, { location: 'http://169.254.169.254/latest/meta-data/' }), 'redirect'],
    ['307 to a metadata address', answer(307, { location: 'http://169.254.169.254/latest/meta-data/' }), 'redirect'],
    ['308 to itself', answer(308, { location: '/followed' }), 'redirect'],
    ['304', answer(304), 'redirect'],
    ['404', answer(404), 'status_404'],
    ['a reset connection', reset, 'connection_lost'],
    ['no answer', silence, 'timeout'],
    ['no HTTP', ((request) => void request.socket.end('hello\r\n\r\n')) as Behaviour, 'invalid_reply'],
  ])('%s counts as failed, and a 2xx afterwards as delivered', async (title, behaviour, reason) => {
    const path = `/bad/${title.replaceAll(' ', '-')}`
    stage.receiver.behave(inTurn(behaviour, answer(204)), path)
    const endpoint = await stage.register(path)
    const delivery = await stage.delivery((await stage.send(endpoint.id)).id)
    expect(delivery.attempts.map((attempt) => attempt.reason)).toEqual([reason, null])
    expect(delivery.status).toBe('delivered')
    expect(stage.receiver.at(path)).toHaveLength(2)
    expect(stage.receiver.at('/followed')).toEqual([])
  })

  test('an address that refuses connections is tried again too', async () => {
    const { body: endpoint } = await stage.client.request<{ id: string }>('POST', '/webhook-endpoints', {
      body: { url: `http://${refusingHost}/` },
    })
    const delivery = await stage.delivery((await stage.send(endpoint.id)).id, ({ attempt_count }) => attempt_count > 0)
    expect(delivery.attempts[0]).toMatchObject({ reason: 'connection_failed', status: null })
    await stage.client.request('DELETE', `/webhook-endpoints/${endpoint.id}`)
  })

  test('a receiver that asks to be left alone is left alone for so long', async () => {
    stage.receiver.behave(inTurn(answer(429, { 'retry-after': '3' }), answer(204)), '/patience')
    const endpoint = await stage.register('/patience', onlyTests)
    const { id } = await stage.send(endpoint.id)
    const waiting = await stage.delivery(id, ({ attempt_count }) => attempt_count === 1)
    expect(
      Date.parse(waiting.next_attempt_at ?? '') - Date.parse(waiting.attempts[0]?.started_at ?? ''),
    ).toBeGreaterThanOrEqual(3_000)
    await stage.delivery(id)
    const [first, second] = stage.receiver.at('/patience')
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(2_950)
  })

  test('a 200 that drips without end is delivered when its time is up', async () => {
    stage.receiver.behave(drip, '/drip')
    const delivery = await stage.delivery((await stage.send((await stage.register('/drip', onlyTests)).id)).id)
    // The body never ends: only its time could.
    expect(delivery).toMatchObject({ status: 'delivered', attempt_count: 1 })
  })

  test('a 200 of 20 MB is delivered, and not read to its end', async () => {
    let taken: (bytes: number) => void = () => undefined
    const closed = new Promise<number>((resolve) => (taken = resolve))
    stage.receiver.behave(
      flood((bytes) => taken(bytes)),
      '/flood',
    )
    const delivery = await stage.delivery((await stage.send((await stage.register('/flood', onlyTests)).id)).id)
    expect(delivery).toMatchObject({ status: 'delivered', attempt_count: 1 })
    expect(delivery.attempts[0]?.reply).toHaveLength(1_024)
    expect(await closed).toBeLessThan(10 * 1024 * 1024)
  })
})

describe('endpoints do not wait for each other', () => {
  test('one that hangs delays no other', async () => {
    stage.receiver.behave(silence, '/hangs')
    const account = await stage.muster.connect('okta')
    const [hanging, healthy] = [
      await stage.register('/hangs', { integrated_account_ids: [account], concurrency: 1 }),
      await stage.register('/healthy', { integrated_account_ids: [account] }),
    ]
    // Its lane is open and at work with the first before the rest come.
    await stage.muster.finished((await stage.client.create<{ id: string }>(account, newUser('okta'))).body.id)
    await stage.receiver.until(({ path }) => path === '/hangs')
    for (let count = 0; count < 5; count += 1) await stage.client.create(account, newUser('okta'))
    await stage.settled(healthy.id, 6)
    const lastHealthy = Math.max(...stage.receiver.at('/healthy').map(({ at }) => at))
    // The first attempts of both, beside each other: all six here before the fourth there, which waits for three
    //   time-outs.
    const firstAttempts = (): number[] =>
      [...new Map([...stage.receiver.at('/hangs')].reverse().map(({ id, at }) => [id, at])).values()].sort()
    const [, , , fourth] = await eventually(
      async () => firstAttempts(),
      ({ length }) => length >= 4,
    )
    expect(lastHealthy).toBeLessThan(fourth ?? 0)
    await stage.client.request('DELETE', `/webhook-endpoints/${hanging.id}`)
  })

  test('never more on their way at once than the endpoint allows', async () => {
    let [present, most] = [0, 0]
    stage.receiver.behave((_, response) => {
      present += 1
      most = Math.max(most, present)
      setTimeout(() => {
        present -= 1
        response.writeHead(204).end()
      }, 150)
    }, '/two')
    const endpoint = await stage.register('/two', { ...onlyTests, concurrency: 2 })
    for (let count = 0; count < 8; count += 1) await stage.send(endpoint.id)
    await stage.settled(endpoint.id, 8)
    expect(most).toBe(2)
  })

  test('never more in a time than the endpoint allows', async () => {
    const endpoint = await stage.register('/slow', { ...onlyTests, rate: { requests: 2, per_seconds: 1 } })
    for (let count = 0; count < 6; count += 1) await stage.send(endpoint.id)
    await stage.settled(endpoint.id, 6)
    const times = stage.receiver.at('/slow').map(({ at }) => at)
    for (let index = 2; index < times.length; index += 1)
      expect((times[index] ?? 0) - (times[index - 2] ?? 0)).toBeGreaterThan(900)
  })
})
