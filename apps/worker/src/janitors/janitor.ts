import type { AccountRecord } from '@muster/domain/account/record'
import type { EventSourceRef } from '@muster/domain/event'
import { accountLane, endpointLane, type LaneId } from '@muster/domain/lane-id'
import type { LaneSchedule } from '@muster/lanes/lane-schedule'
import type { Clock } from '@muster/store/redis/clock'
import type { Redis } from '@muster/store/redis/connect'
import { isRedisUnavailable } from '@muster/store/redis/error'
import { keys } from '@muster/store/redis/keys'
import type { Store } from '@muster/store/store'
import { expireOperations } from './expire-operations.ts'

const EVERY_MS = 5_000
/** Indexes grow only by what is accepted: once an hour is enough, where records are kept for longer. */
const TRIM_EVERY_MS = 3_600_000
/** Longer than an event takes from its outbox to its delivery, so that its lane is not removed first. */
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
 * Starts what must happen without a request: expiry, work that a crash left unannounced, the trimming of indexes. One
 * process at a time does it.
 */
export function startJanitor(options: JanitorOptions): { stop(): void } {
  const janitor = new Janitor(options)
  let running: Promise<void> | null = null
  const timer = setInterval(() => {
    running ??= janitor
      .sweep()
      .catch((error: unknown) => options.onError(error as Error))
      .finally(() => {
        running = null
      })
  }, EVERY_MS)
  // A sweep may be cut off anywhere, and waiting for it could take as long as Redis is away.
  return { stop: () => clearInterval(timer) }
}

class Janitor {
  readonly #options: JanitorOptions
  #trimmedAt: number

  constructor(options: JanitorOptions) {
    this.#options = options
    this.#trimmedAt = options.clock.now()
  }

  async sweep(): Promise<void> {
    if (!(await this.#takeLease())) return
    const { store, clock, retentionMs, superviseBatch } = this.#options
    const now = clock.now()
    const isTrimming = now - this.#trimmedAt > Math.min(TRIM_EVERY_MS, retentionMs)
    for (const accountId of await store.accounts.listIds())
      await this.#isolate(() => this.#checkAccount(accountId, now, isTrimming))
    for (const batchId of await store.batches.listOpenIds()) await this.#isolate(() => superviseBatch(batchId))
    for (const tenantId of await store.tenants.listIds()) {
      for (const endpointId of await store.webhookEndpoints.listIds(tenantId))
        await this.#isolate(() => this.#checkEndpoint(endpointId, isTrimming))
      if (isTrimming) await this.#isolate(() => this.#trimTenant(tenantId, now))
    }
    if (isTrimming) this.#trimmedAt = now
  }

  async #takeLease(): Promise<boolean> {
    const { redis, workerId } = this.#options
    const isMine =
      (await redis.set(keys.janitorLease, workerId, 'PX', EVERY_MS * 3, 'NX')) === 'OK' ||
      (await redis.get(keys.janitorLease)) === workerId
    if (isMine) await redis.pexpire(keys.janitorLease, EVERY_MS * 3)
    return isMine
  }

  /** An error with one record, of one tenant, must not keep the others from being checked. */
  async #isolate(work: () => Promise<void>): Promise<void> {
    await work().catch((error: unknown) => {
      if (isRedisUnavailable(error)) throw error
      this.#options.onError(error as Error)
    })
  }

  async #checkAccount(accountId: string, now: number, isTrimming: boolean): Promise<void> {
    const { store, recheckAccount, onError } = this.#options
    await expireOperations(store, accountId, now, onError)
    const account = await store.accounts.read(accountId)
    if (account) recheckAccount(account)
    await this.#announceEvents({ kind: 'account', id: accountId })
    await this.#wakeForgotten(accountLane(accountId), await store.operations.countOpen(accountId))
    if (isTrimming) await store.operations.trimIndex({ accountId }, now)
  }

  async #checkEndpoint(endpointId: string, isTrimming: boolean): Promise<void> {
    const { store } = this.#options
    await this.#announceEvents({ kind: 'endpoint', id: endpointId })
    await this.#wakeForgotten(endpointLane(endpointId), await store.deliveries.countPending(endpointId))
    if (!isTrimming) return
    await store.deliveries.trimIndex(endpointId)
    await this.#removeUnusedCallback(endpointId)
  }

  async #announceEvents(source: EventSourceRef): Promise<void> {
    const { redis, onEvent } = this.#options
    if ((await redis.exists(keys.eventOutbox(source))) === 1) onEvent(source)
  }

  /** The process that accepted the work died before it woke the lane, or the lane's owner while closing it. */
  async #wakeForgotten(laneId: LaneId, openCount: number): Promise<void> {
    const { store, schedule } = this.#options
    const isForgotten = openCount > 0 && !(await schedule.has(laneId))
    if (isForgotten || (await store.operations.readOutbox(laneId, 1)).length > 0) await schedule.wake(laneId)
  }

  /** Hosts of callback addresses come and go with the requests. */
  async #removeUnusedCallback(endpointId: string): Promise<void> {
    const { store, schedule, clock, retentionMs } = this.#options
    const endpoint = await store.webhookEndpoints.read(endpointId)
    if (endpoint?.kind !== 'callback') return
    if (clock.now() - endpoint.createdAt < Math.min(CALLBACK_KEPT_MS, retentionMs)) return
    if ((await store.deliveries.listIds(endpointId, null, 1)).length > 0) return
    await store.webhookEndpoints.remove(endpoint)
    await schedule.reload(endpointLane(endpointId))
  }

  async #trimTenant(tenantId: string, now: number): Promise<void> {
    const { store } = this.#options
    await store.operations.trimIndex({ tenantId }, now)
    await store.batches.trimIndex(tenantId)
    // Removed accounts leave the tenant's sum, and so does what a process accepted and died before reporting.
    await store.openWork.recount(tenantId)
  }
}
