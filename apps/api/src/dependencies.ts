import { eventSourceText, type EventSourceRef } from '@muster/domain/event'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { createEgress, type Egress } from '@muster/egress/egress'
import { createLaneSchedule, type LaneSchedule } from '@muster/lanes/lane-schedule'
import { waitForKeys } from '@muster/store/crypto/check-keys'
import { EVENTS_CHANNEL } from '@muster/store/redis/keys'
import { connectRedis, type Redis } from '@muster/store/redis/connect'
import { openStore, type Store } from '@muster/store/store'
import { createLogger, type Logger } from '@muster/process/logger'
import type { RunningProcess } from '@muster/process/run-process'
import { limitsOf, type ApiConfig } from './config.ts'
import { watchFinishedOperations, type FinishedOperations } from './operations/finished-operations.ts'
import { createHeldRequests, type HeldRequests } from './http/held-requests.ts'
import { FairGate } from '@muster/egress/fair-gate'
import { createHttpServer } from './http/http-server.ts'
import { createApiMetrics, type ApiMetrics } from './metrics.ts'

/** How long the start waits for Redis to say whether the encryption keys fit. */
const KEYS_WITHIN_MS = 1_000

export interface ApiDependencies {
  config: ApiConfig
  egress: Egress
  /** Tells the workers that something happened at a source; a worker that misses it finds out by polling. */
  events: { nudge(source: EventSourceRef): void }
  finished: FinishedOperations
  held: HeldRequests
  turns: FairGate
  /** Requests shall go to another process: /readyz says so, and each answer closes its connection. */
  isDraining(): boolean
  /** Streams that would otherwise continue end. */
  isStopping(): boolean
  log: Logger
  metrics: ApiMetrics
  redis: Redis
  schedule: LaneSchedule
  store: Store
}

/** Builds everything the API is made of, in order; `stop` closes it in reverse. */
export async function startApi(
  config: ApiConfig,
  createApp: (dependencies: ApiDependencies) => RequestListener,
): Promise<RunningProcess> {
  const log = createLogger(config.LOG_LEVEL, 'api')
  const onError = (error: Error): void => log.warn({ err: error }, 'redis connection')
  const redis = connectRedis(config.REDIS_URL, 'request', onError)
  const subscriber = connectRedis(config.REDIS_URL, 'subscriber', onError)
  const store = openStoreFor(config, redis)
  const keysFit = waitForKeys(store.checkKeys)
  await Promise.race([keysFit, new Promise((resolve) => setTimeout(resolve, KEYS_WITHIN_MS).unref())])
  const phase = { isDraining: false, isStopping: false }
  const egress = createEgressFor(config)
  const finished = watchFinishedOperations(subscriber, onError)
  const held = createHeldRequests({ tenants: store.tenants, limits: limitsOf(config) })
  const app = createApp({
    config,
    egress,
    events: { nudge: (source) => void redis.publish(EVENTS_CHANNEL, eventSourceText(source)).catch(() => undefined) },
    finished,
    held,
    turns: new FairGate({ perKey: config.MUSTER_REQUESTS_AT_WORK, total: 8 * config.MUSTER_REQUESTS_AT_WORK }),
    isDraining: () => phase.isDraining,
    isStopping: () => phase.isStopping,
    log,
    metrics: createApiMetrics(),
    redis,
    schedule: createLaneSchedule(redis),
    store,
  })
  const { server, port } = await listen(app, config)
  log.info({ port }, 'listening')
  const stop = async (drains: boolean): Promise<void> => {
    phase.isDraining = true
    if (drains) await pause(config.MUSTER_DRAIN_SECONDS * 1000)
    phase.isStopping = true
    finished.release()
    await closeServer(server, config.MUSTER_SHUTDOWN_GRACE_SECONDS * 1000)
    held.stop()
    await egress.close()
    redis.disconnect()
    subscriber.disconnect()
  }
  return { log, keysFit, stop }
}

const openStoreFor = (config: ApiConfig, redis: Redis): Store =>
  openStore({
    redis,
    keyring: config.MUSTER_ENCRYPTION_KEYS,
    retentionMs: config.MUSTER_RETENTION_DAYS * 86_400_000,
    waitReplicas: config.MUSTER_WAIT_REPLICAS,
    limits: limitsOf(config),
  })

const createEgressFor = (config: ApiConfig): Egress =>
  createEgress({
    allowedHosts: config.MUSTER_ALLOWED_HOSTS,
    maxSockets: config.MUSTER_MAX_SOCKETS,
    nameServers: config.MUSTER_NAME_SERVERS,
    ports: config.MUSTER_ALLOWED_PORTS,
  })

async function listen(app: RequestListener, config: ApiConfig): Promise<{ server: Server; port: number }> {
  const server = createHttpServer(app, { keepAliveMs: config.MUSTER_KEEP_ALIVE_SECONDS * 1000 })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.MUSTER_PORT, config.MUSTER_HOST, resolve)
  })
  const { port } = server.address() as AddressInfo
  return { server, port }
}

/** Waits for open requests, and cuts them off after the grace time. */
async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const deadline = setTimeout(() => server.closeAllConnections(), graceMs)
  // Each answer closes its connection by now; this is for those that were answered just before.
  const idle = setInterval(() => server.closeIdleConnections(), 100)
  await closed
  clearInterval(idle)
  clearTimeout(deadline)
}
