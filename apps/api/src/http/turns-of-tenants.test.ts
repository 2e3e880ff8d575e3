import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createHeldRequests } from './held-requests.ts'
import { defineEndpoint } from './endpoint.ts'
import { assignRequestId } from './answer-errors.ts'
import { serveEndpoint } from './serve-endpoint.ts'
import { createApiMetrics } from '../metrics.ts'
import { defaultLimits } from '@muster/contracts/bounds'
import { routes } from '@muster/contracts/routes'
import { FairGate } from '@muster/egress/fair-gate'
import { openStore } from '@muster/store/store'
import { newKeyring, useRedis } from '../../../../packages/store/test/redis.ts'

const connect = useRedis()
let server: Server
let keys: string[]
/** Of the greedy tenant: what is at work, and how to end it. */
const atWork = new Set<() => void>()
let mostAtWork = 0
let leavesTurn = false

beforeAll(async () => {
  const redis = connect()
  const store = openStore({ redis, keyring: newKeyring(), retentionMs: 86_400_000, waitReplicas: 0 })
  const tenantIds = await Promise.all(['greedy', 'quiet'].map((name) => store.tenants.ensure(`turns ${name}`)))
  keys = await Promise.all(
    tenantIds.map(async (id) => (await store.tenants.createApiKey(id, 'turns', ['admin'], 'live')).apiKey),
  )
  const endpoint = defineEndpoint(routes.listApiKeys, async ({ tenantId, leaveTurn }) => {
    if (tenantId === tenantIds[0]) {
      if (leavesTurn) leaveTurn()
      await new Promise<void>((resolve) => {
        atWork.add(resolve)
        mostAtWork = Math.max(mostAtWork, atWork.size)
      })
    }
    return { status: 204 }
  })
  const held = createHeldRequests({ tenants: store.tenants, limits: defaultLimits })
  const turns = new FairGate({ perKey: 2, total: 16 })
  const app = express()
  app.use(assignRequestId)
  app.get('/', serveEndpoint({ store, metrics: createApiMetrics(), held, turns, isDraining: () => false }, endpoint))
  server = app.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const ask = async (key = ''): Promise<number> => {
  const { port } = server.address() as AddressInfo
  return (await fetch(`http://127.0.0.1:${port}/`, { headers: { authorization: `Bearer ${key}` } })).status
}
const endAll = (): void => {
  for (const end of atWork) end()
  atWork.clear()
}
async function untilAtWork(count: number): Promise<void> {
  for (const until = Date.now() + 5_000; atWork.size < count; await new Promise((resolve) => setImmediate(resolve)))
    if (Date.now() > until) throw new Error(`${atWork.size} at work, of ${count}`)
}

test('requests of one tenant beyond those at work wait their turn, and another tenant does not wait with them', async () => {
  const burst = Promise.all(Array.from({ length: 6 }, () => ask(keys[0])))
  for (let done = 0; done < 6; done += 2) {
    await untilAtWork(2)
    expect(await ask(keys[1])).toBe(204)
    endAll()
  }
  expect(await burst).toEqual(Array.from({ length: 6 }, () => 204))
  expect(mostAtWork).toBe(2)
})

test('one that waits for the end of an operation takes no turn meanwhile', async () => {
  leavesTurn = true
  const burst = Promise.all(Array.from({ length: 6 }, () => ask(keys[0])))
  await untilAtWork(6)
  endAll()
  expect(await burst).toEqual(Array.from({ length: 6 }, () => 204))
})
