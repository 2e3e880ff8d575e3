import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { webhookEventSchemas, type WebhookEventType } from '../packages/contracts/src/webhook-event.ts'
import { clientOf } from './contract.ts'
import { eventually, newUser, startMuster, type Muster } from './harness.ts'
import { answer, startReceiver, type Receiver } from './receiver.ts'

let receiver: Receiver
let muster: Muster
let client: ReturnType<typeof clientOf>

beforeAll(async () => {
  receiver = await startReceiver()
  muster = await startMuster({ allowedHosts: [receiver.host], environment: { MUSTER_WEBHOOK_SCHEDULE: '1,1,1', MUSTER_WEBHOOK_TIMEOUT_MS: '1000' } })
  client = clientOf(muster)
})
afterAll(async () => {
  await muster.close()
  await receiver.close()
})
beforeEach(() => receiver.behave(answer(204)))

interface Endpoint {
  id: string
  secret: string
  status: string
}
const register = async (path: string, more: Record<string, unknown> = {}): Promise<Endpoint> => (await client.request<Endpoint>('POST', '/webhook-endpoints', { body: { url: `http://${receiver.host}${path}`, ...more } })).body

describe('what happens to an operation is told to the endpoints of its tenant', () => {
  test('a success: signed, thin, of its schema, and only once', async () => {
    const endpoint = await register('/success')
    const account = await muster.connect('okta')
    const { body: operation } = await client.create<{ id: string }>(account, newUser('okta'), { query: 'reference=employee-7' })
    const [received] = await receiver.until(({ path }) => path === '/success')
    if (!received) throw new Error('nothing came')
    receiver.verify(received, endpoint.secret)
    expect(received.headers).toMatchObject({ 'webhook-id': received.event.id, 'content-type': 'application/json' })
    expect(received.event).toMatchObject({ type: 'operation.succeeded', version: 1, data: { operation_id: operation.id, status: 'succeeded', outcome: 'created', reference: 'employee-7', provider: 'okta', error: null } })
    expect(received.event.data.remote_id).toEqual(expect.any(String))
    expect(webhookEventSchemas[received.event.type as WebhookEventType].strict().parse(received.event)).toBeTruthy()
    expect(received.body).not.toContain('Lovelace')
    await eventually(() => client.request<{ result: { status: string }[] }>('GET', `/webhook-endpoints/${endpoint.id}/deliveries`), ({ body }) => body.result[0]?.status === 'delivered')
    expect(receiver.ledger.filter(({ path }) => path === '/success')).toHaveLength(1)
  })
})
