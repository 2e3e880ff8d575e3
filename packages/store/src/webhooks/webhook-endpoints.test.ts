import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { newEndpoint, newKeyring, newSecrets, useRedis } from '../../test/redis.ts'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'
import type { EventRecord } from '@muster/domain/event'
import type { SigningSecret } from '@muster/domain/webhook-endpoint/secrets'
import { DISABLED_BY_HAND } from '@muster/domain/webhook-endpoint/state'
import { createWebhookEndpoints, type WebhookEndpoints } from './webhook-endpoints.ts'

const connect = useRedis()
const page = { after: null, limit: 100 }
const T0 = 1_750_000_000_000
let redis: Redis
let endpoints: WebhookEndpoints
beforeAll(() => {
  redis = connect()
  endpoints = createWebhookEndpoints({ redis, keyring: newKeyring() })
})

const secret = (text: string, expiresAt: number | null = null): SigningSecret => ({
  secret: text,
  createdAt: T0,
  expiresAt,
})

describe('an endpoint', () => {
  test('is kept with its address and secrets sealed: neither is in any key or value', async () => {
    const record = newEndpoint()
    await endpoints.create(
      record,
      newSecrets({ signingKey: { privateKey: 'whsk_canaryOfTheKey', publicKey: 'whpk_x' } }),
    )
    await endpoints.ensureCallbackEndpoint(record.tenantId, 'https://hooks.example.com/canary-of-the-callback', T0)
    await endpoints.updateCallbackSecrets(record.tenantId, () => [secret('whsec_canaryOfCallbacks')])
    for (const name of await redis.keys('*')) {
      expect(name).not.toMatch(/canary/)
      const kind = await redis.type(name)
      const content =
        kind === 'hash'
          ? Object.values(await redis.hgetallBuffer(name))
          : kind === 'string'
            ? [await redis.getBuffer(name)]
            : []
      for (const value of content) expect(value?.toString('latin1')).not.toMatch(/canary|hooks\.example/)
    }
    expect(await endpoints.readSecrets(record.id)).toMatchObject({
      url: 'https://hooks.example.com/canary-of-the-address',
      signingKey: { privateKey: 'whsk_canaryOfTheKey' },
    })
    expect(await endpoints.readCallbackSecrets(record.tenantId)).toEqual([secret('whsec_canaryOfCallbacks')])
    expect((await endpoints.list(record.tenantId, page)).records.map(({ kind }) => kind).sort()).toEqual([
      'callback',
      'registered',
    ])
  })

  test("its secrets cannot be taken for another's", async () => {
    const [mine, theirs] = [newEndpoint(), newEndpoint()]
    await endpoints.create(mine, newSecrets())
    await endpoints.create(theirs, newSecrets())
    await redis.hset(
      keys.webhookEndpoint(mine.id),
      'credentials',
      (await redis.hgetBuffer(keys.webhookEndpoint(theirs.id), 'credentials')) ?? '',
    )
    await expect(endpoints.readSecrets(mine.id)).rejects.toThrow()
  })

  test('side by side, no change is lost: neither of the record nor of its secrets', async () => {
    const record = newEndpoint({ concurrency: 0 })
    await endpoints.create(record, newSecrets({ secrets: [] }))
    const add = (text: string) =>
      endpoints.updateSecrets(record.id, (present) => ({ ...present, secrets: [...present.secrets, secret(text)] }), T0)
    await Promise.all([
      ...Array.from({ length: 10 }, () =>
        endpoints.update(record.id, (latest) => ({ ...latest, concurrency: (latest.concurrency ?? 0) + 1 })),
      ),
      ...Array.from({ length: 10 }, (_, index) => add(String(index))),
      ...Array.from({ length: 5 }, (_, index) =>
        endpoints.updateCallbackSecrets(record.tenantId, (present) => [...present, secret(String(index))]),
      ),
    ])
    expect((await endpoints.read(record.id))?.concurrency).toBe(10)
    expect((await endpoints.readSecrets(record.id))?.secrets.map((one) => one.secret).sort()).toEqual(
      Array.from({ length: 10 }, (_, index) => String(index)),
    )
    expect(await endpoints.readCallbackSecrets(record.tenantId)).toHaveLength(5)
  })

  test('the first secret of callbacks of test accounts follows the live one, which signs along, and changes no live one', async () => {
    const tenantId = randomUUID()
    await endpoints.updateCallbackSecrets(tenantId, () => [secret('live')])
    expect(await endpoints.readCallbackSecrets(tenantId, 'test')).toEqual([secret('live')])
    await endpoints.updateCallbackSecrets(tenantId, (present) => [secret('test'), ...present], 'test')
    expect(await endpoints.readCallbackSecrets(tenantId, 'test')).toEqual([secret('test'), secret('live')])
    expect(await endpoints.readCallbackSecrets(tenantId)).toEqual([secret('live')])
  })

  test('one that was removed does not come back by a change that was under way', async () => {
    const record = newEndpoint()
    await endpoints.create(record, newSecrets())
    const changed = endpoints.update(record.id, (latest) => ({ ...latest, failingSince: T0 }))
    await endpoints.remove(record)
    await changed
    expect(await endpoints.update(record.id, (latest) => latest)).toBeUndefined()
    expect(await redis.keys(`*${record.id}*`)).toEqual([])
  })

  test('one host of callbacks has one endpoint a tenant, made once however many ask', async () => {
    const tenantId = randomUUID()
    const made = await Promise.all(
      [
        'https://a.example/1',
        'https://a.example/2',
        'https://a.example:443/3',
        'https://a.example:8443/',
        'https://b.example/',
      ].map((url) => endpoints.ensureCallbackEndpoint(tenantId, url, T0)),
    )
    expect(new Set(made.map(({ id }) => id)).size).toBe(3)
    expect((await endpoints.list(tenantId, page)).records).toHaveLength(3)
    expect((await endpoints.ensureCallbackEndpoint(randomUUID(), 'https://a.example/1', T0)).id).not.toBe(made[0]?.id)
  })

  test('disabled by what its receiver did, it emits one event; by hand, or made active, none', async () => {
    const record = newEndpoint()
    await endpoints.create(record, newSecrets())
    const emitted = async (): Promise<EventRecord[]> =>
      (await redis.zrange(keys.eventOutbox({ kind: 'endpoint', id: record.id }), 0, '-1')).map(
        (entry) => JSON.parse(entry) as EventRecord,
      )
    const become = (status: 'active' | 'disabled', statusReason: string | null) =>
      endpoints.update(record.id, (latest) => ({ ...latest, status, statusReason }))
    await become('disabled', DISABLED_BY_HAND)
    await become('active', null)
    expect(await emitted()).toEqual([])
    await become('disabled', 'The receiver answered 410 Gone.')
    await become('disabled', 'The receiver answered 410 Gone.')
    expect(await emitted()).toMatchObject([
      {
        type: 'webhook_endpoint.disabled',
        sequence: 4,
        accountId: null,
        data: { webhook_endpoint_id: record.id, reason: 'The receiver answered 410 Gone.' },
      },
    ])
  })
})
