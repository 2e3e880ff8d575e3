import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { connectRedis, type RedisRole } from '../../packages/store/src/redis/connect.ts'
import { startRedis, type StartedRedis } from '../../scripts/redis.mjs'
import { startFaultProxy, type FaultProxy } from '../chaos/fault-proxy.ts'
import { tell } from '../support/faults.ts'
import { eventually, newUser, startMuster, type Muster, type Program } from '../support/harness.ts'

interface Readiness {
  status: string
  redis: boolean
  warnings: string[]
}

async function readiness(program: Program): Promise<{ status: number; body: Readiness }> {
  const response = await fetch(`http://127.0.0.1:${String(program.listening.port)}/readyz`)
  return { status: response.status, body: (await response.json()) as Readiness }
}

/** A second Redis, to take over. */
async function startReplica() {
  const directory = await mkdtemp(join(tmpdir(), 'muster-replica-'))
  const redis = await startRedis({ dir: directory })
  return {
    directory,
    port: redis.port,
    url: redis.url,
    async stop(): Promise<void> {
      await redis.stop('SIGKILL')
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const admins: Redis[] = []
function adminOf(url: string): Redis {
  const admin = new Redis(url)
  admin.on('error', () => undefined)
  admins.push(admin)
  return admin
}
afterAll(() => admins.forEach((admin) => admin.disconnect()))

async function follow(replica: Redis, port: number): Promise<void> {
  await replica.replicaof('127.0.0.1', port)
  await eventually(
    () => replica.info('replication'),
    (info) => info.includes('master_link_status:up'),
  )
}

const offsetIn = (info: string, name: string): number => Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1])

/** What was written until now is there: what a replica has not received is lost with a failover, here as anywhere. */
async function replicated(old: Redis, next: Redis): Promise<void> {
  const written = offsetIn(await old.info('replication'), 'master_repl_offset')
  await eventually(
    () => next.info('replication'),
    (info) => offsetIn(info, 'slave_repl_offset') >= written,
  )
}

/** The failover that no connection notices: roles change, and the proxy leads only new connections elsewhere. */
async function failOver(proxy: FaultProxy | undefined, old: Redis, next: Redis, nextPort: number): Promise<void> {
  await next.call('REPLICAOF', 'NO', 'ONE')
  proxy?.retarget(nextPort)
  await old.replicaof('127.0.0.1', nextPort)
}

describe('a connection', () => {
  let first: StartedRedis
  let second: Awaited<ReturnType<typeof startReplica>>
  let directory: string
  const open: { close(): unknown }[] = []
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'muster-primary-'))
    first = await startRedis({ dir: directory })
    second = await startReplica()
  })
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close()
    await adminOf(first.url).call('REPLICAOF', 'NO', 'ONE')
  })
  afterAll(async () => {
    await first.stop('SIGKILL')
    await second.stop()
    await rm(directory, { recursive: true, force: true })
  })

  async function connectThroughProxy(role: RedisRole) {
    const proxy = await startFaultProxy({ host: '127.0.0.1', port: first.port })
    const errors: string[] = []
    const onError = (error: Error): void => void errors.push((error as { code?: string }).code ?? error.message)
    const redis = connectRedis(`redis://127.0.0.1:${proxy.port}`, role, onError, 25)
    open.push({ close: () => redis.disconnect() }, proxy)
    if (redis.status !== 'ready') await new Promise((resolve) => redis.once('ready', resolve))
    return { redis, proxy, errors }
  }

  test('of a worker: a write that the old primary refuses is sent to the new one, and the caller hears nothing of it', async () => {
    const { redis, proxy } = await connectThroughProxy('worker')
    await failOver(proxy, adminOf(first.url), adminOf(second.url), second.port)
    await redis.set('written-after', 'failover')
    expect(await adminOf(second.url).get('written-after')).toBe('failover')
  })

  test('of a worker: a command that blocks is unblocked, and blocks at the new primary', async () => {
    const { redis, proxy } = await connectThroughProxy('worker')
    const popped = redis.bzpopmin('waited-for', 0)
    await eventually(
      () => adminOf(first.url).info('clients'),
      (info) => info.includes('blocked_clients:1'),
    )
    await failOver(proxy, adminOf(first.url), adminOf(second.url), second.port)
    await adminOf(second.url).zadd('waited-for', 1, 'it')
    expect(await popped).toEqual(['waited-for', 'it', '1'])
  })

  test('of the API: one write is refused, and the connection is made again by itself', async () => {
    const { redis, proxy, errors } = await connectThroughProxy('request')
    await failOver(proxy, adminOf(first.url), adminOf(second.url), second.port)
    const ready = new Promise((resolve) => redis.once('ready', resolve))
    await redis.set('x', '1').catch(() => undefined)
    await ready
    expect(await redis.set('x', '1')).toBe('OK')
    expect(errors.join()).toMatch(/READONLY|NOT_PRIMARY/)
  })

  test.each(['request', 'worker', 'subscriber'] as const)(
    '%s: one that only reads or listens leaves a demoted Redis as well',
    async (role) => {
      const { redis, proxy, errors } = await connectThroughProxy(role)
      if (role === 'subscriber') await redis.subscribe('news')
      const heard = new Promise((resolve) => redis.once('message', (_, text: string) => resolve(text)))
      const ready = new Promise((resolve) => redis.once('ready', resolve))
      await failOver(proxy, adminOf(first.url), adminOf(second.url), second.port)
      await ready
      expect(errors).toContain('NOT_PRIMARY')
      if (role !== 'subscriber') return
      await eventually(
        () => adminOf(second.url).publish('news', 'from the new primary'),
        (receivers) => receivers > 0,
      )
      expect(await heard).toBe('from the new primary')
    },
  )

  test('one whose other end has gone silent is given up', async () => {
    const { redis, proxy, errors } = await connectThroughProxy('worker')
    proxy.setSilent(true)
    await new Promise((resolve) => redis.once('close', resolve))
    expect(errors).toContain('SILENT_CONNECTION')
    proxy.setSilent(false)
    expect(await redis.ping()).toBe('PONG')
  })
})

describe('a whole Muster', () => {
  let muster: Muster
  let replica: Awaited<ReturnType<typeof startReplica>>
  let okta: string
  beforeAll(async () => {
    replica = await startReplica()
    muster = await startMuster({ workers: 1, proxyRedis: true })
    okta = await muster.connect('okta')
  })
  afterAll(async () => {
    await muster.close()
    await replica.stop()
  })

  const both = () => Promise.all([readiness(muster.api), readiness(muster.workers[0] ?? muster.api)])
  const untilBoth = (status: number, warning = /(?:)/) =>
    eventually(both, (answers) =>
      answers.every((answer) => answer.status === status && warning.test(answer.body.warnings.join())),
    )
  async function expectWork(): Promise<void> {
    const { body } = await eventually(
      () => muster.create<{ id: string }>(okta, newUser('okta')),
      ({ status }) => status === 202,
      10_000,
    )
    expect((await muster.finished(body.id, 15_000)).status).toBe('succeeded')
  }

  test.each([
    ['NOREPLICAS', 'min-replicas-to-write', '1', '0'],
    ['OOM', 'maxmemory', '1mb', '0'],
  ])(
    '%s: neither program is ready, creates are 503, and work continues when writes are taken again',
    async (word, name, on, off) => {
      await expectWork()
      const admin = adminOf(muster.redis.url)
      await admin.config('SET', name, on)
      const [api] = await untilBoth(503, new RegExp(`takes no writes \\(${word}\\)`))
      expect(api?.body).toMatchObject({ status: 'not_ready', redis: false })
      const refused = await muster.create(okta, newUser('okta'))
      expect({ status: refused.status, retryAfter: refused.headers.get('retry-after') }).toEqual({
        status: 503,
        retryAfter: '1',
      })
      await admin.config('SET', name, off)
      await untilBoth(200)
      await expectWork()
    },
  )

  test('a failover that keeps connections open: not ready without a primary, then work continues within seconds', async () => {
    const [old, next] = [adminOf(muster.redis.url), adminOf(replica.url)]
    await expectWork()
    // Without the pause in which a primary waits for more replicas.
    for (const admin of [old, next]) await admin.config('SET', 'repl-diskless-sync-delay', '0')
    await follow(next, muster.redis.port)
    // Waits for the end of the failover, so that none of its calls is half written there.
    await muster.request('POST', `/integrated-accounts/${okta}/pause`)
    const loading = Promise.all(Array.from({ length: 10 }, () => muster.create<{ id: string }>(okta, newUser('okta'))))
    const before = (await loading).map(({ body }) => body.id)
    await replicated(old, next)
    await next.call('REPLICAOF', 'NO', 'ONE')
    await old.replicaof('127.0.0.1', replica.port)
    // The proxy still leads to the old one.
    await untilBoth(503)
    const refused = await muster.create(okta, newUser('okta'))
    expect({ status: refused.status, retryAfter: refused.headers.get('retry-after') }).toEqual({
      status: 503,
      retryAfter: '1',
    })
    muster.redisProxy?.retarget(replica.port)
    const movedAt = Date.now()
    await untilBoth(200)
    await muster.request('POST', `/integrated-accounts/${okta}/resume`)
    await expectWork()
    tell('failover with kept connections', { workContinuesMs: Date.now() - movedAt })
    for (const id of before) expect((await muster.finished(id)).status).toBe('succeeded')
    const { created } = await muster.simulators.okta.ledger()
    expect(new Set(created.map(({ key }) => key)).size).toBe(created.length)
    // Nothing of ours is left with the old primary, publishers and listeners included.
    await eventually(
      () => old.call('CLIENT', 'LIST', 'TYPE', 'normal') as Promise<string>,
      (list) =>
        list
          .trim()
          .split('\n')
          .every((line) => /cmd=(client|config|replicaof|bgsave)/.test(line)),
    )
    expect(await old.call('CLIENT', 'LIST', 'TYPE', 'pubsub')).toBe('')
    expect(muster.logs().join('\n')).toMatch(/"code":"(READONLY|NOT_PRIMARY|UNBLOCKED)"/)
  }, 60_000)

  test('MISCONF: a disk that takes no snapshot is an outage like any other', async () => {
    const admin = adminOf(replica.url)
    await rm(replica.directory, { recursive: true })
    await admin.config('SET', 'save', '3600 1')
    await admin.bgsave()
    await untilBoth(503, /takes no writes \(MISCONF\)/)
    const refused = await muster.create(okta, newUser('okta'))
    expect({ status: refused.status, retryAfter: refused.headers.get('retry-after') }).toEqual({
      status: 503,
      retryAfter: '1',
    })
    await admin.config('SET', 'save', '')
    await untilBoth(200)
    await expectWork()
  })
})
