import { BoundReachedError } from '@muster/contracts/bounds'
import { routes } from '@muster/contracts/routes'
import { endpointTestEvent } from '@muster/domain/event-of-change'
import { endpointLane } from '@muster/domain/lane-id'
import type { Store } from '@muster/store/store'
import { identifyEvent } from '@muster/store/webhooks/identify-event'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { readOwnDelivery, readOwnEndpoint } from '../http/own-records.ts'
import { invalid, notFound, RequestError } from '../http/request-error.ts'
import { findDeliveries } from './find-deliveries.ts'
import { toDeliveryResource } from './webhook-endpoint-resource.ts'

const REPLAYED_AT_ONCE = 500

export const deliveryRoutes = (dependencies: ApiDependencies) => [
  listDeliveries(dependencies),
  readDelivery(dependencies),
  sendTest(dependencies),
  replayDelivery(dependencies),
  replayPeriod(dependencies),
]

const listDeliveries = ({ store }: ApiDependencies) =>
  defineEndpoint(routes.listDeliveries, async ({ caller, params, query }) => ({
    status: 200,
    body: await findDeliveries(store, await readOwnEndpoint(store, caller, params.id), query),
  }))

const readDelivery = ({ store }: ApiDependencies) =>
  defineEndpoint(routes.readDelivery, async ({ caller, params }) => ({
    status: 200,
    body: toDeliveryResource(await readOwnDelivery(store, caller, params.id)),
  }))

const sendTest = ({ store, schedule }: ApiDependencies) =>
  defineEndpoint(routes.testWebhookEndpoint, async ({ caller, params }) => {
    const endpoint = await readOwnEndpoint(store, caller, params.id)
    if (endpoint.kind === 'callback')
      throw new RequestError('conflict', 'A callback endpoint has no address of its own.')
    if (endpoint.status !== 'active')
      throw new RequestError('conflict', 'The endpoint is disabled: set its status to active first.')
    const now = Date.now()
    const event = identifyEvent(endpointTestEvent(endpoint, now))
    const deliveryId = await store.deliveries.create(endpoint, event, undefined, now)
    if (deliveryId === undefined) throw notFound('webhook endpoint')
    await schedule.wake(endpointLane(endpoint.id))
    return {
      status: 202,
      headers: { location: `/deliveries/${deliveryId}` },
      body: toDeliveryResource(await readOwnDelivery(store, caller, deliveryId)),
    }
  })

const replayDelivery = ({ store, schedule }: ApiDependencies) =>
  defineEndpoint(routes.replayDelivery, async ({ caller, params }) => {
    const record = await readOwnDelivery(store, caller, params.id)
    if (record.state.status === 'pending')
      throw new RequestError('conflict', 'The delivery is still pending: it is sent at its next_attempt_at.')
    const replayed = await store.deliveries.replay(record, Date.now())
    if (!replayed) throw new RequestError('conflict', 'The delivery changed at the same moment: read it again.')
    await schedule.wake(endpointLane(replayed.endpointId))
    return { status: 202, headers: { location: `/deliveries/${params.id}` }, body: toDeliveryResource(replayed) }
  })

const replayPeriod = ({ store, schedule }: ApiDependencies) =>
  defineEndpoint(routes.replayWebhookEndpoint, async ({ caller, params, body }) => {
    const endpoint = await readOwnEndpoint(store, caller, params.id)
    const [since, until] = [Date.parse(body.since), body.until === undefined ? Infinity : Date.parse(body.until)]
    if (until < since) throw invalid([{ pointer: '/until', code: 'too_early', detail: 'must not be before since' }])
    const replayed = await replayFailed(store, endpoint.id, since, until)
    await schedule.wake(endpointLane(endpoint.id))
    return { status: 202, body: { replayed } }
  })

/** Until the endpoint has no room for more. @throws BoundReachedError where it has room for none */
async function replayFailed({ deliveries }: Store, endpointId: string, since: number, until: number): Promise<number> {
  let replayed = 0
  for (let before: string | null = null; ;) {
    const ids = await deliveries.listIds(endpointId, before, REPLAYED_AT_ONCE)
    const page = await deliveries.readMany(endpointId, ids)
    for (const record of page) {
      const isWanted = record.state.status === 'failed' && record.event.at >= since && record.event.at <= until
      if (!isWanted) continue
      try {
        if (await deliveries.replay(record, Date.now())) replayed += 1
      } catch (error) {
        if (error instanceof BoundReachedError && replayed > 0) return replayed
        throw error
      }
    }
    before = ids.at(-1) ?? null
    // Newest first: the next page is older still.
    if (ids.length < REPLAYED_AT_ONCE || page.every(({ event }) => event.at < since)) return replayed
  }
}
