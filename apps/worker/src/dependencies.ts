import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { BoundReachedError, unlimited } from '@muster/contracts/bounds'
import type { HttpClient } from '@muster/contracts/http-client'
import { createEgress, type Egress } from '@muster/egress/egress'
import type { AccountRecord } from '@muster/domain/account/record'
import type { EventSourceRef } from '@muster/domain/event'
import { LaneOwner } from '@muster/lanes/lane-owner'
import { createLaneSchedule } from '@muster/lanes/lane-schedule'
import { waitForKeys } from '@muster/store/crypto/check-keys'
import { defaultRetryPolicy } from '@muster/domain/operation/retry-policy'
import { connectRedis } from '@muster/store/redis/connect'
import { followRedisClock } from '@muster/store/redis/clock'
import { openStore } from '@muster/store/store'
import { UnreadableError } from '@muster/store/crypto/unreadable'
import { createLogger, type Logger } from '@muster/process/logger'
import { defaultWorkerId, type WorkerConfig } from './config.ts'
import { createBatchSupervisor } from './batches/batch-supervisor.ts'
import { createEventDispatcher } from './webhooks/event-dispatcher.ts'
import { WebhookDeliverer } from './webhooks/deliver-webhook.ts'
import { createRunOperation } from './operations/run-operation.ts'
import { serveHealth } from './health.ts'
import { startJanitor } from './janitors/janitor.ts'
import { AccountRechecks } from './janitors/recheck-accounts.ts'
import { createLaneSource, type LaneJobs } from './lane-source.ts'
import { createWorkerMetrics } from './metrics.ts'

/** How long the start waits for Redis to say whether the keys fit. */
const KEYS_WITHIN_MS = 1_000

export interface RunningWorker {
  log: Logger
  /** Rejects when Redis was away at the start, is there now, and was used with other keys. */
  keysFit: Promise<void>
  /**
   * Finishes or hands back what is under way within the grace time.
   * @param drains false: as soon as that is done, as for Ctrl-C; else health is served long enough to be seen.
   */
  stop(drains: boolean): Promise<void>
}

/** Everything the worker is made of, built in order and closed in reverse. */
export async function startWorker(config: WorkerConfig): Promise<RunningWorker> {
  const base = await openBase(config)
  const work = createWork(base)
  const { log, workerId } = base
  base.metrics.observe({ openLanes: () => work.owner.openLanes(), clockSkewMs: base.clock.skewMs })
  const health = await serveHealth({
    host: config.MUSTER_WORKER_HOST,
    port: config.MUSTER_WORKER_PORT,
    redis: base.redis,
    registry: base.metrics.registry,
    clockSkewMs: base.clock.skewMs,
    checkKeys: base.store.checkKeys,
  })
  let isStopping = false
  /** No work is taken before the keys are known to open it. */
  const keysFit = waitForKeys(base.store.checkKeys).then(() => {
    if (!isStopping) work.start()
  })
  await Promise.race([keysFit, new Promise((resolve) => setTimeout(resolve, KEYS_WITHIN_MS).unref())])
  log.info({ port: health.port, worker_id: workerId }, 'listening')

  return {
    log,
    keysFit,
    async stop(drains) {
      isStopping = true
      health.drain()
      const seen = pause(drains ? config.MUSTER_DRAIN_SECONDS * 1000 : 0)
      await work.stop()
      await seen
      await health.close()
      await base.close()
    },
  }
}

type Base = Awaited<ReturnType<typeof openBase>>

/** Connections, and what every part of the worker needs. */
async function openBase(config: WorkerConfig) {
  const workerId = config.MUSTER_WORKER_ID ?? `${defaultWorkerId()}:${randomUUID().slice(0, 8)}`
  const log = createLogger(config.LOG_LEVEL, 'worker')
  const metrics = createWorkerMetrics()
  const onUnreadable = (error: UnreadableError): void => {
    metrics.unreadable.inc({ record: kindOf(error) })
    log.error({ record: error.record, reason: error.message }, 'a record cannot be read, and what needs it is held')
  }
  const onError = (error: Error, accountId?: string): void => {
    if (error instanceof UnreadableError) onUnreadable(error)
    else if (error instanceof BoundReachedError)
      log.warn({ reason: error.message }, 'an event waits for a bound of its tenant')
    else log.error({ err: error, account_id: accountId }, 'error')
  }
  const redis = connectRedis(config.REDIS_URL, 'worker', onError)
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
    waitReplicas: 0,
    // What else a worker writes was accepted before.
    limits: {
      ...unlimited,
      callbackHosts: config.MUSTER_MAX_CALLBACK_HOSTS,
      pendingDeliveries: config.MUSTER_MAX_PENDING_DELIVERIES,
    },
  })
  const clock = await followRedisClock(redis, onError)
  const schedule = createLaneSchedule(redis)
  const close = async (): Promise<void> => {
    await egress.close()
    clock.stop()
    redis.disconnect()
    subscriber.disconnect()
  }
  return {
    config,
    workerId,
    log,
    metrics,
    onUnreadable,
    onError,
    redis,
    subscriber,
    egress,
    store,
    clock,
    schedule,
    close,
  }
}

/** All that runs by itself: lanes, batches, events, and the janitor. */
function createWork(base: Base) {
  const { config, workerId, redis, subscriber, clock, onError } = base
  const dispatcher = createEventDispatcher(base)
  const onEvent = dispatcher.nudge
  const supervisor = createBatchSupervisor({ ...base, onEvent })
  const owner = new LaneOwner({
    redis,
    subscriber,
    ownerId: workerId,
    maxLanes: config.MUSTER_MAX_LANES,
    source: createLaneSource(base.store, clock, createJobs(base, onEvent, supervisor.nudge)),
    onError,
    now: clock.now,
  })
  const rechecks = new AccountRechecks({
    ...base,
    httpFor: providerHttp(base),
    allowedHosts: config.MUSTER_ALLOWED_HOSTS,
    firstRecheckMs: config.MUSTER_RECHECK_SECONDS * 1000,
    onEvent,
  })
  const retentionMs = config.MUSTER_RETENTION_DAYS * 86_400_000
  let janitor: { stop(): void } | undefined
  return {
    owner,
    start(): void {
      dispatcher.start()
      supervisor.start()
      const recheckAccount = (account: AccountRecord): void => rechecks.consider(account)
      const superviseBatch = supervisor.supervise
      janitor = startJanitor({ ...base, onEvent, superviseBatch, recheckAccount, retentionMs })
      owner.start()
    },
    async stop(): Promise<void> {
      janitor?.stop()
      rechecks.stop()
      dispatcher.stop()
      supervisor.stop()
      await owner.stop(config.MUSTER_SHUTDOWN_GRACE_SECONDS * 1000)
    },
  }
}

/** What lanes run: operations at providers, and deliveries to receivers. */
function createJobs(
  base: Base,
  onEvent: (source: EventSourceRef) => void,
  onBatch: (batchId: string) => void,
): LaneJobs {
  const { config, egress, onUnreadable } = base
  const deliverer = new WebhookDeliverer({
    ...base,
    httpFor: egress.httpFor,
    schedule: config.MUSTER_WEBHOOK_SCHEDULE,
    timeoutMs: config.MUSTER_WEBHOOK_TIMEOUT_MS,
    disableAfterMs: config.MUSTER_WEBHOOK_DISABLE_AFTER_HOURS * 3_600_000,
    onEvent,
  })
  return {
    runOperation: createRunOperation({
      ...base,
      httpFor: providerHttp(base),
      allowedHosts: config.MUSTER_ALLOWED_HOSTS,
      policy: { ...defaultRetryPolicy, maxAttempts: config.MUSTER_MAX_ATTEMPTS },
      onEvent,
      onBatch,
    }),
    deliverWebhook: (endpointId, jobId, context) => deliverer.run(endpointId, jobId, context),
    onUnreadable,
  }
}

const providerHttp =
  ({ config, egress }: Base): Egress['httpFor'] =>
  (caller) =>
    capTimeouts(egress.httpFor(caller), config.MUSTER_PROVIDER_TIMEOUT_MS)

/** `operation:<id>:request` is of an operation. Damaged or not, a record's name is ours, so the kinds are few. */
const kindOf = ({ record }: UnreadableError): string => record.split(':')[0] ?? ''

const capTimeouts =
  (http: HttpClient, capMs = Infinity): HttpClient =>
  (request) =>
    http({ ...request, timeoutMs: Math.min(request.timeoutMs, capMs) })
