import { BoundReachedError, defaultLimits, type Limits } from '@muster/contracts/bounds'
import { deliveryIdOf, type DeliveryRecord, type DeliveryState } from '@muster/domain/delivery/record'
import { newDelivery, refusedDelivery, replayDelivery } from '@muster/domain/delivery/state'
import type { EventRecord } from '@muster/domain/event'
import { endpointLane } from '@muster/domain/lane-id'
import { jobIdOf } from '@muster/domain/operation/record'
import { bindings } from '../crypto/bindings.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { readOrSkip, type OnUnreadable } from '../crypto/unreadable.ts'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'
import { createDeliveryIndex } from './delivery-index.ts'
import { createDeliveryScript, saveDeliveryScript } from './delivery-scripts.ts'

/** The record was written since it was read. */
export class StaleDeliveryError extends Error {
  override readonly name = 'StaleDeliveryError'
}

const DAY_MS = 86_400_000
/** Longer than the longest schedule: until then a waiting delivery must not expire. */
const LONGEST_SCHEDULE_MS = 30 * DAY_MS

interface DeliveriesOptions {
  redis: Redis
  keyring: Keyring
  retentionMs: number
  limits?: Limits
}

export type Deliveries = ReturnType<typeof createDeliveries>

/**
 * One event on its way to one endpoint. The event holds no personal data, so only the address is sealed, and what
 * receivers answer: some repeat what they were sent.
 */
export function createDeliveries(options: DeliveriesOptions) {
  return { ...createDeliveryReader(options), ...createDeliveryWriter(options), ...createDeliveryIndex(options) }
}

const FIELDS = ['head', 'state', 'version', 'replies'] as const
type Row = (Buffer | null)[]
/** By the number of the attempt. */
type Replies = Record<string, string>

function createDeliveryReader({ redis, keyring }: DeliveriesOptions) {
  function toRecord(id: string, [head, state, version, sealed]: Row): DeliveryRecord | undefined {
    if (!head || !state || !version) return undefined
    const replies = sealed ? (keyring.open(sealed, bindings.delivery.replies(id)) as Replies) : {}
    const stored = JSON.parse(state.toString()) as DeliveryState
    const attempts = stored.attempts.map((attempt) => ({ ...attempt, reply: replies[attempt.number] ?? null }))
    return {
      ...(JSON.parse(head.toString()) as Omit<DeliveryRecord, 'state' | 'version'>),
      state: { ...stored, attempts },
      version: Number(version),
    }
  }

  return {
    read: async (endpointId: string, deliveryId: string): Promise<DeliveryRecord | undefined> =>
      toRecord(deliveryId, await redis.hmgetBuffer(keys.delivery(endpointId, deliveryId), ...FIELDS)),

    /** Those that are still there and can be read, in the order asked for. */
    async readMany(
      endpointId: string,
      ids: readonly string[],
      onUnreadable: OnUnreadable = () => undefined,
    ): Promise<DeliveryRecord[]> {
      const pipeline = redis.pipeline()
      for (const id of ids) pipeline.hmgetBuffer(keys.delivery(endpointId, id), ...FIELDS)
      const rows = (await pipeline.exec()) ?? []
      return ids.flatMap((id, index) => readOrSkip(() => toRecord(id, rows[index]?.[1] as Row), onUnreadable) ?? [])
    },

    /** The address that came with the request; undefined where the endpoint has its own. */
    async readUrl(record: DeliveryRecord): Promise<string | undefined> {
      const sealed = await redis.hgetBuffer(keys.delivery(record.endpointId, record.id), 'url')
      return sealed ? String(keyring.open(sealed, bindings.delivery.url(record.id))) : undefined
    },
  }
}

function createDeliveryWriter({ redis, keyring, retentionMs, limits = defaultLimits }: DeliveriesOptions) {
  const mostPending = limits.pendingDeliveries
  const pendingLifetimeMs = retentionMs + LONGEST_SCHEDULE_MS

  function sealReplies({ id }: DeliveryRecord, { attempts }: DeliveryState): Buffer | '' {
    const replies = attempts.flatMap(({ number, reply }) => (reply === null ? [] : [[number, reply] as const]))
    return replies.length === 0 ? '' : keyring.seal(Object.fromEntries(replies), bindings.delivery.replies(id))
  }

  async function save(record: DeliveryRecord, state: DeliveryState, lifetimeMs: number, job = '') {
    const attempts = state.attempts.map((attempt) => ({ ...attempt, reply: null }))
    const version = await saveDeliveryScript(redis, {
      delivery: keys.delivery(record.endpointId, record.id),
      outbox: keys.outbox(endpointLane(record.endpointId)),
      pending: keys.pendingDeliveries(record.endpointId),
      id: record.id,
      version: record.version,
      state: JSON.stringify({ ...state, attempts }),
      replies: sealReplies(record, state),
      isPending: state.status === 'pending' ? 1 : 0,
      job,
      at: state.updatedAt,
      lifetimeMs,
      mostPending,
    })
    if (version === 0) throw new BoundReachedError('pendingDeliveries', mostPending)
    if (version === null) throw new StaleDeliveryError(record.id)
    return { ...record, state, version: Number(version) }
  }

  return {
    /**
     * Resolves with the id, or undefined when the endpoint is gone. The same event is not written twice. Where the
     * endpoint has all pending deliveries it may, this one has failed, and can be replayed.
     */
    async create(
      endpoint: { id: string; tenantId: string },
      event: EventRecord,
      callbackUrl: string | undefined,
      now: number,
    ): Promise<string | undefined> {
      const id = deliveryIdOf(event.id, endpoint.id)
      const head = { id, endpointId: endpoint.id, tenantId: endpoint.tenantId, createdAt: now, event }
      // Outside the endpoint's hash slot; without the delivery it leads nowhere, and expires.
      await redis.set(keys.deliveryLocator(id), endpoint.id, 'PX', pendingLifetimeMs)
      const written = await createDeliveryScript(redis, {
        endpoint: keys.webhookEndpoint(endpoint.id),
        delivery: keys.delivery(endpoint.id, id),
        index: keys.deliveries(endpoint.id),
        outbox: keys.outbox(endpointLane(endpoint.id)),
        pending: keys.pendingDeliveries(endpoint.id),
        id,
        head: JSON.stringify(head),
        state: JSON.stringify(newDelivery(now)),
        refused: JSON.stringify(refusedDelivery(now)),
        url: callbackUrl === undefined ? '' : keyring.seal(callbackUrl, bindings.delivery.url(id)),
        at: now,
        lifetimeMs: pendingLifetimeMs,
        retentionMs,
        mostPending,
      })
      if (written === 1) return id
      await redis.del(keys.deliveryLocator(id))
      return undefined
    },

    /** @throws StaleDeliveryError when the record has moved on; then nothing was written. */
    async recordAttempt(record: DeliveryRecord, state: DeliveryState): Promise<DeliveryRecord> {
      if (state.status === 'pending') return save(record, state, pendingLifetimeMs)
      const saved = await save(record, state, retentionMs)
      await redis.pexpire(keys.deliveryLocator(record.id), retentionMs + DAY_MS)
      return saved
    },

    /**
     * Back into the lane, from the start of the schedule. Resolves with undefined when it was written meanwhile.
     * @throws BoundReachedError
     */
    async replay(record: DeliveryRecord, now: number): Promise<DeliveryRecord | undefined> {
      const state = replayDelivery(record.state, now)
      await redis.pexpire(keys.deliveryLocator(record.id), pendingLifetimeMs)
      try {
        return await save(record, state, pendingLifetimeMs, jobIdOf(record.id, state.run))
      } catch (error) {
        if (error instanceof StaleDeliveryError) return undefined
        throw error
      }
    },
  }
}
