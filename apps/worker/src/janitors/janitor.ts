import type { EventSourceRef } from '@muster/domain/event'
import { accountLane, endpointLane } from '@muster/domain/lane-id'
import type { LaneSchedule } from '@muster/lanes/lane-schedule'
import type { AccountRecord } from '@muster/domain/account/record'
import { keys } from '@muster/store/redis/keys'
import type { Redis } from '@muster/store/redis/connect'
import { isRedisUnavailable } from '@muster/store/redis/error'
import type { Clock } from '@muster/store/redis/clock'
import type { Store } from '@muster/store/store'
import { expireOperations } from './expire-operations.ts'

const EVERY_MS = 5_000
/** Indexes only grow by what is accepted: once an hour is enough, where things are kept for longer. */
const TRIM_EVERY_MS = 3_600_000

/** Longer than an event takes from its outbox to its delivery, so that a lane is not taken from under one. */
const CALLBACK_KEPT_MS = 86_400_000

export interface JanitorOptions {
  store: Store
  redis: Redis
  schedule: LaneSchedule
  clock: Clock
  /** Events wait at a source. */
  onEvent(source: EventSourceRef): void
  superviseBatch(batchId: string): Promise<void>
  /** Of every account, at every sweep; returns at once. */
  recheckAccount(account: AccountRecord): void
  workerId: string
  retentionMs: number
  onError(error: Error): void
}

/**
 * What must happen although nobody asks: expiry, work that a crash left unannounced, indexes of operations that have
 * left. One process at a time.
 */
export function startJanitor({
  store,
  redis,
  schedule,
  clock,
  workerId,
  retentionMs,
  onEvent,
  superviseBatch,
  recheckAccount,
  onError,
}: JanitorOptions): { stop(): void } {
  let trimmedAt = clock.now()
  let running: Promise<void> | null = null

  async function sweep(): Promise<void> {
    const isMine =
      (await redis.set(keys.janitorLease, workerId, 'PX', EVERY_MS * 3, 'NX')) === 'OK' ||
      (await redis.get(keys.janitorLease)) === workerId
    if (!isMine) return
    await redis.pexpire(keys.janitorLease, EVERY_MS * 3)
    const now = clock.now()
    const isTrimming = now - trimmedAt > Math.min(TRIM_EVERY_MS, retentionMs)
    for (const accountId of await store.accounts.listIds()) await each(() => tendAccount(accountId, now, isTrimming))
    for (const batchId of await store.batches.listOpenIds()) await each(() => superviseBatch(batchId))
    for (const tenantId of await store.tenants.listIds()) {
      for (const endpointId of await store.webhookEndpoints.listIds(tenantId))
        await each(() => tendEndpoint(endpointId, isTrimming))
      if (isTrimming) await each(() => trimTenant(tenantId, now))
    }
    if (!isTrimming) return
    trimmedAt = now
  }

  async function trimTenant(tenantId: string, now: number): Promise<void> {
    await store.operations.trimIndex({ tenantId }, now)
    await store.batches.trimIndex(tenantId)
    // Accounts that were removed leave the tenant's sum, and so does what a process had accepted that died before its
    // report.
    await store.openWork.recount(tenantId)
  }

  /** What goes wrong with one, of one tenant, must not keep the others from being looked after. */
  async function each(work: () => Promise<void>): Promise<void> {
    await work().catch((error: unknown) => {
      if (isRedisUnavailable(error)) throw error
      onError(error as Error)
    })
  }

  async function tendAccount(accountId: string, now: number, isTrimming: boolean): Promise<void> {
    await expireOperations(store, accountId, now, onError)
    const account = await store.accounts.read(accountId)
    if (account) recheckAccount(account)
    await dispatchWaiting({ kind: 'account', id: accountId })
    // The process that accepted it died before it woke the lane, or the lane's owner between two steps of closing it.
    const lane = accountLane(accountId)
    const isForgotten = (await store.operations.countOpen(accountId)) > 0 && !(await schedule.has(lane))
    if (isForgotten || (await store.operations.readOutbox(lane, 1)).length > 0) await schedule.wake(lane)
    if (isTrimming) await store.operations.trimIndex({ accountId }, now)
  }

  async function dispatchWaiting(source: EventSourceRef): Promise<void> {
    if ((await redis.exists(keys.eventOutbox(source))) === 1) onEvent(source)
  }

  /** Deliveries whose lane nobody was told of, and the endpoint's own events. */
  async function tendEndpoint(endpointId: string, isTrimming: boolean): Promise<void> {
    const lane = endpointLane(endpointId)
    await dispatchWaiting({ kind: 'endpoint', id: endpointId })
    const isForgotten = (await store.deliveries.countPending(endpointId)) > 0 && !(await schedule.has(lane))
    if (isForgotten || (await store.operations.readOutbox(lane, 1)).length > 0) await schedule.wake(lane)
    if (!isTrimming) return
    await store.deliveries.trimIndex(endpointId)
    // Hosts of callback addresses come and go with the requests.
    const endpoint = await store.webhookEndpoints.read(endpointId)
    if (
      endpoint?.kind !== 'callback' ||
      clock.now() - endpoint.createdAt < Math.min(CALLBACK_KEPT_MS, retentionMs) ||
      (await store.deliveries.listIds(endpointId, null, 1)).length > 0
    )
      return
    await store.webhookEndpoints.remove(endpoint)
    await schedule.reload(lane)
  }

  const timer = setInterval(() => {
    running ??= sweep()
      .catch((error: unknown) => onError(error as Error))
      .finally(() => {
        running = null
      })
  }, EVERY_MS)
  return {
    /** A sweep under way may be cut off anywhere; waiting for it could take as long as Redis is away. */
    stop() {
      clearInterval(timer)
    },
  }
}
