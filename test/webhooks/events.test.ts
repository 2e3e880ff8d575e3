import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { webhookEventSchemas, type WebhookEventType } from '../../packages/contracts/src/webhook-event.ts'
import { findSecrets } from '../chaos/invariants.ts'
import { eventually, newUser } from '../support/harness.ts'
import { answer, type Received } from '../support/receiver.ts'
import { startWebhookStage, type WebhookStage } from '../support/webhook-stage.ts'

let stage: WebhookStage
beforeAll(async () => {
  stage = await startWebhookStage({ environment: { MUSTER_MAX_WEBHOOK_ENDPOINTS: '100' } })
})
afterAll(() => stage.close())

/** Both a paused account and a held one keep what is created waiting. */
async function pausedAccount(): Promise<string> {
  const account = await stage.muster.connect('okta')
  await stage.client.request('POST', `/integrated-accounts/${account}/pause`)
  return account
}
const checkSchema = (received: Received): unknown =>
  webhookEventSchemas[received.event.type as WebhookEventType].strict().parse(received.event)
const typesAt = (path: string): string[] => stage.receiver.at(path).map(({ event }) => event.type)

describe('what happens to an operation is reported to the endpoints of its tenant', () => {
  test('a success: signed, thin, of its schema, and only once', async () => {
    const endpoint = await stage.register('/success')
    const account = await stage.muster.connect('okta')
    const { body: operation } = await stage.client.create<{ id: string }>(account, newUser('okta'), {
      query: 'reference=employee-7',
    })
    const received = await stage.received('/success', 'operation.succeeded')
    stage.receiver.verify(received, endpoint.secret)
    expect(received.headers).toMatchObject({ 'webhook-id': received.event.id, 'content-type': 'application/json' })
    expect(received.event).toMatchObject({
      type: 'operation.succeeded',
      version: 1,
      data: {
        operation_id: operation.id,
        status: 'succeeded',
        outcome: 'created',
        reference: 'employee-7',
        provider: 'okta',
        error: null,
      },
    })
    expect(received.event.data.remote_id).toEqual(expect.any(String))
    expect(checkSchema(received)).toBeTruthy()
    await stage.settled(endpoint.id)
    expect(stage.receiver.at('/success')).toHaveLength(1)
  })

  test('a failure: with its code, and without a word of the provider or of the person', async () => {
    const endpoint = await stage.register('/failed', { events: ['operation.failed'] })
    const account = await stage.muster.connect('okta')
    const user = newUser('okta', 'grace.hopper')
    await stage.muster.finished((await stage.client.create<{ id: string }>(account, user)).body.id)
    const { body: operation } = await stage.client.create<{ id: string }>(account, user)
    const received = await stage.received('/failed', 'operation.failed')
    stage.receiver.verify(received, endpoint.secret)
    expect(checkSchema(received)).toBeTruthy()
    expect(received.event.data).toMatchObject({
      operation_id: operation.id,
      status: 'failed',
      outcome: null,
      error: { code: 'user_exists', retryable: false },
    })
    for (const word of ['Ada', 'Lovelace', 'grace.hopper', '@example.com', 'message'])
      expect(received.body).not.toContain(word)
  })

  test('a cancellation', async () => {
    await stage.register('/canceled', { events: ['operation.canceled'] })
    const { body: operation } = await stage.client.create<{ id: string }>(await pausedAccount(), newUser('okta'))
    expect((await stage.client.request('POST', `/operations/${operation.id}/cancel`)).status).toBe(200)
    const received = await stage.received('/canceled', 'operation.canceled')
    expect(checkSchema(received)).toBeTruthy()
    expect(received.event.data).toMatchObject({
      operation_id: operation.id,
      status: 'canceled',
      error: { code: 'canceled' },
      remote_id: null,
    })
  })

  test('an expiry, also where the account is on hold', async () => {
    await stage.register('/expired', { events: ['operation.expired'] })
    const { body: operation } = await stage.client.create<{ id: string }>(await pausedAccount(), newUser('okta'), {
      query: `expires_at=${new Date(Date.now() + 1_000).toISOString()}`,
    })
    const received = await stage.received('/expired', 'operation.expired')
    expect(checkSchema(received)).toBeTruthy()
    expect(received.event.data).toMatchObject({
      operation_id: operation.id,
      status: 'expired',
      error: { code: 'expired' },
    })
  })

  test('rejected credentials: held and needs_reauth, then resumed and the end, each with a higher sequence than before', async () => {
    await stage.register('/hold')
    const account = await stage.muster.connect('files_com', {
      credentials: { type: 'api_key', api_key: 'revoked-in-the-meantime' },
    })
    const { body: operation } = await stage.client.create<{ id: string }>(account, newUser('files_com'))
    const held = await stage.received('/hold', 'operation.held')
    const needsReauth = await stage.received('/hold', 'integrated_account.needs_reauth')
    await stage.client.request('PATCH', `/integrated-accounts/${account}`, {
      body: { credentials: { type: 'api_key', api_key: 'SimulatorDemoKey-files_com' } },
    })
    const resumed = await stage.received('/hold', 'integrated_account.resumed')
    const succeeded = await stage.received('/hold', 'operation.succeeded')
    for (const received of [held, needsReauth, resumed, succeeded]) expect(checkSchema(received)).toBeTruthy()
    expect(held.event.data).toMatchObject({ operation_id: operation.id, status: 'held' })
    expect(needsReauth.event.data).toMatchObject({
      integrated_account_id: account,
      provider: 'files_com',
      status: 'needs_reauth',
      status_reason: expect.any(String) as string,
    })
    expect(resumed.event.data).toMatchObject({ integrated_account_id: account, status: 'active', status_reason: null })
    expect(succeeded.event.sequence).toBeGreaterThan(held.event.sequence)
    expect(resumed.event.sequence).toBeGreaterThan(needsReauth.event.sequence)
  })

  test('a retry by hand ends with another id and a higher sequence', async () => {
    await stage.register('/retried')
    const account = await pausedAccount()
    const { body: operation } = await stage.client.create<{ id: string }>(account, newUser('okta'))
    await stage.client.request('POST', `/operations/${operation.id}/cancel`)
    const canceled = await stage.received('/retried', 'operation.canceled')
    await stage.client.request('POST', `/operations/${operation.id}/retry`)
    await stage.client.request('POST', `/integrated-accounts/${account}/resume`)
    const succeeded = await stage.received('/retried', 'operation.succeeded')
    expect(succeeded.event.data.operation_id).toBe(operation.id)
    expect(succeeded.id).not.toBe(canceled.id)
    expect(succeeded.event.sequence).toBeGreaterThan(canceled.event.sequence)
  })
})

describe('which endpoints are sent an event', () => {
  test("an endpoint's filters: by type, by account, by provider", async () => {
    const [first, second] = [await stage.muster.connect('okta'), await stage.muster.connect('okta')]
    const files = await stage.muster.connect('files_com')
    await stage.register('/filter/type', { events: ['operation.canceled'] })
    await stage.register('/filter/account', { integrated_account_ids: [first] })
    await stage.register('/filter/provider', { providers: ['files_com'] })
    const everything = await stage.register('/filter/none', { integrated_account_ids: [first, second, files] })
    const ids = await Promise.all(
      [first, second].map(
        async (account) => (await stage.client.create<{ id: string }>(account, newUser('okta'))).body.id,
      ),
    )
    ids.push((await stage.client.create<{ id: string }>(files, newUser('files_com'))).body.id)
    await stage.settled(everything.id, 3)
    await stage.receiver.until(({ path }) => path === '/filter/account')
    await stage.receiver.until(({ path }) => path === '/filter/provider')
    const operationsAt = (path: string): unknown[] =>
      stage.receiver
        .at(path)
        .map(({ event }) => event.data.operation_id)
        .sort()
    expect(operationsAt('/filter/none')).toEqual([...ids].sort())
    expect(operationsAt('/filter/account')).toEqual([ids[0]])
    expect(operationsAt('/filter/provider')).toEqual([ids[2]])
    expect(typesAt('/filter/type')).toEqual([])
  })

  test('a tenant is never sent what belongs to another', async () => {
    const stranger = await stage.muster.bootstrap()
    const theirs = await stage.register('/stranger', {}, stranger.adminKey)
    const own = await stage.register('/own')
    const account = await stage.muster.connect('okta')
    await stage.client.create(account, newUser('okta'))
    await stage.settled(own.id)
    // What comes after it shows that nothing came before.
    await stage.client.request('POST', `/webhook-endpoints/${theirs.id}/test`, { key: stranger.adminKey })
    await stage.received('/stranger', 'webhook_endpoint.test')
    expect(typesAt('/stranger')).toEqual(['webhook_endpoint.test'])
    const list = await stage.client.request<{ result: unknown[] }>(
      'GET',
      `/webhook-endpoints/${theirs.id}/deliveries`,
      { key: stranger.adminKey },
    )
    expect(list.body.result).toHaveLength(1)
  })
})

describe('personal data in events', () => {
  test('full has the created user and the whole error, thin has neither', async () => {
    const account = await stage.muster.connect('okta')
    const more = { integrated_account_ids: [account] }
    await stage.register('/full', { ...more, payload: 'full' })
    await stage.register('/thin', more)
    const user = newUser('okta', 'mary.somerville')
    await stage.muster.finished((await stage.client.create<{ id: string }>(account, user)).body.id)
    await stage.client.create(account, user)
    const [fullSuccess, thinSuccess] = [
      await stage.received('/full', 'operation.succeeded'),
      await stage.received('/thin', 'operation.succeeded'),
    ]
    const [fullFailure, thinFailure] = [
      await stage.received('/full', 'operation.failed'),
      await stage.received('/thin', 'operation.failed'),
    ]
    for (const received of [fullSuccess, thinSuccess, fullFailure, thinFailure])
      expect(checkSchema(received)).toBeTruthy()
    expect(fullSuccess.body).toContain('mary.somerville@example.com')
    expect(fullSuccess.event.data.result).toMatchObject({ first_name: 'Ada' })
    expect(fullFailure.event.data.error).toMatchObject({
      code: 'user_exists',
      message: expect.any(String) as string,
      hint: expect.any(String) as string,
    })
    for (const { body } of [thinSuccess, thinFailure])
      for (const word of ['Ada', 'Lovelace', 'mary', 'message', '"result"']) expect(body).not.toContain(word)
    // One event to two endpoints: the same id.
    expect(fullSuccess.id).toBe(thinSuccess.id)
  })

  test("an erased operation's reference, remote id and user are not sent any more when it is replayed", async () => {
    const account = await stage.muster.connect('okta')
    const endpoint = await stage.register('/erased', { integrated_account_ids: [account], payload: 'full' })
    const { body: operation } = await stage.client.create<{ id: string }>(account, newUser('okta', 'emmy.noether'), {
      query: 'reference=emmy',
    })
    await stage.received('/erased', 'operation.succeeded')
    const [delivery] = await stage.settled(endpoint.id)
    expect((await stage.client.request('DELETE', `/operations/${operation.id}`)).status).toBe(200)
    expect((await stage.client.request('POST', `/deliveries/${delivery?.id ?? ''}/replay`)).status).toBe(202)
    const [first, replayed] = await stage.receiver.until(({ path }) => path === '/erased', 2)
    expect(first?.event.data).toMatchObject({ reference: 'emmy', remote_id: expect.any(String) as string })
    expect(replayed?.event.data).toMatchObject({
      operation_id: operation.id,
      status: 'succeeded',
      reference: null,
      remote_id: null,
    })
    expect(replayed?.id).toBe(first?.id)
    expect(replayed?.body).not.toContain('emmy')
  })

  test('a password is in no message; secrets and addresses lie nowhere in the clear', async () => {
    const canary = 'CanaryOfWebhooks7f3a'
    const account = await stage.muster.connect('okta')
    const endpoint = await stage.register('/canary?token=AddressCanary51c', {
      payload: 'full',
      integrated_account_ids: [account],
    })
    const { body: callback } = await stage.client.request<{ secret: string }>('POST', '/callback-secret')
    const address = encodeURIComponent(stage.urlOf('/canary-callback?token=AddressCanary51c'))
    await stage.client.create(
      account,
      { ...newUser('okta'), password: `${canary}-Aa1` },
      { query: `callback_url=${address}` },
    )
    await stage.receiver.until(({ path }) => path.startsWith('/canary?'))
    await stage.receiver.until(({ path }) => path.startsWith('/canary-callback'))
    expect(stage.receiver.ledger.filter(({ body }) => body.includes(canary))).toEqual([])
    const secrets = [endpoint.secret, callback.secret].flatMap((secret) => [secret, secret.replace('whsec_', '')])
    expect(await findSecrets(stage.muster, [canary, 'AddressCanary51c', ...secrets])).toEqual([])
  })

  test('what a receiver answers is shown to its owner, and stored sealed', async () => {
    const endpoint = await stage.register('/echo', { integrated_account_ids: [await stage.muster.connect('okta')] })
    stage.receiver.behave(answer(500, {}, 'cannot store maria.mitchell@example.com'), '/echo')
    const { id } = await stage.send(endpoint.id)
    const delivery = await stage.delivery(id, ({ attempt_count }) => attempt_count > 0)
    expect(delivery.attempts[0]).toMatchObject({ status: 500, reply: 'cannot store maria.mitchell@example.com' })
    expect(
      await eventually(
        () => findSecrets(stage.muster, ['maria.mitchell']),
        () => true,
      ),
    ).toEqual([])
  })
})
