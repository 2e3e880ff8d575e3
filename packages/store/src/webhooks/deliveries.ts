import { endpointLane } from '@muster/domain/lane-id'
import { deliveryIdOf, type DeliveryRecord, type DeliveryState } from '@muster/domain/delivery/record'
import { newDelivery, replayDelivery } from '@muster/domain/delivery/state'
import type { EventRecord } from '@muster/domain/event'
import type { Keyring } from '../crypto/keyring.ts'
import { keys } from '../redis/keys.ts'
import { jobIdOf } from '@muster/domain/operation/record'
import { defineScript, type Redis } from '../redis/connect.ts'
import { readOrSkip, type OnUnreadable } from '../crypto/unreadable.ts'

/** As for operations: somebody else wrote it since it was read. */
export class StaleDeliveryError extends Error {
  override readonly name = 'StaleDeliveryError'
}

const DAY_MS = 86_400_000
/** The longest schedule there may be, and a little: until then a delivery that waits must not go. */
const LONGEST_SCHEDULE_MS = 30 * DAY_MS

/**
 * KEYS endpoint, delivery, index, outbox, pending
 * ARGV id, head, state, url, time, lifetime
 * Handing the same event over twice is handing it over once, as long as the delivery is there.
 */
const createScript = defineScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
redis.call('HSET', KEYS[2], 'head', ARGV[2], 'state', ARGV[3], 'version', 1)
if ARGV[4] ~= '' then redis.call('HSET', KEYS[2], 'url', ARGV[4]) end
redis.call('PEXPIRE', KEYS[2], ARGV[6])
redis.call('ZADD', KEYS[3], 0, ARGV[1])
redis.call('ZADD', KEYS[4], ARGV[5], '+' .. ARGV[1])
redis.call('ZADD', KEYS[5], ARGV[5], ARGV[1])
return 1
`)

/**
 * KEYS delivery, outbox, pending. ARGV version read, state, lifetime, job to add ('' for none), time, id, is pending,
 * sealed replies ('' to keep).
 */
const saveScript = defineScript(`
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return nil end
redis.call('HSET', KEYS[1], 'state', ARGV[2])
if ARGV[8] ~= '' then redis.call('HSET', KEYS[1], 'replies', ARGV[8]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if ARGV[4] ~= '' then redis.call('ZADD', KEYS[2], ARGV[5], '+' .. ARGV[4]) end
if ARGV[7] == '1' then redis.call('ZADD', KEYS[3], ARGV[5], ARGV[6]) else redis.call('ZREM', KEYS[3], ARGV[6]) end
return redis.call('HINCRBY', KEYS[1], 'version', 1)
`)

const boundTo = (deliveryId: string, field: 'url' | 'replies'): string => `delivery:${deliveryId}:${field}`

const FIELDS = ['head', 'state', 'version', 'replies'] as const
type Row = (Buffer | null)[]
/** By the number of the attempt. */
type Replies = Record<string, string>

export type Deliveries = ReturnType<typeof createDeliveries>

/**
 * One event on its way to one endpoint. The event names nobody, so only the address is sealed, and what receivers
 * answer: some say again what they were told.
 */
export function createDeliveries({
  redis,
  keyring,
  retentionMs,
}: {
  redis: Redis
  keyring: Keyring
  retentionMs: number
}) {
  function toRecord(id: string, [head, state, version, sealed]: Row): DeliveryRecord | undefined {
    if (!head || !state || !version) return undefined
    const replies = sealed ? (keyring.open(sealed, boundTo(id, 'replies')) as Replies) : {}
    const stored = JSON.parse(state.toString()) as DeliveryState
    return {
      ...(JSON.parse(head.toString()) as Omit<DeliveryRecord, 'state' | 'version'>),
      state: {
        ...stored,
        attempts: stored.attempts.map((attempt) => ({ ...attempt, reply: replies[attempt.number] ?? null })),
      },
      version: Number(version),
    }
  }

  async function read(endpointId: string, deliveryId: string): Promise<DeliveryRecord | undefined> {
    return toRecord(deliveryId, await redis.hmgetBuffer(keys.delivery(endpointId, deliveryId), ...FIELDS))
  }

  async function save(
    record: DeliveryRecord,
    state: DeliveryState,
    lifetimeMs: number,
    jobId = '',
  ): Promise<DeliveryRecord> {
    const replies: Replies = Object.fromEntries(
      state.attempts.flatMap(({ number, reply }) => (reply === null ? [] : [[number, reply]])),
    )
    const version = await saveScript(
      redis,
      [
        keys.delivery(record.endpointId, record.id),
        keys.outbox(endpointLane(record.endpointId)),
        keys.pendingDeliveries(record.endpointId),
      ],
      [
        record.version,
        JSON.stringify({ ...state, attempts: state.attempts.map((attempt) => ({ ...attempt, reply: null })) }),
        lifetimeMs,
        jobId,
        state.updatedAt,
        record.id,
        state.status === 'pending' ? 1 : 0,
        Object.keys(replies).length === 0 ? '' : keyring.seal(replies, boundTo(record.id, 'replies')),
      ],
    )
    if (version === null) throw new StaleDeliveryError(record.id)
    return { ...record, state, version: Number(version) }
  }

  return {
    read,

    /**
     * Resolves with the id, or undefined when the endpoint is gone; an event that was handed over before is not written
     * again.
     */
    async create(
      endpoint: { id: string; tenantId: string },
      event: EventRecord,
      callbackUrl: string | undefined,
      now: number,
    ): Promise<string | undefined> {
      const id = deliveryIdOf(event.id, endpoint.id)
      const lifetimeMs = retentionMs + LONGEST_SCHEDULE_MS
      const head = { id, endpointId: endpoint.id, tenantId: endpoint.tenantId, createdAt: now, event }
      // Outside the endpoint's slot; without the delivery it leads nowhere, and expires.
      await redis.set(keys.deliveryLocator(id), endpoint.id, 'PX', lifetimeMs)
      const written = await createScript(
        redis,
        [
          keys.webhookEndpoint(endpoint.id),
          keys.delivery(endpoint.id, id),
          keys.deliveries(endpoint.id),
          keys.outbox(endpointLane(endpoint.id)),
          keys.pendingDeliveries(endpoint.id),
        ],
        [
          id,
          JSON.stringify(head),
          JSON.stringify(newDelivery(now)),
          callbackUrl === undefined ? '' : keyring.seal(callbackUrl, boundTo(id, 'url')),
          now,
          lifetimeMs,
        ],
      )
      if (written === 1) return id
      await redis.del(keys.deliveryLocator(id))
      return undefined
    },

    countPending: (endpointId: string): Promise<number> => redis.zcard(keys.pendingDeliveries(endpointId)),

    endpointIdOf: (deliveryId: string): Promise<string | null> => redis.get(keys.deliveryLocator(deliveryId)),

    /** The address that came with the request; undefined where the endpoint has its own. */
    async readUrl(record: DeliveryRecord): Promise<string | undefined> {
      const sealed = await redis.hgetBuffer(keys.delivery(record.endpointId, record.id), 'url')
      return sealed ? String(keyring.open(sealed, boundTo(record.id, 'url'))) : undefined
    },

    /** @throws StaleDeliveryError when the record has moved on; then nothing was written. */
    async recordAttempt(record: DeliveryRecord, state: DeliveryState): Promise<DeliveryRecord> {
      if (state.status === 'pending') return save(record, state, retentionMs + LONGEST_SCHEDULE_MS)
      const saved = await save(record, state, retentionMs)
      await redis.pexpire(keys.deliveryLocator(record.id), retentionMs + DAY_MS)
      return saved
    },

    /**
     * Back into the lane, from the start of the schedule. Resolves with undefined when somebody else wrote it, or it is
     * gone.
     */
    async replay(record: DeliveryRecord, now: number): Promise<DeliveryRecord | undefined> {
      const state = replayDelivery(record.state, now)
      await redis.pexpire(keys.deliveryLocator(record.id), retentionMs + LONGEST_SCHEDULE_MS)
      return save(record, state, retentionMs + LONGEST_SCHEDULE_MS, jobIdOf(record.id, state.run)).catch(
        (error: unknown) => {
          if (error instanceof StaleDeliveryError) return undefined
          throw error
        },
      )
    },

    /** Ids of a page, newest first, older than `before`. */
    listIds: (endpointId: string, before: string | null, count: number): Promise<string[]> =>
      redis.zrevrangebylex(keys.deliveries(endpointId), before === null ? '+' : `(${before}`, '-', 'LIMIT', 0, count),

    /** Those that are still there and can be read, in the order asked for. */
    async readMany(
      endpointId: string,
      ids: readonly string[],
      onUnreadable: OnUnreadable = () => undefined,
    ): Promise<DeliveryRecord[]> {
      const pipeline = redis.pipeline()
      for (const id of ids) pipeline.hmgetBuffer(keys.delivery(endpointId, id), ...FIELDS)
      return ((await pipeline.exec()) ?? []).flatMap(
        ([, row], index) => readOrSkip(() => toRecord(ids[index] ?? '', row as Row), onUnreadable) ?? [],
      )
    },

    /** Takes what has left out of the index. */
    async trimIndex(endpointId: string): Promise<void> {
      for (let before: string | null = null; ;) {
        const ids = await this.listIds(endpointId, before, 1_000)
        const pipeline = redis.pipeline()
        for (const id of ids) pipeline.exists(keys.delivery(endpointId, id))
        const present = (await pipeline.exec()) ?? []
        const gone = ids.filter((_, index) => present[index]?.[1] === 0)
        if (gone.length > 0)
          await redis
            .multi()
            .zrem(keys.deliveries(endpointId), ...gone)
            .zrem(keys.pendingDeliveries(endpointId), ...gone)
            .exec()
        before = ids.at(-1) ?? null
        if (ids.length < 1_000) return
      }
    },

    /** Every delivery of an endpoint that was removed, page by page. */
    async removeAll(endpointId: string): Promise<void> {
      for (;;) {
        const ids = await this.listIds(endpointId, null, 500)
        if (ids.length === 0) break
        await redis.del(...ids.map((id) => keys.delivery(endpointId, id)))
        await redis.del(...ids.map((id) => keys.deliveryLocator(id)))
        await redis.zrem(keys.deliveries(endpointId), ...ids)
      }
      await redis.del(
        keys.deliveries(endpointId),
        keys.pendingDeliveries(endpointId),
        keys.outbox(endpointLane(endpointId)),
      )
    },
  }
}
