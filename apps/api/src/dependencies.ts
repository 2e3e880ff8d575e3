import { eventSourceText, type EventSourceRef } from '@muster/domain/event'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { createEgress, type Egress } from '@muster/egress/egress'
import { createLaneSchedule, type LaneSchedule } from '@muster/lanes/lane-schedule'
import { waitForKeys } from '@muster/store/crypto/check-keys'
import { EVENTS_CHANNEL } from '@muster/store/redis/keys'
import { connectRedis, type Redis } from '@muster/store/redis/connect'
import { openStore, type Store } from '@muster/store/store'
import { createLogger, type Logger } from '@muster/process/logger'
import { limitsOf, type ApiConfig } from './config.ts'
import { watchFinishedOperations, type FinishedOperations } from './operations/finished-operations.ts'
import { createHeldRequests, type HeldRequests } from './http/held-requests.ts'
import { FairGate } from '@muster/egress/fair-gate'
import { createHttpServer } from './http/http-server.ts'
import { createApiMetrics, type ApiMetrics } from './metrics.ts'

/** How long the start waits for Redis to say whether the keys fit. */
const KEYS_WITHIN_MS = 1_000

export interface ApiDependencies {
  config: ApiConfig
  egress: Egress
  /** Tells the workers that something happened at a source; whoever misses it finds out by looking. */
  events: { nudge(source: EventSourceRef): void }
  finished: FinishedOperations
  held: HeldRequests
  turns: FairGate
  /** Another process is to be asked: said by /readyz, and each answer closes its connection. */
  isDraining(): boolean
  /** What would go on by itself ends. */
  isStopping(): boolean
  log: Logger
  metrics: ApiMetrics
  redis: Redis
  schedule: LaneSchedule
  store: Store
}

export interface RunningApi {
  log: Logger
  port: number
  /** Rejects when Redis was away at the start, is there now, and was used with other keys. */
  keysFit: Promise<void>
  /** @param drains false: at once, as for Ctrl-C; else new requests are served for a while, by those who know no better. */
  stop(drains: boolean): Promise<void>
}

/** Everything the API is made of, built in order and closed in reverse. */
export async function startApi(
  config: ApiConfig,
  createApp: (dependencies: ApiDependencies) => RequestListener,
): Promise<RunningApi> {
  const log = createLogger(config.LOG_LEVEL, 'api')
  const onError = (error: Error): void => log.warn({ err: error }, 'redis connection')
  const redis = connectRedis(config.REDIS_URL, 'request', onError)
  const subscriber = connectRedis(config.REDIS_URL, 'subscriber', onError)
  const egress = createEgress({
    allowedHosts: config.MUSTER_ALLOWED_HOSTS,
    maxSockets: config.MUSTER_MAX_SOCKETS,
    nameServers: config.MUSTER_NAME_SERVERS,
    ports: config.MUSTER_ALLOWED_PORTS,
  })
  const store = openStore({
    redis,
    keyring: config.MUSTER_ENCRYPTION_KEYS,
    retentionMs: config.MUSTER_RETENTION_DAYS * 86_400_000,
    waitReplicas: config.MUSTER_WAIT_REPLICAS,
    limits: limitsOf(config),
  })
  const keysFit = waitForKeys(store.checkKeys)
  await Promise.race([keysFit, new Promise((resolve) => setTimeout(resolve, KEYS_WITHIN_MS).unref())])
  let draining = false
  let stopping = false
  const finished = watchFinishedOperations(subscriber, onError)
  const held = createHeldRequests({ tenants: store.tenants, limits: limitsOf(config) })
  const app = createApp({
    config,
    egress,
    events: { nudge: (source) => void redis.publish(EVENTS_CHANNEL, eventSourceText(source)).catch(() => undefined) },
    finished,
    held,
    turns: new FairGate({ perKey: config.MUSTER_REQUESTS_AT_WORK, total: 8 * config.MUSTER_REQUESTS_AT_WORK }),
    isDraining: () => draining,
    isStopping: () => stopping,
    log,
    metrics: createApiMetrics(),
    redis,
    schedule: createLaneSchedule(redis),
    store,
  })
  const server = createHttpServer(app, { keepAliveMs: config.MUSTER_KEEP_ALIVE_SECONDS * 1000 })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.MUSTER_PORT, config.MUSTER_HOST, resolve)
  })
  const { port } = server.address() as AddressInfo
  log.info({ port }, 'listening')
  return {
    log,
    port,
    keysFit,
    async stop(drains) {
      draining = true
      if (drains) await pause(config.MUSTER_DRAIN_SECONDS * 1000)
      stopping = true
      finished.release()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      const deadline = setTimeout(() => server.closeAllConnections(), config.MUSTER_SHUTDOWN_GRACE_SECONDS * 1000)
      // Each answer closes its connection from now on; this is for those whose answer was on its way already.
      const idle = setInterval(() => server.closeIdleConnections(), 100)
      await closed
      clearInterval(idle)
      held.stop()
      clearTimeout(deadline)
      await egress.close()
      redis.disconnect()
      subscriber.disconnect()
    },
  }
}
