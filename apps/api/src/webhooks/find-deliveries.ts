import type { routes } from '@muster/contracts/routes'
import type { DeliveryResource } from '@muster/contracts/webhook-endpoint'
import type { DeliveryRecord } from '@muster/domain/delivery/record'
import type { Store } from '@muster/store/store'
import type { WebhookEndpointRecord } from '@muster/domain/webhook-endpoint/record'
import type { z } from 'zod'
import { scanPage, type ScannedPage } from '../http/scan-page.ts'
import { toDeliveryResource } from './webhook-endpoint-resource.ts'

type Filter = z.output<typeof routes.listDeliveries.query>

/** Newest first. The index knows only the time; the rest is compared record by record. */
export const findDeliveries = (
  store: Store,
  endpoint: WebhookEndpointRecord,
  filter: Filter,
): Promise<ScannedPage<DeliveryResource>> =>
  scanPage({
    limit: filter.limit,
    cursor: filter.cursor,
    listIds: (before, count) => store.deliveries.listIds(endpoint.id, before, count),
    readMatches: async (ids, onUnreadable) =>
      (await store.deliveries.readMany(endpoint.id, ids, onUnreadable)).filter((record) => isMatch(record, filter)),
    show: toDeliveryResource,
  })

function isMatch({ event, state }: DeliveryRecord, filter: Filter): boolean {
  return (
    (filter.status === undefined || state.status === filter.status) &&
    (filter.event_type === undefined || event.type === filter.event_type) &&
    (filter.operation_id === undefined || event.operationId === filter.operation_id)
  )
}
