import { verify } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parsePublicKey } from '../../packages/webhooks/src/secret.ts'
import type { ProblemBody } from '../support/contract.ts'
import { eventually, newUser } from '../support/harness.ts'
import { answer } from '../support/receiver.ts'
import { startWebhookStage, type Endpoint, type WebhookStage } from '../support/webhook-stage.ts'

interface Rotated {
  secret: string
  previous_expires_at: string | null
}

let stage: WebhookStage
beforeAll(async () => {
  stage = await startWebhookStage()
})
afterAll(() => stage.close())

/** Sends a test event; resolves with what came. */
async function receive(endpoint: { id: string }, path: string) {
  const { event_id } = await stage.send(endpoint.id)
  const [received] = await stage.receiver.until((one) => one.path === path && one.id === event_id)
  if (!received) throw new Error('nothing came')
  return received
}
const rotate = async (endpointId: string, body?: object) =>
  (await stage.client.request<Rotated>('POST', `/webhook-endpoints/${endpointId}/rotate-secret`, body ? { body } : {}))
    .body

describe("an endpoint's secret", () => {
  test('is shown once', async () => {
    const endpoint = await stage.register('/once')
    expect(endpoint.secret).toMatch(/^whsec_/)
    const rotated = await rotate(endpoint.id)
    const answers = [
      await stage.client.request('GET', `/webhook-endpoints/${endpoint.id}`),
      await stage.client.request('GET', '/webhook-endpoints'),
      await stage.client.request('PATCH', `/webhook-endpoints/${endpoint.id}`, { body: { description: 'x' } }),
    ]
    for (const secret of [endpoint.secret, rotated.secret])
      expect(JSON.stringify(answers.map(({ body }) => body))).not.toContain(secret)
  })

  test('rotated: for as long as both overlap, each verifies with the published libraries; without an overlap only the new one does', async () => {
    const endpoint = await stage.register('/rotation')
    const second = await rotate(endpoint.id)
    expect(Date.parse(second.previous_expires_at ?? '') - Date.now()).toBeGreaterThan(23 * 3_600_000)
    const both = await receive(endpoint, '/rotation')
    for (const secret of [endpoint.secret, second.secret]) stage.receiver.verify(both, secret)
    expect((await stage.endpoint(endpoint.id)).secrets).toHaveLength(2)
    const third = await rotate(endpoint.id, { overlap_hours: 0 })
    expect(third.previous_expires_at).toBeNull()
    const latest = await receive(endpoint, '/rotation')
    stage.receiver.verify(latest, third.secret)
    for (const secret of [endpoint.secret, second.secret]) expect(stage.receiver.isRefused(latest, secret)).toBe(true)
    // A body changed on the way verifies with none.
    expect(stage.receiver.isRefused({ ...latest, body: latest.body.replace('test', 'tost') }, third.secret)).toBe(true)
  })

  test('an overlap ends when it said', async () => {
    const endpoint = await stage.register('/overlap')
    const { secret } = await rotate(endpoint.id, { overlap_hours: 1 / 3_600 })
    await eventually(
      () => stage.endpoint(endpoint.id),
      ({ secrets }) => secrets.length === 1,
    )
    const received = await receive(endpoint, '/overlap')
    stage.receiver.verify(received, secret)
    expect(stage.receiver.isRefused(received, endpoint.secret)).toBe(true)
  })

  test('rotated twice at once: the one of the two that is second in line signs along', async () => {
    const endpoint = await stage.register('/race')
    const rotations = await Promise.all([rotate(endpoint.id), rotate(endpoint.id)])
    const received = await receive(endpoint, '/race')
    for (const { secret } of rotations) stage.receiver.verify(received, secret)
  })

  test('survives another address, which is used from then on', async () => {
    const endpoint = await stage.register('/before')
    const patched = await stage.client.request<Endpoint>('PATCH', `/webhook-endpoints/${endpoint.id}`, {
      body: { url: stage.urlOf('/after') },
    })
    expect(patched.body.url).toBe(stage.urlOf('/after'))
    stage.receiver.verify(await receive(endpoint, '/after'), endpoint.secret)
    expect(stage.receiver.at('/before')).toEqual([])
  })

  test('asymmetric: signed with a key as well, which its public half verifies', async () => {
    const endpoint = await stage.register('/asymmetric', { asymmetric: true })
    expect(endpoint.public_key).toMatch(/^whpk_/)
    const received = await receive(endpoint, '/asymmetric')
    stage.receiver.verify(received, endpoint.secret)
    const signature = /v1a,(\S+)/.exec(received.headers['webhook-signature'] ?? '')?.[1] ?? ''
    const signed = Buffer.from(`${received.id}.${received.headers['webhook-timestamp'] ?? ''}.${received.body}`)
    expect(verify(null, signed, parsePublicKey(endpoint.public_key ?? ''), Buffer.from(signature, 'base64'))).toBe(true)
  })
})

describe('an address that comes with a request', () => {
  const callback = (path: string): string => `callback_url=${encodeURIComponent(stage.urlOf(path))}`

  test('needs a callback secret first', async () => {
    const tenant = await stage.muster.bootstrap()
    const account = await stage.muster.connect('okta', { key: tenant.adminKey })
    const refused = await stage.client.create<ProblemBody>(account, newUser('okta'), {
      key: tenant.adminKey,
      query: callback('/no-secret'),
    })
    expect(refused).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '?callback_url', code: 'no_callback_secret' }] },
    })
    await stage.client.request('POST', '/callback-secret', { key: tenant.adminKey })
    expect(
      (await stage.client.create(account, newUser('okta'), { key: tenant.adminKey, query: callback('/no-secret') }))
        .status,
    ).toBe(202)
  })

  test('is sent the end of its operation alone, signed with the secret of callbacks, old and new while they overlap', async () => {
    const first = (await stage.client.request<Rotated>('POST', '/callback-secret')).body
    const second = (await stage.client.request<Rotated>('POST', '/callback-secret')).body
    expect({ first: first.previous_expires_at, second: second.previous_expires_at }).toEqual({
      first: null,
      second: expect.any(String),
    })
    const account = await stage.muster.connect('files_com', {
      credentials: { type: 'api_key', api_key: 'revoked-in-the-meantime' },
    })
    const { body: operation } = await stage.client.create<{ id: string; status: string }>(
      account,
      newUser('files_com'),
      { query: callback('/callback/a'), headers: { prefer: 'wait=30' } },
    )
    expect(operation.status).toBe('held')
    await stage.client.request('PATCH', `/integrated-accounts/${account}`, {
      body: { credentials: { type: 'api_key', api_key: 'SimulatorDemoKey-files_com' } },
    })
    const other = await stage.client.create<{ id: string }>(account, newUser('files_com'), {
      query: callback('/callback/b'),
    })
    const received = await stage.received('/callback/a', 'operation.succeeded')
    for (const { secret } of [first, second]) stage.receiver.verify(received, secret)
    expect(received.event.data.operation_id).toBe(operation.id)
    expect((await stage.received('/callback/b', 'operation.succeeded')).event.data.operation_id).toBe(other.body.id)
    expect(stage.receiver.at('/callback/a').map(({ event }) => event.type)).toEqual(['operation.succeeded'])
  })

  test('addresses of one host share an endpoint, which shows the secrets of callbacks, has no address or test of its own, and is never disabled', async () => {
    stage.receiver.behave(answer(410), '/callback/gone')
    const account = await stage.muster.connect('okta')
    await stage.client.create(account, newUser('okta'), { query: callback('/callback/gone') })
    await stage.received('/callback/gone', 'operation.succeeded')
    const { body: list } = await stage.client.request<{ result: Endpoint[] }>('GET', '/webhook-endpoints')
    const callbacks = list.result.filter(({ kind }) => kind === 'callback')
    expect(callbacks).toMatchObject([
      { url: `http://${stage.receiver.host}`, secrets: [{ expires_at: null }, { expires_at: expect.any(String) }] },
    ])
    const path = `/webhook-endpoints/${callbacks[0]?.id ?? ''}`
    const answers = [
      await stage.client.request('PATCH', path, { body: { url: stage.urlOf('/x') } }),
      await stage.client.request('POST', `${path}/test`),
      await stage.client.request('POST', `${path}/rotate-secret`),
    ]
    expect(answers.map(({ status }) => status)).toEqual([409, 409, 409])
    const [latest] = await stage.settled(callbacks[0]?.id ?? '')
    expect(latest).toMatchObject({ status: 'failed', attempts: [{ reason: 'gone' }] })
    expect((await stage.endpoint(callbacks[0]?.id ?? '')).status).toBe('active')
  })
})
