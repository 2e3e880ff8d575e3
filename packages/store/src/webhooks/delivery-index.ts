import { endpointLane } from '@muster/domain/lane-id'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'
import { findGone, idPagesOf } from '../redis/pages.ts'

/** Which deliveries an endpoint has, and which endpoint a delivery goes to. */
export function createDeliveryIndex({ redis }: { redis: Redis }) {
  return {
    countPending: (endpointId: string): Promise<number> => redis.zcard(keys.pendingDeliveries(endpointId)),

    endpointIdOf: (deliveryId: string): Promise<string | null> => redis.get(keys.deliveryLocator(deliveryId)),

    /** Ids of a page, newest first, older than `before`. */
    listIds: (endpointId: string, before: string | null, count: number): Promise<string[]> =>
      redis.zrevrangebylex(keys.deliveries(endpointId), before === null ? '+' : `(${before}`, '-', 'LIMIT', 0, count),

    /** Removes deliveries from the index once their records have expired. */
    async trimIndex(endpointId: string): Promise<void> {
      const indexes = [keys.deliveries(endpointId), keys.pendingDeliveries(endpointId)]
      for await (const page of idPagesOf(redis, keys.deliveries(endpointId))) {
        const gone = await findGone(redis, page, (id) => [keys.delivery(endpointId, id)])
        if (gone.length === 0) continue
        const removal = redis.multi()
        for (const index of indexes) removal.zrem(index, ...gone)
        await removal.exec()
      }
    },

    /** Every delivery of an endpoint that was removed, page by page. */
    async removeAll(endpointId: string): Promise<void> {
      for await (const ids of idPagesOf(redis, keys.deliveries(endpointId))) {
        await redis.del(...ids.map((id) => keys.delivery(endpointId, id)))
        await redis.del(...ids.map(keys.deliveryLocator))
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
