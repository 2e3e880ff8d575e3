import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Queue } from 'bullmq'
import { Pool } from 'undici'
import { toUser, writeCsv } from './bulk/rows.mjs'
import { benchFolder, readUsage, startMuster, startNode } from './stack.mjs'
import { loadNow, toMarkdown, toSeconds } from './table.mjs'

const ROUNDS = 3
const CONCURRENCY = 20
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
const toMs = (value) => `${value.toFixed(2)} ms`

/** Sends bodies over so many connections for so long; resolves with the answers a second, and the server's CPU each. */
async function load({ origin, path, headers, pid, connections, forMs, nextBody }) {
  const pool = new Pool(origin, { connections, pipelining: 1 })
  const usage = readUsage(pid)
  const began = performance.now()
  let count = 0
  async function send() {
    while (performance.now() - began < forMs) {
      const { statusCode, body } = await pool.request({ path, method: 'POST', headers, body: nextBody() })
      const text = await body.text()
      if (statusCode !== 202) throw new Error(`${path} answered ${statusCode} ${text.slice(0, 300)}`)
      count += 1
    }
  }
  await Promise.all(Array.from({ length: connections }, send))
  const seconds = (performance.now() - began) / 1000
  const cpuMs = (readUsage(pid)?.cpuMs ?? NaN) - (usage?.cpuMs ?? NaN)
  await pool.close()
  return { rate: count / seconds, cpuMs: cpuMs / count }
}

/** Both services take turns, so that neither has the quieter half of the run. */
async function compareAccepts({ say, muster, plain, account, connections, forMs }) {
  let index = 0
  const nextBody = () => JSON.stringify(toUser('okta', `a${connections}x`, (index += 1)))
  const services = {
    muster: {
      origin: muster.url,
      path: `/unified/user-directory/users?integrated_account_id=${account}`,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${muster.key}` },
      pid: muster.apiPid,
    },
    plain: {
      origin: plain.url,
      path: '/users',
      headers: { 'content-type': 'application/json' },
      pid: plain.pid,
    },
  }
  const found = { muster: [], plain: [] }
  for (let round = -1; round < ROUNDS; round += 1)
    for (const [name, service] of Object.entries(services)) {
      const result = await load({ ...service, connections, forMs: round < 0 ? forMs / 2 : forMs, nextBody })
      // The first round warms both up.
      if (round >= 0) found[name].push(result)
    }
  const of = (name, figure) => median(found[name].map((one) => one[figure]))
  const [rate, plainRate] = [of('muster', 'rate'), of('plain', 'rate')]
  const [cpu, plainCpu] = [of('muster', 'cpuMs'), of('plain', 'cpuMs')]
  say(`  ${connections} connections: ${Math.round(rate)} of ${Math.round(plainRate)} a second`)
  return [
    {
      figure: `creates accepted at ${connections} connections`,
      measured: `${(rate / plainRate).toFixed(2)} of the plain service's (${Math.round(rate)}/s; load ${loadNow()})`,
      target: connections === 50 ? '0.6' : '0.5',
      baseline: `${Math.round(plainRate)}/s`,
      isOk: rate / plainRate >= (connections === 50 ? 0.6 : 0.5),
    },
    {
      figure: `API CPU of an accepted create at ${connections} connections`,
      measured: `${(cpu / plainCpu).toFixed(2)} times the plain service's (${toMs(cpu)})`,
      target: '1.7 times',
      baseline: toMs(plainCpu),
      isOk: cpu / plainCpu <= 1.7,
    },
  ]
}

/**
 * Rows a second between the tenth and the nineteenth twentieth, since starts and ends are slow, and the CPU of the
 * worker for each of all.
 */
async function watchDrain({ count, countEnded, startWorker }) {
  const worker = await startWorker()
  const usage = readUsage(worker.pid)
  const seen = []
  for (let ended = 0; ended < count; await sleep(100)) {
    ended = await countEnded()
    seen.push({ at: performance.now(), ended })
    if (seen.length > 6_000) throw new Error(`the drain stopped at ${ended} of ${count}`)
  }
  const cpuMs = (readUsage(worker.pid)?.cpuMs ?? NaN) - (usage?.cpuMs ?? NaN)
  await worker.stop()
  const from = seen.find(({ ended }) => ended >= count * 0.1)
  const to = seen.find(({ ended }) => ended >= count * 0.95)
  return { rate: ((to.ended - from.ended) / (to.at - from.at)) * 1000, cpuMs: cpuMs / count }
}

async function startPlainService({ stack, muster }) {
  const { child, listening } = await startNode({
    stack,
    name: 'plain service',
    file: 'bench/baselines/plain-api.mjs',
    env: { REDIS_URL: muster.redisUrl },
  })
  return { url: `http://127.0.0.1:${listening.port}`, pid: child.pid, stop: () => child.stop() }
}

async function drainMuster({ muster, account, count }) {
  const file = await writeCsv('creates', count)
  const began = performance.now()
  const batch = await muster.upload(file, 'text/csv', `?integrated_account_id=${account}`)
  const uploadMs = performance.now() - began
  rmSync(file, { force: true })
  const drained = await watchDrain({
    count,
    startWorker: muster.startWorker,
    countEnded: async () => {
      const { counts } = await muster.call('GET', `/batches/${batch.id}`)
      return counts.succeeded + counts.failed
    },
  })
  return { ...drained, uploadMs }
}

async function drainBare({ stack, muster, count }) {
  const queue = new Queue('creates', { connection: { url: muster.redisUrl } })
  await queue.obliterate({ force: true })
  const payload = (index) => {
    const { emails, first_name, last_name, password } = toUser('okta', 'bare', index)
    const profile = { login: emails[0].email, email: emails[0].email, firstName: first_name, lastName: last_name }
    return { name: 'create', data: { profile, credentials: { password: { value: password } } } }
  }
  for (let start = 0; start < count; start += 1_000)
    await queue.addBulk(Array.from({ length: Math.min(1_000, count - start) }, (_, index) => payload(start + index)))
  const { credentials } = await muster.control('okta', 'GET', 'sample')
  const drained = await watchDrain({
    count,
    startWorker: () =>
      startNode({
        stack,
        name: 'bare worker',
        file: 'bench/baselines/bare-worker.mjs',
        env: {
          REDIS_URL: muster.redisUrl,
          TARGET_URL: `${muster.simulators.okta}/api/v1/users?activate=true`,
          TARGET_TOKEN: `SSWS ${credentials.api_token}`,
          CONCURRENCY: String(CONCURRENCY),
        },
      }).then(({ child }) => child),
    countEnded: async () => {
      const { waiting, active, prioritized, delayed, failed } = await queue.getJobCounts()
      if (failed > 0) throw new Error(`${failed} jobs of the bare worker failed`)
      return count - waiting - active - prioritized - delayed
    },
  })
  await queue.close()
  return drained
}

async function compareDrains({ stack, say, muster, account, count }) {
  await muster.control('okta', 'PATCH', 'settings', { rate_limit: null })
  const ours = await drainMuster({ muster, account, count })
  const bare = await drainBare({ stack, muster, count })
  say(`  drain: ${Math.round(ours.rate)} of ${Math.round(bare.rate)} a second`)
  return [
    {
      figure: `${count} CSV rows accepted`,
      measured: `${toSeconds(ours.uploadMs)} (${Math.round((count / ours.uploadMs) * 1000)} rows/s)`,
    },
    {
      figure: 'creates of one worker without limits',
      measured: `${(ours.rate / bare.rate).toFixed(2)} of a bare worker's (${Math.round(ours.rate)}/s of ${count}; load ${loadNow()})`,
      target: '0.40',
      baseline: `${Math.round(bare.rate)}/s`,
      isOk: ours.rate / bare.rate >= 0.4,
    },
    {
      figure: 'worker CPU of a create',
      measured: `${(ours.cpuMs / bare.cpuMs).toFixed(2)} times a bare worker's (${toMs(ours.cpuMs)})`,
      target: '2.4 times',
      baseline: toMs(bare.cpuMs),
      isOk: ours.cpuMs / bare.cpuMs <= 2.4,
    },
  ]
}

/** `npm run bench -- creates [--rows N] [--seconds N]` */
export async function run({ args, stack, say }) {
  const { values } = parseArgs({
    args,
    options: { rows: { type: 'string', default: '20000' }, seconds: { type: 'string', default: '4' } },
  })
  const [count, forMs] = [Number(values.rows), Number(values.seconds) * 1000]
  if (!Number.isInteger(count) || count < 200 || count > 100_000 || !(forMs >= 200 && forMs <= 60_000))
    throw new RangeError('--rows takes 200 to 100000; --seconds takes 0.2 to 60')
  mkdirSync(benchFolder, { recursive: true, mode: 0o700 })
  const limits = { requests: 2_000, concurrency: CONCURRENCY }
  const found = []
  /** With one Muster for each, nothing that was accepted stands in the way of what is drained. */
  async function measure(compare) {
    const muster = await startMuster({ stack })
    try {
      found.push(...(await compare(muster)))
    } finally {
      await muster.close()
    }
  }
  for (const connections of [50, 10])
    await measure(async (muster) => {
      const plain = await startPlainService({ stack, muster })
      const account = await muster.connect('okta', limits)
      const rows = await compareAccepts({ say, muster, plain, account, connections, forMs })
      await plain.stop()
      return rows
    })
  await measure(async (muster) =>
    compareDrains({ stack, say, muster, account: await muster.connect('okta', limits), count }),
  )
  writeFileSync(
    join(benchFolder, 'creates.json'),
    `${JSON.stringify({ at: new Date().toISOString(), node: process.version, load: loadNow(), figures: found }, null, 2)}\n`,
  )
  say(`\n${toMarkdown(found)}`)
}
