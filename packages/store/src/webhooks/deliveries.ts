import { endpointLane } from '@muster/domain/lane-id'
import { deliveryIdOf, type DeliveryRecord, type DeliveryState } from '@muster/domain/delivery/record'
import { newDelivery, replayDelivery } from '@muster/domain/delivery/state'
import type { EventRecord } from '@muster/domain/event'
import { bindings } from '../crypto/bindings.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { keys } from '../redis/keys.ts'
import { jobIdOf } from '@muster/domain/operation/record'
import type { Redis } from '../redis/connect.ts'
import { findGone, idPagesOf } from '../redis/pages.ts'
import { defineScript } from '../redis/script.ts'
import { readOrSkip, type OnUnreadable } from '../crypto/unreadable.ts'

/** As for operations: somebody else wrote it since it was read. */
export class StaleDeliveryError extends Error {
  override readonly name = 'StaleDeliveryError'
}

const DAY_MS = 86_400_000
/** The longest schedule there may be, and a little: until then a delivery that waits must not go. */
const LONGEST_SCHEDULE_MS = 30 * DAY_MS

/** While the delivery is there, the same event given again changes nothing. Resolves with 0 without the endpoint. */
const createScript = defineScript({
  keys: ['endpoint', 'delivery', 'index', 'outbox', 'pending'],
  args: ['id', 'head', 'state', 'url', 'at', 'lifetimeMs'],
  lua: `
if redis.call('EXISTS', endpoint) == 0 then return 0 end
if redis.call('EXISTS', delivery) == 1 then return 1 end
redis.call('HSET', delivery, 'head', head, 'state', state, 'version', 1)
if url ~= '' then redis.call('HSET', delivery, 'url', url) end
redis.call('PEXPIRE', delivery, lifetimeMs)
redis.call('ZADD', index, 0, id)
redis.call('ZADD', outbox, at, '+' .. id)
redis.call('ZADD', pending, at, id)
return 1
`,
})

/** `job` is '' where none is added, `replies` '' where what is kept stays. */
const saveScript = defineScript({
  keys: ['delivery', 'outbox', 'pending'],
  args: ['id', 'version', 'state', 'replies', 'isPending', 'job', 'at', 'lifetimeMs'],
  lua: `
if redis.call('HGET', delivery, 'version') ~= version then return nil end
redis.call('HSET', delivery, 'state', state)
if replies ~= '' then redis.call('HSET', delivery, 'replies', replies) end
redis.call('PEXPIRE', delivery, lifetimeMs)
if job ~= '' then redis.call('ZADD', outbox, at, '+' .. job) end
if isPending == '1' then redis.call('ZADD', pending, at, id) else redis.call('ZREM', pending, id) end
return redis.call('HINCRBY', delivery, 'version', 1)
`,
})

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
    const replies = sealed ? (keyring.open(sealed, bindings.delivery.replies(id)) as Replies) : {}
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
    const version = await saveScript(redis, {
      delivery: keys.delivery(record.endpointId, record.id),
      outbox: keys.outbox(endpointLane(record.endpointId)),
      pending: keys.pendingDeliveries(record.endpointId),
      id: record.id,
      version: record.version,
      state: JSON.stringify({ ...state, attempts: state.attempts.map((attempt) => ({ ...attempt, reply: null })) }),
      replies: Object.keys(replies).length === 0 ? '' : keyring.seal(replies, bindings.delivery.replies(record.id)),
      isPending: state.status === 'pending' ? 1 : 0,
      job: jobId,
      at: state.updatedAt,
      lifetimeMs,
    })
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
      const written = await createScript(redis, {
        endpoint: keys.webhookEndpoint(endpoint.id),
        delivery: keys.delivery(endpoint.id, id),
        index: keys.deliveries(endpoint.id),
        outbox: keys.outbox(endpointLane(endpoint.id)),
        pending: keys.pendingDeliveries(endpoint.id),
        id,
        head: JSON.stringify(head),
        state: JSON.stringify(newDelivery(now)),
        url: callbackUrl === undefined ? '' : keyring.seal(callbackUrl, bindings.delivery.url(id)),
        at: now,
        lifetimeMs,
      })
      if (written === 1) return id
      await redis.del(keys.deliveryLocator(id))
      return undefined
    },

    countPending: (endpointId: string): Promise<number> => redis.zcard(keys.pendingDeliveries(endpointId)),

    endpointIdOf: (deliveryId: string): Promise<string | null> => redis.get(keys.deliveryLocator(deliveryId)),

    /** The address that came with the request; undefined where the endpoint has its own. */
    async readUrl(record: DeliveryRecord): Promise<string | undefined> {
      const sealed = await redis.hgetBuffer(keys.delivery(record.endpointId, record.id), 'url')
      return sealed ? String(keyring.open(sealed, bindings.delivery.url(record.id))) : undefined
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
      for await (const page of idPagesOf(redis, keys.deliveries(endpointId))) {
        const gone = await findGone(redis, page, (id) => [keys.delivery(endpointId, id)])
        if (gone.length > 0)
          await redis
            .multi()
            .zrem(keys.deliveries(endpointId), ...gone)
            .zrem(keys.pendingDeliveries(endpointId), ...gone)
            .exec()
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
