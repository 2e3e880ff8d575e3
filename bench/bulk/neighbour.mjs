import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { pollUntil, startMuster } from '../stack.mjs'
import { loadNow, percentile } from '../table.mjs'
import { toSimulatorSettings, toUser, writeCsv } from './rows.mjs'

const SAMPLES = 100
const PAUSE_MS = 100
const BUSY = { requests: 10, per_seconds: 1 }
const NEIGHBOUR = { requests: 100, per_seconds: 1 }

/**
 * How much a hundred thousand rows of one account delay a single create, at another account and at the same one.
 */
export async function measureNeighbour({ stack, say, rows, nodeOptions }) {
  const muster = await startMuster({ stack, nodeOptions })
  try {
    for (const [provider, limits] of [
      ['okta', BUSY],
      ['files_com', NEIGHBOUR],
    ])
      await muster.control(provider, 'PATCH', 'settings', toSimulatorSettings(provider, limits))
    const busy = await muster.connect('okta', BUSY)
    const neighbour = await muster.connect('files_com', NEIGHBOUR)
    await muster.startWorker()
    let count = 0
    const path = (account) => `/unified/user-directory/users?integrated_account_id=${account}`

    async function createAtNeighbour() {
      count += 1
      const began = performance.now()
      const answer = await muster.call('POST', path(neighbour), toUser('files_com', 'single', count), {
        prefer: 'wait=20',
      })
      if (answer.id === undefined && answer.status !== 'succeeded')
        throw new Error(`it came to ${JSON.stringify(answer).slice(0, 300)}`)
      return performance.now() - began
    }
    async function series() {
      const times = []
      for (let index = 0; index < SAMPLES; index += 1) {
        times.push(await createAtNeighbour())
        await sleep(PAUSE_MS)
      }
      return times
    }

    // The first opens the lane and the connections.
    for (let index = 0; index < 5; index += 1) await createAtNeighbour()
    const idle = await series()
    const idleLoad = loadNow()
    const file = await writeCsv('neighbour', rows)
    say(`neighbour: ${rows} rows wait on another account…`)
    const batch = await muster.upload(file, 'text/csv', `?integrated_account_id=${busy}`)
    rmSync(file, { force: true })
    const beside = await series()
    const besideLoad = loadNow()

    const [submitted, accepted] = [new Map(), new Map()]
    for (let index = 0; index < SAMPLES / 2; index += 1) {
      const user = toUser('okta', 'urgent', index)
      submitted.set(user.emails[0].email, Date.now())
      await muster.call('POST', path(busy), user)
      accepted.set(user.emails[0].email, Date.now())
      await sleep(250 + Math.random() * 100)
    }
    await sleep(2_000)
    const { created } = await muster.control('okta', 'GET', 'ledger')
    const intervalMs = (BUSY.per_seconds * 1000) / BUSY.requests
    const intervalsSince = (times) =>
      created.flatMap(({ key, at }) => (times.has(key) ? [(Date.parse(at) - times.get(key)) / intervalMs] : []))
    const intervals = intervalsSince(accepted)
    if (intervals.length !== submitted.size) throw new Error(`${intervals.length} of ${submitted.size} creates arrived`)

    // Once more without the batch, since the machine may have been another one before.
    await muster.call('POST', `/batches/${batch.id}/cancel`)
    await pollUntil(
      () => muster.call('GET', `/batches/${batch.id}`),
      ({ status }) => status === 'canceled',
      { everyMs: 500, forMs: 120_000 },
    )
    idle.push(...(await series()))
    const [before, after] = [percentile(idle, 0.95), percentile(beside, 0.95)]
    return [
      {
        figure: `single create beside ${rows} waiting rows of another account, p95`,
        measured: `${after.toFixed(0)} ms, ${(after / before).toFixed(2)} times (p50 ${percentile(beside, 0.5).toFixed(0)} ms; load ${besideLoad})`,
        target: '1.5 times idle',
        baseline: `${before.toFixed(0)} ms idle, before and after (p50 ${percentile(idle, 0.5).toFixed(0)} ms; load ${idleLoad} and ${loadNow()})`,
        isOk: after <= 1.5 * before,
      },
      {
        figure: 'single create on the busy account, accepted to received by the provider, p95',
        measured: `${percentile(intervals, 0.95).toFixed(2)} intervals (p50 ${percentile(intervals, 0.5).toFixed(2)}; since submitted ${percentile(intervalsSince(submitted), 0.95).toFixed(2)})`,
        target: 'within 2 intervals',
        baseline: `an interval is ${intervalMs} ms`,
        isOk: percentile(intervals, 0.95) <= 2,
      },
    ]
  } finally {
    await muster.close()
  }
}
