import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { newUser, startMuster } from './harness.ts'
import { startReceiver } from './receiver.ts'

const newKey = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`
const reseal = fileURLToPath(new URL('../apps/api/dist/reseal.js', import.meta.url))

test('a key is rotated while work waits: new key in front, everything sealed anew, old key gone, and the work is done', async () => {
  const [old, fresh] = [newKey('old'), newKey('fresh')]
  const receiver = await startReceiver()
  const muster = await startMuster({ allowedHosts: [receiver.host], environment: { MUSTER_ENCRYPTION_KEYS: old } })
  try {
    const endpoint = (await muster.request<{ id: string; secret: string }>('POST', '/webhook-endpoints', { body: { url: `http://${receiver.host}/rotated` } })).body
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

    const runWith = async (keys: string): Promise<void> => {
      await muster.restartApi('SIGTERM', { MUSTER_ENCRYPTION_KEYS: keys })
      for (const worker of muster.workers.splice(0)) await worker.kill('SIGTERM')
      muster.workers.push(await muster.startWorker({ MUSTER_ENCRYPTION_KEYS: keys }))
    }
    await runWith(`${fresh},${old}`)
    const { stdout } = await promisify(execFile)(process.execPath, [reseal], { env: { PATH: process.env.PATH, REDIS_URL: muster.redis.url, MUSTER_ENCRYPTION_KEYS: `${fresh},${old}` } })
    expect((JSON.parse(stdout) as { resealed: number }).resealed).toBeGreaterThanOrEqual(5)
    await runWith(fresh)

    // The fingerprint of the request outlives the rotation too.
    const again = await muster.create<{ id: string }>(google, user, { headers, query })
    expect([again.status, again.body.id]).toEqual([202, waiting.body.id])
    await muster.request('POST', `/integrated-accounts/${google}/resume`)
    expect((await muster.finished(waiting.body.id)).status).toBe('succeeded')
    expect(await muster.request<{ result: { name: string } }>('GET', `/operations/${done.body.id}`)).toMatchObject({ status: 200, body: { result: { name: 'Ada Lovelace' } } })
    expect((await muster.simulators.google_workspace.ledger()).created).toHaveLength(2)

    // What is sent after the rotation goes to the same addresses, and is signed with the same secrets.
    const [, told] = await receiver.until(({ path, event }) => path === '/rotated' && event.type === 'operation.succeeded', 2)
    const [calledBack] = await receiver.until(({ path }) => path === '/called-back')
    if (!told || !calledBack) throw new Error('nothing came')
    receiver.verify(told, endpoint.secret)
    receiver.verify(calledBack, callback.secret)
    // Of the first delivery, whose reply and address lie sealed as well.
    const { body: list } = await muster.request<{ result: { status: string }[] }>('GET', `/webhook-endpoints/${endpoint.id}/deliveries`)
    expect(list.result.length).toBeGreaterThanOrEqual(2)
  } finally {
    await muster.close()
    await receiver.close()
  }
}, 60_000)
