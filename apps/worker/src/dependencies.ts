import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { unlimited } from '@muster/contracts/bounds'
import type { HttpClient } from '@muster/contracts/http-client'
import { createEgress, type Egress } from '@muster/egress/egress'
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
import { createDeliverWebhook } from './webhooks/deliver-webhook.ts'
import { createRunOperation } from './operations/run-operation.ts'
import { serveHealth } from './health.ts'
import { startJanitor } from './janitors/janitor.ts'
import { createAccountRechecks } from './janitors/recheck-accounts.ts'
import { createLaneSource } from './lane-source.ts'
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
  const workerId = config.MUSTER_WORKER_ID ?? `${defaultWorkerId()}:${randomUUID().slice(0, 8)}`
  const log = createLogger(config.LOG_LEVEL, 'worker')
  const onUnreadable = (error: UnreadableError): void => {
    metrics.unreadable.inc({ record: kindOf(error) })
    log.error({ record: error.record, reason: error.message }, 'a record cannot be read, and what needs it is held')
  }
  const onError = (error: Error, accountId?: string): void =>
    error instanceof UnreadableError ? onUnreadable(error) : log.error({ err: error, account_id: accountId }, 'error')
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
    // What a worker writes was accepted before.
    limits: unlimited,
  })
  const clock = await followRedisClock(redis, onError)
  const metrics = createWorkerMetrics({ openLanes: () => owner.openLanes(), clockSkewMs: clock.skewMs })
  const schedule = createLaneSchedule(redis)
  const dispatcher = createEventDispatcher({ store, schedule, subscriber, clock, onError })
  const batchSupervisor = createBatchSupervisor({
    store,
    schedule,
    redis,
    subscriber,
    clock,
    onEvent: dispatcher.nudge,
    onError,
  })
  const httpFor: Egress['httpFor'] = (caller) => capTimeouts(egress.httpFor(caller), config.MUSTER_PROVIDER_TIMEOUT_MS)
  const runOperation = createRunOperation({
    store,
    httpFor,
    allowedHosts: config.MUSTER_ALLOWED_HOSTS,
    policy: { ...defaultRetryPolicy, maxAttempts: config.MUSTER_MAX_ATTEMPTS },
    clock,
    log,
    metrics,
    onEvent: dispatcher.nudge,
    onBatch: batchSupervisor.nudge,
  })
  const deliverWebhook = createDeliverWebhook({
    store,
    httpFor: egress.httpFor,
    schedule: config.MUSTER_WEBHOOK_SCHEDULE,
    timeoutMs: config.MUSTER_WEBHOOK_TIMEOUT_MS,
    disableAfterMs: config.MUSTER_WEBHOOK_DISABLE_AFTER_HOURS * 3_600_000,
    clock,
    log,
    metrics,
    onEvent: dispatcher.nudge,
  })
  const owner = new LaneOwner({
    redis,
    subscriber,
    ownerId: workerId,
    maxLanes: config.MUSTER_MAX_LANES,
    source: createLaneSource(store, clock, { runOperation, deliverWebhook, onUnreadable }),
    onError,
    now: clock.now,
  })
  const rechecks = createAccountRechecks({
    store,
    httpFor,
    allowedHosts: config.MUSTER_ALLOWED_HOSTS,
    schedule,
    clock,
    log,
    firstRecheckMs: config.MUSTER_RECHECK_SECONDS * 1000,
    onEvent: dispatcher.nudge,
    onError,
  })
  const health = await serveHealth({
    host: config.MUSTER_WORKER_HOST,
    port: config.MUSTER_WORKER_PORT,
    redis,
    registry: metrics.registry,
    clockSkewMs: clock.skewMs,
    checkKeys: store.checkKeys,
  })
  let janitor: { stop(): void } | undefined
  let isStopping = false
  /** Nothing is taken up before the keys are known to open it. */
  const keysFit = waitForKeys(store.checkKeys).then(async () => {
    if (isStopping) return
    dispatcher.start()
    batchSupervisor.start()
    janitor = startJanitor({
      store,
      redis,
      schedule,
      clock,
      onEvent: dispatcher.nudge,
      superviseBatch: batchSupervisor.supervise,
      recheckAccount: rechecks.consider,
      workerId,
      retentionMs: config.MUSTER_RETENTION_DAYS * 86_400_000,
      onError,
    })
    owner.start()
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
      janitor?.stop()
      rechecks.stop()
      dispatcher.stop()
      batchSupervisor.stop()
      await owner.stop(config.MUSTER_SHUTDOWN_GRACE_SECONDS * 1000)
      await seen
      await health.close()
      await egress.close()
      clock.stop()
      redis.disconnect()
      subscriber.disconnect()
    },
  }
}

/** `operation:<id>:request` is of an operation. Damaged or not, a record's name is ours, so the kinds are few. */
const kindOf = ({ record }: UnreadableError): string => record.split(':')[0] ?? ''

const capTimeouts =
  (http: HttpClient, capMs = Infinity): HttpClient =>
  (request) =>
    http({ ...request, timeoutMs: Math.min(request.timeoutMs, capMs) })
