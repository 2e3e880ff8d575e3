import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { batchClientOf, itemsOf } from '../support/batch-client.ts'
import { newUser, startMuster, type Muster } from '../support/harness.ts'
import { startReceiver } from '../support/receiver.ts'

const newKey = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`
const reseal = fileURLToPath(new URL('../../apps/api/dist/commands/reseal.js', import.meta.url))

/** What docs/operating.md tells an operator to do: new key in front, everything resealed, old key gone. */
async function rotate(muster: Muster, old: string, fresh: string): Promise<{ resealed: number }> {
  const runWith = async (keys: string): Promise<void> => {
    await muster.restartApi('SIGTERM', { MUSTER_ENCRYPTION_KEYS: keys })
    for (const worker of muster.workers.splice(0)) await worker.kill('SIGTERM')
    muster.workers.push(await muster.startWorker({ MUSTER_ENCRYPTION_KEYS: keys }))
  }
  await runWith(`${fresh},${old}`)
  const { stdout } = await promisify(execFile)(process.execPath, [reseal], {
    env: { PATH: process.env.PATH, REDIS_URL: muster.redis.url, MUSTER_ENCRYPTION_KEYS: `${fresh},${old}` },
  })
  await runWith(fresh)
  return JSON.parse(stdout) as { resealed: number }
}

test('a key is rotated while work waits: new key in front, everything resealed, old key gone, and the work completes', async () => {
  const [old, fresh] = [newKey('old'), newKey('fresh')]
  const receiver = await startReceiver()
  const muster = await startMuster({ allowedHosts: [receiver.host], environment: { MUSTER_ENCRYPTION_KEYS: old } })
  try {
    const endpoint = (
      await muster.request<{ id: string; secret: string }>('POST', '/webhook-endpoints', {
        body: { url: `http://${receiver.host}/rotated` },
      })
    ).body
    const callback = (await muster.request<{ secret: string }>('POST', '/callback-secret')).body
    const google = await muster.connect('google_workspace')
    const done = await muster.create<{ id: string }>(google, newUser('google_workspace'))
    await muster.finished(done.body.id)
    await receiver.until(({ path }) => path === '/rotated')
    await muster.request('POST', `/integrated-accounts/${google}/pause`)
    const user = newUser('google_workspace')
    const query = `callback_url=${encodeURIComponent(`http://${receiver.host}/called-back`)}`
    const headers = { 'idempotency-key': 'before-the-rotation' }
    const waiting = await muster.create<{ id: string; status: string }>(google, user, { headers, query })
    expect(waiting.body.status).toBe('held')

    expect((await rotate(muster, old, fresh)).resealed).toBeGreaterThanOrEqual(5)

    // The fingerprint of the request outlives the rotation too.
    const again = await muster.create<{ id: string }>(google, user, { headers, query })
    expect(again).toMatchObject({ status: 202, body: { id: waiting.body.id } })
    await muster.request('POST', `/integrated-accounts/${google}/resume`)
    expect((await muster.finished(waiting.body.id)).status).toBe('succeeded')
    expect(await muster.request<{ result: { name: string } }>('GET', `/operations/${done.body.id}`)).toMatchObject({
      status: 200,
      body: { result: { name: 'Ada Lovelace' } },
    })
    expect((await muster.simulators.google_workspace.ledger()).created).toHaveLength(2)

    // What is sent after the rotation goes to the same addresses, and is signed with the same secrets.
    const [, delivered] = await receiver.until(
      ({ path, event }) => path === '/rotated' && event.type === 'operation.succeeded',
      2,
    )
    const [calledBack] = await receiver.until(({ path }) => path === '/called-back')
    if (!delivered || !calledBack) throw new Error('nothing came')
    receiver.verify(delivered, endpoint.secret)
    receiver.verify(calledBack, callback.secret)
    // Of the first delivery, whose reply and address lie sealed as well.
    const { body: list } = await muster.request<{ result: { status: string }[] }>(
      'GET',
      `/webhook-endpoints/${endpoint.id}/deliveries`,
    )
    expect(list.result.length).toBeGreaterThanOrEqual(2)
  } finally {
    await muster.close()
    await receiver.close()
  }
}, 60_000)

test('a batch from before a rotation is run, and its results are read, when the old key is gone', async () => {
  const [old, fresh] = [newKey('old'), newKey('fresh')]
  const muster = await startMuster({ environment: { MUSTER_ENCRYPTION_KEYS: old } })
  try {
    const okta = await muster.connect('okta')
    await muster.request('POST', `/integrated-accounts/${okta}/pause`)
    const headers = { authorization: `Bearer ${muster.owner.adminKey}`, 'content-type': 'text/csv' }
    const rows = 'first_name,last_name,email,Cost centre\nAda,Lovelace,ada@example.com,4711\n'
    const response = await fetch(
      `${muster.url()}/unified/user-directory/users/bulk?integrated_account_id=${okta}&columns[Cost%20centre]=`,
      { method: 'POST', headers, body: rows },
    )
    const { id } = (await response.json()) as { id: string }

    await rotate(muster, old, fresh)

    await muster.request('POST', `/integrated-accounts/${okta}/resume`)
    expect(
      (await muster.request<{ counts: object }>('GET', `/batches/${id}`, { headers: { prefer: 'wait=20' } })).body
        .counts,
    ).toMatchObject({ total: 1, succeeded: 1 })
    expect(await (await fetch(`${muster.url()}/batches/${id}/results`, { headers })).text()).toContain(
      '"Cost centre":"4711"',
    )
  } finally {
    await muster.close()
  }
}, 60_000)

test('endpoints, callback addresses and deliveries from before a rotation are delivered, and verify, when the old key is gone', async () => {
  const [old, fresh] = [newKey('old'), newKey('fresh')]
  const receiver = await startReceiver()
  const muster = await startMuster({ environment: { MUSTER_ENCRYPTION_KEYS: old }, allowedHosts: [receiver.host] })
  try {
    const endpoint = (
      await muster.request<{ id: string; secret: string }>('POST', '/webhook-endpoints', {
        body: { url: `http://${receiver.host}/endpoint`, asymmetric: true },
      })
    ).body
    const { secret: callbackSecret } = (await muster.request<{ secret: string }>('POST', '/callback-secret')).body
    const arrived = (path: string, operationId: string, count = 1) =>
      receiver.until(({ path: at, event }) => at === path && event.data.operation_id === operationId, count)
    const okta = await muster.connect('okta')
    const create = async (path: string): Promise<string> =>
      (
        await muster.create<{ id: string }>(okta, newUser('okta'), {
          query: `callback_url=${encodeURIComponent(`http://${receiver.host}${path}`)}`,
        })
      ).body.id

    const first = await create('/first')
    await Promise.all([arrived('/first', first), arrived('/endpoint', first)])
    await muster.request('POST', `/integrated-accounts/${okta}/pause`)
    const waiting = await create('/waiting')
    await rotate(muster, old, fresh)

    await muster.request('POST', `/integrated-accounts/${okta}/resume`)
    const [[toEndpoint], [toCallback]] = await Promise.all([
      arrived('/endpoint', waiting),
      arrived('/waiting', waiting),
    ])
    if (toEndpoint) receiver.verify(toEndpoint, endpoint.secret)
    if (toCallback) receiver.verify(toCallback, callbackSecret)
    expect({ toEndpoint: toEndpoint?.event.type, toCallback: toCallback?.event.type }).toEqual({
      toEndpoint: 'operation.succeeded',
      toCallback: 'operation.succeeded',
    })

    const { result } = (await muster.request<{ result: { id: string; kind: string }[] }>('GET', '/webhook-endpoints'))
      .body
    const callbacks = result.find(({ kind }) => kind === 'callback')?.id ?? ''
    const deliveries = (
      await muster.request<{ result: { id: string }[] }>(
        'GET',
        `/webhook-endpoints/${callbacks}/deliveries?operation_id=${first}`,
      )
    ).body.result
    expect((await muster.request('POST', `/deliveries/${deliveries[0]?.id ?? ''}/replay`)).status).toBe(202)
    const repeated = (await arrived('/first', first, 2)).at(-1)
    if (repeated) receiver.verify(repeated, callbackSecret)
  } finally {
    await muster.close()
    await receiver.close()
  }
}, 60_000)

test('a batch from before a rotation continues, is read, reported and resumed, when the old key is gone', async () => {
  const [old, fresh] = [newKey('old'), newKey('fresh')]
  const receiver = await startReceiver()
  const muster = await startMuster({ environment: { MUSTER_ENCRYPTION_KEYS: old }, allowedHosts: [receiver.host] })
  try {
    const client = batchClientOf(muster)
    const { secret } = (await client.request<{ secret: string }>('POST', '/callback-secret')).body
    const okta = await muster.connect('okta', { limits: { requests: 300, per_seconds: 1 } })
    await muster.simulators.okta.set({ rate_limit: null, rate_limit_by_id: null })
    const query = `integrated_account_id=${okta}&callback_url=${encodeURIComponent(`http://${receiver.host}/batch`)}`
    const csv = (count: number): string =>
      `first_name,last_name,email\n${Array.from({ length: count }, (_, index) => `Ada,Lovelace,rotated.${index}@example.com\n`).join('')}`
    const ended = await client.completed(
      (await client.bulk(csv(3), { query: `integrated_account_id=${okta}`, type: 'text/csv' })).body.id,
    )
    const before = await client.results(ended.id)
    const items = itemsOf('okta', 520)
    const half = await client.bulk(`${JSON.stringify({ items }).slice(0, -1)}`, {
      query,
      type: 'application/json',
      key: 'rotated',
    })
    expect(half.body.upload_error).toBe('ended_early')
    await muster.request('POST', `/integrated-accounts/${okta}/pause`)
    await rotate(muster, old, fresh)

    expect(await client.results(ended.id)).toEqual(before)
    const whole = await client.bulk(JSON.stringify({ items }), { query, type: 'application/json', key: 'rotated' })
    expect({ status: whole.status, id: whole.body.id }).toEqual({ status: 202, id: half.body.batch_id })
    await muster.request('POST', `/integrated-accounts/${okta}/resume`)
    expect((await client.completed(whole.body.id)).counts).toMatchObject({ total: 520, succeeded: 520 })
    const [message] = await receiver.until(({ path, event }) => path === '/batch' && event.type === 'batch.completed')
    if (message) receiver.verify(message, secret)
    expect(message?.event.data.batch_id).toBe(whole.body.id)
    expect(await client.results(whole.body.id)).toHaveLength(520)
  } finally {
    await muster.close()
    await receiver.close()
  }
}, 60_000)
