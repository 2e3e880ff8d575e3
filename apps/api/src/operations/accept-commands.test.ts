import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { OperationResource } from '@muster/contracts/operation'
import type { Redis } from '@muster/store/redis/connect'
import { newAccount, useRedis } from '../../../../packages/store/test/redis.ts'
import { createApp } from '../app.ts'
import { apiSettingsSchema } from '../config.ts'
import { startApi, type ApiDependencies } from '../dependencies.ts'

const ENCRYPTION_KEY = `test:${'A'.repeat(43)}=`
const connect = useRedis()

/** What a client sends, by round trip: a new one begins with what is sent after an answer. */
function watchRoundTrips(redis: Redis): string[][] {
  const trips: string[][] = []
  let isAnswered = true
  const send = redis.sendCommand.bind(redis)
  redis.sendCommand = (command, stream) => {
    // Asked every two seconds, whatever else happens.
    if (command.name === 'role') return send(command, stream)
    if (isAnswered) trips.push([])
    trips.at(-1)?.push(command.name)
    isAnswered = false
    const noteAnswer = (): void => {
      isAnswered = true
    }
    command.promise.then(noteAnswer, noteAnswer)
    return send(command, stream)
  }
  return trips
}

/** An API in this process, and a client of one tenant with one account. */
async function startStage() {
  const { db = 0, host, port } = connect().options
  const config = apiSettingsSchema.parse({
    REDIS_URL: `redis://${host}:${port}/${db}`,
    MUSTER_ENCRYPTION_KEYS: ENCRYPTION_KEY,
    MUSTER_PORT: '0',
    LOG_LEVEL: 'silent',
  })
  let parts: { dependencies: ApiDependencies; app: RequestListener } | undefined
  const running = await startApi(config, (dependencies) => {
    parts = { dependencies, app: createApp(dependencies) }
    return parts.app
  })
  if (!parts) throw new Error('the API has no app')
  const { redis, store } = parts.dependencies
  const account = newAccount({ tenantId: await store.tenants.ensure('one'), config: { domain: 'acme.okta.com' } })
  await store.accounts.create(account, { type: 'api_token', api_token: 't' })
  const { apiKey } = await store.tenants.createApiKey(account.tenantId, 'k', ['provision'], 'live')
  const server = createServer(parts.app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/unified/user-directory/users?integrated_account_id=${account.id}`
  let logins = 0

  return {
    redis,
    /** @param headers besides */
    async create(headers: Record<string, string> = {}): Promise<OperationResource> {
      logins += 1
      const user = { first_name: 'Ada', last_name: 'Lovelace', emails: [{ email: `ada${logins}@example.com` }] }
      const response = await fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify(user),
      })
      expect(response.status).toBe(202)
      return (await response.json()) as OperationResource
    },
    async stop(): Promise<void> {
      server.close()
      server.closeAllConnections()
      await running.stop(false)
    },
  }
}

let stage: Awaited<ReturnType<typeof startStage>>
beforeAll(async () => {
  stage = await startStage()
  // Scripts are known from here on, and so is the API key: it is kept for a second, however long this takes.
  vi.spyOn(performance, 'now').mockReturnValue(performance.now())
  await stage.create()
})
afterAll(async () => {
  vi.restoreAllMocks()
  await stage.stop()
})

test('an accepted create waits for seven commands in three round trips; two more follow that nothing waits for', async () => {
  const expected = [
    // The account.
    ['hmget'],
    // The lane's cooldown, the tenant's bounds, two entries outside the account's hash slot, and the lane is due.
    ['get', 'evalsha', 'set', 'zadd', 'eval'],
    // The operation.
    ['evalsha'],
    // What the account has open, and the lane is due.
    ['evalsha', 'eval'],
  ]
  const trips = watchRoundTrips(stage.redis)
  const sent = (count: number) => vi.waitFor(() => expect(trips.flat().length).toBeGreaterThanOrEqual(count))
  await stage.create()
  await sent(expected.flat().length)
  trips.length = 0
  await stage.create()
  await sent(expected.flat().length)
  expect(trips).toEqual(expected)
})
