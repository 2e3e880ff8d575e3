import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import { startRedis, type StartedRedis } from '../../scripts/redis.mjs'
import { startFaultProxy } from '../chaos/fault-proxy.ts'
import { createMusterClient } from './muster-client.ts'
import { runCommand, startProgram, type Program } from './program.ts'
import { createRequest } from './request.ts'
import { sampleOf } from './samples.ts'
import { startSimulators } from './simulator-control.ts'

export { eventually } from './eventually.ts'
export { startProgram, type Program } from './program.ts'
export type { Answer } from './request.ts'
export type { Ledger } from './simulator-control.ts'

export interface MusterOptions {
  /** Worker processes to begin with; default 1. */
  workers?: number
  /** Redis writes an AOF, so that it can be killed and started again. */
  durable?: boolean
  environment?: Record<string, string>
  nodeOptions?: string[]
  /** Puts a fault proxy before Redis, for the API and the workers; the harness itself goes past it. */
  proxyRedis?: boolean
  /** Puts a fault proxy before these simulators, for the workers; control calls go past it. */
  proxyProviders?: readonly ProviderId[]
  /** More arguments for redis-server's configuration, set once it runs. */
  redisSettings?: Record<string, string>
  /** Further host:port on loopback that may be called, such as a webhook receiver's. */
  allowedHosts?: readonly string[]
}

export type Muster = Awaited<ReturnType<typeof startMuster>>

/**
 * A whole Muster of its own: private Redis, simulators, API, workers, as separate processes on free ports. Close it
 * when done.
 */
export async function startMuster({
  workers: workerCount = 1,
  durable = false,
  environment = {},
  nodeOptions = [],
  proxyRedis = false,
  proxyProviders = [],
  redisSettings = {},
  allowedHosts = [],
}: MusterOptions = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'muster-test-'))
  const redisOptions = { dir: directory, ...(durable ? { appendonly: 'everysec' as const } : {}) }
  let redis: StartedRedis = await startRedis(redisOptions)
  const { program: simulator, simulators, urls, proxies: providerProxies } = await startSimulators(proxyProviders)
  const redisProxy = proxyRedis ? await startFaultProxy({ host: '127.0.0.1', port: redis.port }) : undefined
  await setRedis(redis.url, redisSettings)
  const shared: Record<string, string> = {
    REDIS_URL: redisProxy ? `redis://127.0.0.1:${redisProxy.port}` : redis.url,
    MUSTER_ENCRYPTION_KEYS: `test:${randomBytes(32).toString('base64')}`,
    MUSTER_ALLOWED_HOSTS: [...Object.values(urls).map((url) => new URL(url).host), ...allowedHosts].join(','),
    // No balancer is in front: nothing is to be waited for when a process stops.
    MUSTER_DRAIN_SECONDS: '0',
    ...environment,
  }
  const startApi = (more: Record<string, string> = {}, moreNodeOptions: string[] = []): Promise<Program> =>
    startProgram('apps/api/dist/main.js', { ...shared, MUSTER_PORT: '0', ...more }, [
      ...nodeOptions,
      ...moreNodeOptions,
    ])
  const startWorker = (more: Record<string, string> = {}, moreNodeOptions: string[] = []): Promise<Program> =>
    startProgram('apps/worker/dist/main.js', { ...shared, MUSTER_WORKER_PORT: '0', ...more }, [
      ...nodeOptions,
      ...moreNodeOptions,
    ])
  const gone: Program[] = []
  let api = await startApi()
  const workers: Program[] = []
  for (let count = 0; count < workerCount; count += 1) workers.push(await startWorker())

  /** The bootstrap command, as an operator runs it. */
  async function bootstrap(tenant: string = `tenant-${randomUUID()}`): Promise<{ tenantId: string; adminKey: string }> {
    const output = await runCommand('apps/api/dist/commands/bootstrap.js', ['--tenant', tenant], shared)
    const { tenant_id: tenantId, admin_api_key: adminKey } = JSON.parse(output) as Record<string, string>
    return { tenantId: tenantId ?? '', adminKey: adminKey ?? '' }
  }
  const owner = await bootstrap()
  const url = (): string => `http://127.0.0.1:${String(api.listening.port)}`

  const client = createMusterClient(createRequest(url, owner.adminKey), urls)

  return {
    directory,
    encryptionKeys: shared.MUSTER_ENCRYPTION_KEYS ?? '',
    owner,
    simulators,
    workers,
    url,
    bootstrap,
    ...client,
    startWorker,
    redisProxy,
    providerProxies,
    /** Ends one worker and starts another in its place. */
    async replaceWorker(index: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<Program> {
      const old = workers[index]
      if (old) {
        await old.kill(signal)
        gone.push(old)
      }
      const fresh = await startWorker()
      workers[index] = fresh
      return fresh
    },
    get api(): Program {
      return api
    },
    get redis(): StartedRedis {
      return redis
    },
    /** The log lines of every process of ours. */
    logs: (): string[] => [api, ...workers, ...gone].flatMap((program) => program.output),
    /** kill -9 of Redis and a new one on the same port and folder. */
    async restartRedis(whileAway: () => Promise<void> = async () => undefined): Promise<void> {
      await redis.stop('SIGKILL')
      await whileAway()
      redis = await startRedis({ ...redisOptions, port: redis.port })
    },
    /** A new API process, on a port of its own: `url()` tells it. */
    async restartApi(
      signal: NodeJS.Signals = 'SIGKILL',
      more: Record<string, string> = {},
      moreNodeOptions: string[] = [],
    ): Promise<void> {
      await api.kill(signal)
      gone.push(api)
      api = await startApi(more, moreNodeOptions)
    },
    async close(): Promise<void> {
      await Promise.all([api, ...workers, simulator].map((program) => program.kill('SIGKILL')))
      await Promise.all([redisProxy, ...Object.values(providerProxies)].map((proxy) => proxy?.close()))
      await redis.stop('SIGKILL')
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function setRedis(url: string, settings: Record<string, string>): Promise<void> {
  if (Object.keys(settings).length === 0) return
  const redis = new Redis(url)
  for (const [name, value] of Object.entries(settings)) await redis.config('SET', name, value)
  redis.disconnect()
}

/** A body that the provider accepts, different at each call. */
export const newUser = (
  provider: ProviderId,
  login: string = `ada.${randomBytes(5).toString('hex')}`,
): Record<string, unknown> => ({ ...sampleOf(provider).user(login) })
