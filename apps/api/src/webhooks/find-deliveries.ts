import type { routes } from '@muster/contracts/routes'
import type { UnreadableRecord } from '@muster/contracts/unreadable-record'
import type { DeliveryResource } from '@muster/contracts/webhook-endpoint'
import type { DeliveryRecord } from '@muster/domain/delivery/record'
import type { Store } from '@muster/store/store'
import type { WebhookEndpointRecord } from '@muster/domain/webhook-endpoint/record'
import type { z } from 'zod'
import { idOf, toUnreadable, withUnreadable } from '../operations/unreadable-records.ts'
import { toDeliveryResource } from './webhook-endpoint-resource.ts'
import { fitPage } from '../http/page.ts'

type Filter = z.output<typeof routes.listDeliveries.query>

/** Rare matches must not make one request read everything. */
const LOOK_AT = 500
const LOOK_AT_MOST = 2_000

/** Newest first; the index knows the time only, the rest is looked at record by record. */
export async function findDeliveries(
  store: Store,
  endpoint: WebhookEndpointRecord,
  filter: Filter,
): Promise<{ result: DeliveryResource[]; next_cursor: string | null; unreadable?: UnreadableRecord[] }> {
  const found: DeliveryRecord[] = []
  const unreadable: UnreadableRecord[] = []
  const toPage = (next: string | null) => {
    const page = fitPage(found.map(toDeliveryResource), next, ({ id }) => id)
    const cursor = page.next_cursor
    return withUnreadable(
      page,
      unreadable.filter(({ id }) => cursor === null || id >= cursor),
    )
  }
  let before = filter.cursor ?? null
  for (let looked = 0; looked < LOOK_AT_MOST; looked += LOOK_AT) {
    const ids = await store.deliveries.listIds(endpoint.id, before, LOOK_AT)
    const records = await store.deliveries.readMany(endpoint.id, ids, (error) =>
      unreadable.push(toUnreadable(idOf(error), error)),
    )
    for (const record of records) {
      if (!isMatch(record, filter)) continue
      if (found.length === filter.limit) return toPage(found.at(-1)?.id ?? null)
      found.push(record)
    }
    before = ids.at(-1) ?? null
    if (ids.length < LOOK_AT) return toPage(null)
  }
  return toPage(before)
}

function isMatch({ event, state }: DeliveryRecord, filter: Filter): boolean {
  return (
    (filter.status === undefined || state.status === filter.status) &&
    (filter.event_type === undefined || event.type === filter.event_type) &&
    (filter.operation_id === undefined || event.operationId === filter.operation_id)
  )
}
