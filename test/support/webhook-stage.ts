import type { DeliveryResource, WebhookEndpointResource } from '../../packages/contracts/src/webhook-endpoint.ts'
import { clientOf } from './contract.ts'
import { eventually, startMuster, type MusterOptions } from './harness.ts'
import { answer, startReceiver, type Behaviour, type Received } from './receiver.ts'

export type Endpoint = WebhookEndpointResource & { secret: string }
export type WebhookStage = Awaited<ReturnType<typeof startWebhookStage>>

/** Of an endpoint that counts what it is sent: events of other tests of the tenant stay away. */
export const onlyTests = { events: ['webhook_endpoint.test'] }

/** A whole Muster whose deliveries are tried every second, and a receiver that it may call. */
export async function startWebhookStage({ environment = {}, allowedHosts = [], ...options }: MusterOptions = {}) {
  const receiver = await startReceiver()
  const muster = await startMuster({
    ...options,
    allowedHosts: [receiver.host, ...allowedHosts],
    environment: { MUSTER_WEBHOOK_SCHEDULE: '1,1,1', MUSTER_WEBHOOK_TIMEOUT_MS: '1000', ...environment },
  })
  const client = clientOf(muster)

  const deliveries = async (endpointId: string, query = 'limit=100'): Promise<DeliveryResource[]> =>
    (
      await client.request<{ result: DeliveryResource[] }>(
        'GET',
        `/webhook-endpoints/${endpointId}/deliveries?${query}`,
      )
    ).body.result

  return {
    receiver,
    muster,
    client,
    deliveries,
    urlOf: (path: string): string => `http://${receiver.host}${path}`,
    async register(
      path: string,
      more: Record<string, unknown> = {},
      key: string = muster.owner.adminKey,
    ): Promise<Endpoint> {
      const { status, body } = await client.request<Endpoint>('POST', '/webhook-endpoints', {
        key,
        body: { url: `http://${receiver.host}${path}`, ...more },
      })
      if (status !== 201) throw new Error(`not registered: ${JSON.stringify(body)}`)
      return body
    },
    endpoint: async (endpointId: string): Promise<WebhookEndpointResource> =>
      (await client.request<WebhookEndpointResource>('GET', `/webhook-endpoints/${endpointId}`)).body,
    /** Asks for a test event; resolves with its delivery. */
    async send(endpointId: string): Promise<DeliveryResource> {
      const { status, body } = await client.request<DeliveryResource>('POST', `/webhook-endpoints/${endpointId}/test`)
      if (status !== 202) throw new Error(`not sent: ${JSON.stringify(body)}`)
      return body
    },
    /** Resolves with the delivery once it fits. */
    delivery: async (
      deliveryId: string,
      test: (delivery: DeliveryResource) => boolean = ({ status }) => status !== 'pending',
    ): Promise<DeliveryResource> =>
      (
        await eventually(
          () => client.request<DeliveryResource>('GET', `/deliveries/${deliveryId}`),
          ({ body }) => test(body),
        )
      ).body,
    /** Resolves with the deliveries of the endpoint once there are so many, and none of them is pending. */
    settled: (endpointId: string, count = 1): Promise<DeliveryResource[]> =>
      eventually(
        () => deliveries(endpointId),
        (all) => all.length >= count && all.every(({ status }) => status !== 'pending'),
      ),
    /** The first message to this path that is of this type. */
    received: async (path: string, type: string): Promise<Received> => {
      const [first] = await receiver.until((received) => received.path === path && received.event.type === type)
      if (!first) throw new Error(`${path} did not receive ${type}`)
      return first
    },
    async close(): Promise<void> {
      await muster.close()
      await receiver.close()
    },
  }
}

/** One answer after another, the last one for good. */
export function inTurn(...behaviours: Behaviour[]): Behaviour {
  let count = 0
  return (request, response, received) => {
    const behave = behaviours[Math.min(count, behaviours.length - 1)] ?? answer(204)
    count += 1
    behave(request, response, received)
  }
}
