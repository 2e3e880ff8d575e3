import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, newUser, type Muster } from '../support/harness.ts'
import { answer } from '../support/receiver.ts'
import { sampleOf } from '../support/samples.ts'
import { startWebhookStage, type WebhookStage } from '../support/webhook-stage.ts'

const PASSWORD = 'Correct-Horse-9&battery'
const TOKEN = String(sampleOf('okta').credentials.api_token)

interface Request {
  headers: IncomingHttpHeaders
  body: string
}
type Echo = (request: Request) => { status: number; headers?: Record<string, string>; body: unknown }

const spellings = (text: string): string[] => [
  text,
  Buffer.from(`x:${text}`).toString('base64'),
  Buffer.from(text).toString('base64url'),
  Buffer.from(text).toString('hex'),
  Buffer.from(text).toString('hex').toUpperCase(),
  encodeURIComponent(text),
  Buffer.from(text).toString('hex').replaceAll(/../g, '%$&'),
]

let stage: WebhookStage
let muster: Muster
let respond: Echo
const provider = createServer((request, response) => {
  let body = ''
  request.on('data', (chunk: Buffer) => (body += chunk.toString()))
  request.on('end', () => {
    const reply = respond({ headers: request.headers, body })
    response.writeHead(reply.status, reply.headers).end(JSON.stringify(reply.body))
  })
})
let providerUrl = ''

beforeAll(async () => {
  provider.listen(0, '127.0.0.1')
  await once(provider, 'listening')
  const host = `127.0.0.1:${(provider.address() as AddressInfo).port}`
  providerUrl = `http://${host}`
  stage = await startWebhookStage({ allowedHosts: [host] })
  muster = stage.muster
})
afterAll(async () => {
  await muster.close()
  await stage.receiver.close()
  provider.close()
})

/** What a provider got, in every spelling, and nothing else. */
const everything = ({ headers, body }: Request): string =>
  [String(headers.authorization).replace('SSWS ', ''), body.includes(PASSWORD) ? PASSWORD : '']
    .filter(Boolean)
    .flatMap(spellings)
    .join(' ')

/** Every value in Redis, sealed ones as they lie there, and every line that was logged. */
async function everythingKept(): Promise<string> {
  const redis = new Redis(muster.redis.url)
  const found: string[] = [...muster.logs()]
  for (const key of await redis.keys('*')) {
    const type = await redis.type(key)
    if (type === 'hash') found.push(JSON.stringify(await redis.hgetall(key)))
    if (type === 'string') found.push((await redis.get(key)) ?? '')
  }
  redis.disconnect()
  return found.join('\n')
}

function expectNoSecret(text: string): void {
  const lines = [PASSWORD, TOKEN].flatMap((secret) => [...spellings(secret), Buffer.from(secret).toString('base64')])
  for (const one of lines) expect(text).not.toContain(one)
}

describe('a provider that echoes what it was sent', () => {
  test('in its refusal and its ids: nothing of it is shown, kept or logged', async () => {
    respond = (request) => {
      const said = everything(request)
      return {
        status: 400,
        headers: { 'x-okta-request-id': said.split(' ')[1] ?? '' },
        body: { errorCode: 'E0000001', errorSummary: said, errorCauses: [{ errorSummary: said }], echo: [said] },
      }
    }
    const account = await muster.connect('okta', { config: { base_url: providerUrl } })
    const { body } = await muster.create<{ id: string }>(account, { ...newUser('okta'), password: PASSWORD })
    const operation = await muster.finished(body.id)
    expect(operation).toMatchObject({ status: 'failed', error: { code: 'provider_validation_failed' } })
    expect(JSON.stringify(operation)).toContain('[secret]')
    expectNoSecret(JSON.stringify(operation))
    expect(operation).toMatchObject({ attempts: [{ calls: [{ provider_request_id: null }] }] })
    expectNoSecret(await everythingKept())
  })

  test('in the record of the user: nothing of it is in any form of the result', async () => {
    respond = (request) => ({
      status: 200,
      headers: { 'x-okta-request-id': 'XmZl9-0q' },
      body: {
        id: '00u1echo',
        status: 'ACTIVE',
        profile: { login: 'ada@example.com', firstName: everything(request), lastName: 'Lovelace' },
      },
    })
    const account = await muster.connect('okta', { config: { base_url: providerUrl } })
    const { body } = await muster.create<{ id: string }>(account, { ...newUser('okta'), password: PASSWORD })
    expect(await muster.finished(body.id)).toMatchObject({ status: 'succeeded', remote_id: '00u1echo' })
    for (const format of ['unified', 'normalized', 'raw']) {
      const { body: shown } = await muster.request('GET', `/operations/${body.id}?truto_response_format=${format}`)
      expect(JSON.stringify(shown)).toContain('[secret]')
      expectNoSecret(JSON.stringify(shown))
    }
  })

  test('in the refusal of its credentials: nothing of it is in a test of the account or its reason', async () => {
    respond = (request) => ({ status: 401, body: { errorCode: 'E0000011', errorSummary: everything(request) } })
    const account = await muster.connect('okta', { config: { base_url: providerUrl } })
    const tested = await muster.request('POST', `/integrated-accounts/${account}/test`)
    expect(tested.body).toMatchObject({ ok: false, status: 'needs_reauth' })
    expectNoSecret(JSON.stringify(tested.body))
    await muster.create(account, { ...newUser('okta'), password: PASSWORD })
    const held = await eventually(
      () => muster.request('GET', `/integrated-accounts/${account}`),
      ({ body }) => body.status === 'needs_reauth',
    )
    expect(held.body.status_reason).toContain('[secret]')
    expectNoSecret(JSON.stringify(held.body))
    expectNoSecret(await everythingKept())
  })

  test('in its wish to be left alone: the account tells of it without naming the person', async () => {
    const login = 'canary.of.cooldown'
    respond = ({ body }) => ({
      status: 429,
      headers: { 'retry-after': '60' },
      body: { errorCode: 'E0000047', errorSummary: `Too many calls: ${login}@example.com, ${body}` },
    })
    const account = await muster.connect('okta', { config: { base_url: providerUrl } })
    await muster.create(account, { ...newUser('okta', login), password: PASSWORD })
    const cooling = await eventually(
      () => muster.request<{ cooldown: { reason: string } | null }>('GET', `/integrated-accounts/${account}`),
      ({ body }) => body.cooldown !== null,
    )
    expect(cooling.body.cooldown?.reason).toContain('[secret]')
    expect(JSON.stringify(cooling.body)).not.toContain(login)
    expectNoSecret(JSON.stringify(cooling.body))
    expect(await everythingKept()).not.toContain(login)
  })
})

test('a receiver that echoes its address and its secret leaves neither in the log of deliveries', async () => {
  const path = '/hooks/T0K3N-of-the-receiver-1?key=An0ther-token-of-it'
  const endpoint = await stage.register(path)
  const key = endpoint.secret.replace('whsec_', '')
  const echoed = [path, 'T0K3N-of-the-receiver-1', 'An0ther-token-of-it', endpoint.secret, key].flatMap(spellings)
  stage.receiver.behave(answer(400, {}, echoed.join(' ')), path)
  const { id } = await stage.send(endpoint.id)
  const delivery = await stage.delivery(id, ({ attempts }) => attempts.length > 0)
  expect(delivery.attempts[0]?.reply).toContain('[secret]')
  for (const one of echoed) expect(JSON.stringify(delivery)).not.toContain(one)
})
