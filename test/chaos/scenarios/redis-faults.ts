import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { startRedis } from '../../../scripts/redis.mjs'
import { eventually } from '../../support/harness.ts'
import { onStage, seconds, type Scenario, type Stage } from '../scenario.ts'

async function created(stage: Stage): Promise<number> {
  const providers = [...new Set(stage.accounts.map((account) => account.provider))]
  return (await Promise.all(providers.map((provider) => stage.muster.simulators[provider].ledger()))).reduce(
    (sum, ledger) => sum + ledger.created.length,
    0,
  )
}

/** How long the API takes to say that it cannot, while Redis is away. */
async function refusalMs(stage: Stage): Promise<{ status: number; retryAfter: string | null; ms: number }> {
  const startedAt = Date.now()
  const answer = await stage.muster.create(stage.accounts[0]?.id ?? '', {
    first_name: 'A',
    last_name: 'B',
    emails: [{ email: 'away@example.com' }],
  })
  return { status: answer.status, retryAfter: answer.headers.get('retry-after'), ms: Date.now() - startedAt }
}

const killAndRestart: Scenario = {
  name: 'redis-kill',
  promise: '1, 2: an acknowledged operation outlives Redis (AOF everysec)',
  fault: 'kill -9 of Redis under load, and a restart',
  run: ({ size }) =>
    onStage({ workers: 2, durable: true, rate: 30 }, async (stage) => {
      const load = stage.submit(size(90, 900))
      const broken: string[] = []
      let slowest = 0
      let resumed = 0
      for (let round = 0; round < size(1, 4); round += 1) {
        const reached = await created(stage)
        await eventually(
          () => created(stage),
          (count) => count >= Math.min(reached + 15, size(60, 800)),
          30_000,
        )
        await stage.muster.restartRedis(async () => {
          const refusal = await refusalMs(stage)
          slowest = Math.max(slowest, refusal.ms)
          if (refusal.status !== 503 || !refusal.retryAfter)
            broken.push(`while Redis was away the API answered ${refusal.status}`)
        })
        const backAt = Date.now()
        const before = await created(stage)
        await eventually(
          () => created(stage),
          (count) => count > before,
          30_000,
        )
        resumed = Math.max(resumed, Date.now() - backAt)
      }
      const entries = await load
      if (slowest > 1_000) broken.push(`the API took ${slowest} ms to answer 503`)
      if (resumed > 3_000) broken.push(`work resumed only ${seconds(resumed)} s after Redis was back`)
      return stage.conclude(entries, { '503 within (ms)': slowest, 'resumed after (s)': seconds(resumed) }, broken)
    }),
}

const frozen: Scenario = {
  name: 'redis-frozen',
  promise: '1, 2: no user twice when Redis stalls for longer than a lock',
  fault: 'SIGSTOP of Redis, SIGCONT after longer than the lock and the lease',
  run: ({ size }) =>
    onStage({ workers: 2, rate: 30 }, async (stage) => {
      const load = stage.submit(size(60, 400))
      await eventually(
        () => created(stage),
        (count) => count >= 10,
      )
      const broken: string[] = []
      process.kill(stage.muster.redis.pid, 'SIGSTOP')
      const refusal = await refusalMs(stage)
      if (refusal.status !== 503 || refusal.ms > 1_000)
        broken.push(`while Redis was frozen the API answered ${refusal.status} after ${refusal.ms} ms`)
      await new Promise((resolve) => setTimeout(resolve, size(12_000, 40_000)))
      process.kill(stage.muster.redis.pid, 'SIGCONT')
      return stage.conclude(await load, { 'frozen for (s)': size(12, 40), '503 within (ms)': refusal.ms }, broken)
    }),
}

const churn: Scenario = {
  name: 'redis-connection-churn',
  promise: '1, 2: a connection lost in the middle of a command doubles nothing',
  fault: 'CLIENT KILL of every connection, again and again, while creates come in',
  run: ({ size }) =>
    onStage({ workers: 2, rate: 60 }, async (stage) => {
      const admin = new Redis(stage.muster.redis.url)
      admin.on('error', () => undefined)
      let isOver = false
      let kills = 0
      const killer = (async () => {
        while (!isOver) {
          await new Promise((resolve) => setTimeout(resolve, 400))
          await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes').then(
            () => (kills += 1),
            () => undefined,
          )
        }
      })()
      const entries = await stage.submit(size(120, 1_200), 16)
      isOver = true
      await killer
      admin.disconnect()
      return stage.conclude(entries, { 'times all cut': kills })
    }),
}

const outOfMemory: Scenario = {
  name: 'redis-out-of-memory',
  promise: '1, 8: a full Redis refuses new work and loses none of the old',
  fault: 'maxmemory set to what is used, then lifted',
  run: ({ size }) =>
    onStage({ workers: 1, rate: 40 }, async (stage) => {
      const admin = new Redis(stage.muster.redis.url)
      const before = await stage.submit(size(40, 300))
      await admin.config('SET', 'maxmemory', '1mb')
      const refusal = await refusalMs(stage)
      await new Promise((resolve) => setTimeout(resolve, size(1_500, 8_000)))
      await admin.config('SET', 'maxmemory', '0')
      const after = await stage.submit(size(20, 100))
      admin.disconnect()
      return stage.conclude(
        [...before, ...after],
        { 'answer while full': refusal.status },
        refusal.status === 503 ? [] : [`while Redis was full the API answered ${refusal.status}`],
      )
    }),
}

const promotion: Scenario = {
  name: 'redis-promotion',
  promise: '1: with WAIT, what was acknowledged is on the replica that takes over',
  fault: 'kill -9 of the primary, its replica promoted',
  run: ({ size }) =>
    onStage({ workers: 0, proxyRedis: true, environment: { MUSTER_WAIT_REPLICAS: '1' } }, async (stage) => {
      const { muster } = stage
      const directory = await mkdtemp(join(tmpdir(), 'muster-replica-'))
      const replica = await startRedis({ dir: directory })
      const admin = new Redis(replica.url)
      admin.on('error', () => undefined)
      try {
        await admin.replicaof('127.0.0.1', muster.redis.port)
        await eventually(
          () => admin.info('replication'),
          (info) => info.includes('master_link_status:up'),
        )
        const load = stage.submit(size(60, 600), 8)
        await eventually(async () => (await admin.dbsize()) > size(60, 400), Boolean, 30_000)
        await muster.redis.stop('SIGKILL')
        await admin.call('REPLICAOF', 'NO', 'ONE')
        muster.redisProxy?.retarget(replica.port)
        muster.redisProxy?.resetAll()
        // The promoted one has no replica yet, so nothing would be acknowledged: the operator lowers the demand.
        await muster.restartApi('SIGTERM', { MUSTER_WAIT_REPLICAS: '0' })
        const entries = await load
        muster.workers.push(await muster.startWorker())
        return await stage.conclude(entries, {}, [])
      } finally {
        admin.disconnect()
        await replica.stop('SIGKILL')
        await rm(directory, { recursive: true, force: true })
      }
    }),
}

const keptConnections: Scenario = {
  name: 'redis-failover-kept-connections',
  promise: '1, 2: a failover that no connection notices stops no work and doubles none',
  fault: 'the replica promoted and the primary demoted under load, every connection left open',
  run: ({ size }) =>
    onStage({ workers: 2, proxyRedis: true, rate: 60 }, async (stage) => {
      const { muster } = stage
      const directory = await mkdtemp(join(tmpdir(), 'muster-replica-'))
      const second = await startRedis({ dir: directory })
      const nodes = [muster.redis.port, second.port].map((port) => ({ port, admin: new Redis({ port }) }))
      nodes.forEach(({ admin }) => admin.on('error', () => undefined))
      const broken: string[] = []
      let slowest = 0
      try {
        for (const { admin } of nodes) await admin.config('SET', 'repl-diskless-sync-delay', '0')
        await nodes[1]?.admin.replicaof('127.0.0.1', muster.redis.port)
        const load = stage.submit(size(90, 900), 8)
        for (let round = 0; round < size(1, 4); round += 1) {
          const [old, next] = round % 2 === 0 ? nodes : nodes.toReversed()
          if (!old || !next) break
          await eventually(
            () => next.admin.info('replication'),
            (info) => info.includes('master_link_status:up'),
          )
          // What is written from here on would be lost with the old primary: an operator's failover waits as well.
          await old.admin.call('CLIENT', 'PAUSE', '500', 'WRITE')
          await eventually(
            async () => [await old.admin.info('replication'), await next.admin.info('replication')].map(offsetOf),
            ([primary, replica]) => primary === replica,
          )
          await next.admin.call('REPLICAOF', 'NO', 'ONE')
          muster.redisProxy?.retarget(next.port)
          await old.admin.replicaof('127.0.0.1', next.port)
          const movedAt = Date.now()
          const before = await created(stage)
          await eventually(
            () => created(stage),
            (count) => count > before,
            30_000,
          )
          slowest = Math.max(slowest, Date.now() - movedAt)
        }
        if (slowest > 10_000) broken.push(`work continued only ${seconds(slowest)} s after the failover`)
        return await stage.conclude(await load, { 'work continued after (s)': seconds(slowest) }, broken)
      } finally {
        nodes.forEach(({ admin }) => admin.disconnect())
        await second.stop('SIGKILL')
        await rm(directory, { recursive: true, force: true })
      }
    }),
}

/** How much of the replication stream a Redis has written or taken. */
const offsetOf = (info: string): string | undefined =>
  /^(?:slave_repl_offset|master_repl_offset):(\d+)/m.exec(info)?.[1]

const network: Scenario = {
  name: 'redis-network',
  promise: '1, 2: a bad network before Redis loses nothing and hangs nothing',
  fault: 'a fault proxy before Redis: latency, resets, then silence of half-open connections',
  run: ({ size, random }) =>
    onStage({ workers: 2, proxyRedis: true, rate: 60 }, async (stage) => {
      const proxy = stage.muster.redisProxy
      const load = stage.submit(size(80, 600), 8)
      proxy?.setLatency(size(10, 20))
      for (let round = 0; round < size(2, 12); round += 1) {
        await new Promise((resolve) => setTimeout(resolve, random.between(300, 900)))
        proxy?.resetAll()
      }
      proxy?.setLatency(0)
      proxy?.setSilent(true)
      const refusal = await refusalMs(stage)
      await new Promise((resolve) => setTimeout(resolve, size(2_000, 20_000)))
      proxy?.setSilent(false)
      const broken =
        refusal.status === 503 && refusal.ms < 2_500
          ? []
          : [`over silent connections the API answered ${refusal.status} after ${refusal.ms} ms`]
      return stage.conclude(await load, { '503 within (ms)': refusal.ms }, broken)
    }),
}

export const redisScenarios: Scenario[] = [
  killAndRestart,
  frozen,
  churn,
  outOfMemory,
  promotion,
  keptConnections,
  network,
]
