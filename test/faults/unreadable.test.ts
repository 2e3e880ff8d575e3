import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { itemIdOf } from '../../packages/store/src/batches/batch-item-id.ts'
import { Keyring } from '../../packages/store/src/crypto/keyring.ts'
import { keys } from '../../packages/store/src/redis/keys.ts'
import { eventually, newUser, startMuster, type Muster } from '../support/harness.ts'
import { startReceiver, type Receiver } from '../support/receiver.ts'

const foreign = Keyring.parse(`lost:${randomBytes(32).toString('base64')}`)
let muster: Muster
let redis: Redis
let receiver: Receiver
beforeAll(async () => {
  receiver = await startReceiver()
  muster = await startMuster({ allowedHosts: [receiver.host] })
  redis = new Redis(muster.redis.url)
})
afterAll(async () => {
  redis.disconnect()
  await muster.close()
  await receiver.close()
})

/** As if a key had been lost: nothing that Muster has opens the field any more. Resolves with how to put it right. */
async function loseKeyOf(key: string, field: string): Promise<() => Promise<unknown>> {
  const blob = await redis.hgetBuffer(key, field)
  if (!blob) throw new Error(`${key} has no ${field}`)
  await redis.hset(key, field, foreign.seal({}, 'another place'))
  return () => redis.hset(key, field, blob)
}

interface Operation {
  id: string
  status: string
  status_reason: string | null
  attempt_count: number
}
const read = async (id: string): Promise<Operation> =>
  (await muster.request<Operation>('GET', `/operations/${id}`)).body
const held = (id: string): Promise<Operation> =>
  eventually(
    () => read(id),
    ({ status }) => status === 'held',
  )

describe('work that needs a record which does not open', () => {
  test('waits with a reason, also over worker restarts, keeps its secrets, and continues by itself when the key is back', async () => {
    const account = await muster.connect('google_workspace')
    await muster.request('POST', `/integrated-accounts/${account}/pause`)
    const ids: string[] = []
    for (let count = 0; count < 3; count += 1)
      ids.push((await muster.create<Operation>(account, newUser('google_workspace'))).body.id)
    const [request = '', secrets = '', well = ''] = ids
    const repairs = [
      await loseKeyOf(keys.operation(account, request), 'request'),
      await loseKeyOf(keys.operation(account, secrets), 'secrets'),
    ]
    await muster.request('POST', `/integrated-accounts/${account}/resume`)

    expect((await muster.finished(well)).status).toBe('succeeded')
    // As often as it took to call it dead, and once more.
    for (let restart = 0; restart < 4; restart += 1) {
      await muster.replaceWorker(0)
      expect((await held(request)).status_reason).toMatch(
        /request cannot be read: sealed with key "lost", which is not/,
      )
      expect((await held(secrets)).attempt_count).toBe(0)
    }
    for (const repair of repairs) await repair()
    for (const id of [request, secrets])
      expect(await muster.finished(id)).toMatchObject({ status: 'succeeded', attempt_count: 1, status_reason: null })
    expect((await muster.simulators.google_workspace.ledger()).created).toHaveLength(3)
  }, 60_000)

  test('because of its account: all of it waits, no other account does, and it continues within seconds', async () => {
    const [account, other] = [await muster.connect('okta'), await muster.connect('files_com')]
    const repair = await loseKeyOf(keys.account(account), 'credentials')
    const id = (await muster.create<Operation>(account, newUser('okta'))).body.id
    expect((await held(id)).status_reason).toContain(`account:${account}:credentials cannot be read`)
    const undisturbed = (await muster.create<Operation>(other, newUser('files_com'))).body.id
    expect((await muster.finished(undisturbed)).status).toBe('succeeded')

    const test = await muster.request('POST', `/integrated-accounts/${account}/test`)
    expect(test).toMatchObject({
      status: 503,
      body: { code: 'record_unreadable', record: `account:${account}:credentials` },
    })
    await repair()
    expect(await muster.finished(id, 15_000)).toMatchObject({ status: 'succeeded', attempt_count: 1 })
    const metrics = await fetch(`http://127.0.0.1:${String(muster.workers[0]?.listening.port)}/metrics`)
    expect(await metrics.text()).toMatch(/muster_records_unreadable_total\{record="account"\} [1-9]/)
  }, 60_000)

  test('a delivery waits for the secrets of its endpoint, and uses up no attempt', async () => {
    const account = await muster.connect('okta')
    const { id: endpointId } = (
      await muster.request<{ id: string }>('POST', '/webhook-endpoints', {
        body: { url: `http://${receiver.host}/unreadable` },
      })
    ).body
    const repair = await loseKeyOf(keys.webhookEndpoint(endpointId), 'credentials')
    const { id } = (await muster.create<Operation>(account, newUser('okta'))).body
    await muster.finished(id)
    const log = () =>
      muster.request<{ result: { status: string; attempt_count: number }[] }>(
        'GET',
        `/webhook-endpoints/${endpointId}/deliveries`,
      )
    await muster.workers[0]?.line((line) => line.record === `webhook-endpoint:${endpointId}:credentials`)
    expect((await log()).body.result).toMatchObject([{ status: 'pending', attempt_count: 0 }])
    await repair()
    await receiver.until(({ path }) => path === '/unreadable')
    expect((await eventually(log, ({ body }) => body.result[0]?.status === 'delivered')).body.result).toMatchObject([
      { attempt_count: 1 },
    ])
  }, 60_000)
})

test('an operation whose state is damaged for good is ended by a command, its login kept until that is asked for', async () => {
  const discard = async (...values: string[]): Promise<string> => {
    const script = fileURLToPath(new URL('../../apps/api/dist/commands/discard.js', import.meta.url))
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, ...values], {
      env: { PATH: process.env.PATH, REDIS_URL: muster.redis.url, MUSTER_ENCRYPTION_KEYS: muster.encryptionKeys },
    }).catch((error: unknown) => error as { stdout: string; stderr: string })
    return stdout + stderr
  }
  const account = await muster.connect('okta')
  await muster.request('POST', `/integrated-accounts/${account}/pause`)
  const user = newUser('okta')
  const { id } = (await muster.create<Operation>(account, user)).body
  expect(await discard('--operation', id, '--yes')).toContain('can be read: cancel, retry or erase it instead.')
  await redis.hset(keys.operation(account, id), 'record', Buffer.from([99, 1, 2]))
  expect((await muster.request('POST', `/operations/${id}/cancel`)).status).toBe(503)
  expect((await muster.request('DELETE', `/integrated-accounts/${account}`)).status).toBe(409)

  expect(await discard('--operation', id)).toContain('repeat with --yes')
  expect((await muster.request('GET', `/operations/${id}`)).status).toBe(503)
  expect(JSON.parse(await discard('--operation', id, '--yes'))).toMatchObject({ discarded: true, login_freed: false })
  expect(await muster.request('GET', `/operations/${id}`)).toMatchObject({
    status: 200,
    body: {
      status: 'failed',
      error: { code: 'outcome_unknown', message: expect.stringContaining('discarded') as string },
    },
  })
  expect((await muster.request('POST', `/operations/${id}/retry`)).status).toBe(409)
  expect((await muster.create(account, user)).body).toMatchObject({ code: 'operation_in_progress', operation_id: id })
  expect(JSON.parse(await discard('--operation', id, '--yes', '--free-login'))).toMatchObject({ login_freed: true })
  const again = await muster.create<Operation>(account, user)
  expect(again.status).toBe(202)
  await muster.request('POST', `/operations/${again.body.id}/cancel`)
  expect((await muster.request('DELETE', `/integrated-accounts/${account}`)).status).toBe(204)
}, 60_000)

describe('a list with a record in it that cannot be read', () => {
  interface Listed {
    result: { id: string; status: string }[]
    next_cursor: string | null
    unreadable?: { id: string; reason: string }[]
  }
  const list = async (path: string, key?: string): Promise<Listed> => {
    const { status, body } = await muster.request<Listed>('GET', path, key === undefined ? {} : { key })
    expect({ path, status }).toEqual({ path, status: 200 })
    return body
  }
  /** As an operation that a newer version wrote. */
  const spoil = (account: string, id: string) =>
    redis.hset(keys.operation(account, id), 'record', Buffer.from([99, 1, 2]))

  test('of operations: it is named in its place among the pages, and the others are shown', async () => {
    const { adminKey } = await muster.bootstrap()
    const account = await muster.connect('okta', { key: adminKey })
    await muster.request('POST', `/integrated-accounts/${account}/pause`, { key: adminKey })
    const ids: string[] = []
    for (let count = 0; count < 5; count += 1) {
      const options = { key: adminKey, query: 'reference=the-same' }
      ids.push((await muster.create<Operation>(account, newUser('okta'), options)).body.id)
    }
    const lost = ids[2] ?? ''
    await spoil(account, lost)

    for (const filter of ['', `integrated_account_id=${account}&`, 'reference=the-same&', 'status=held&']) {
      const seen: string[] = []
      const unreadable: string[] = []
      for (let cursor: string | null = ''; cursor !== null;) {
        const page: Listed = await list(`/operations?${filter}limit=2${cursor && `&cursor=${cursor}`}`, adminKey)
        seen.push(...page.result.map(({ id }) => id))
        unreadable.push(...(page.unreadable ?? []).map(({ id }) => id))
        cursor = page.next_cursor
      }
      expect({ filter, seen, unreadable }).toEqual({
        filter,
        seen: ids.filter((id) => id !== lost).reverse(),
        unreadable: [lost],
      })
    }
    const { status, body } = await muster.request('GET', `/operations/${lost}`, { key: adminKey })
    expect({ status, code: body.code, record: body.record }).toEqual({
      status: 503,
      code: 'record_unreadable',
      record: `operation:${lost}:record`,
    })
    expect(body.detail).toContain('a record of codec 99')
  })

  test('of batch results, of a row or of a whole chunk: these rows say so, and the file comes to its end', async () => {
    const account = await muster.connect('okta')
    await muster.request('POST', `/integrated-accounts/${account}/pause`)
    const rows = Array.from({ length: 130 }, (_, row) => `Ada,Lovelace,unreadable.${row}@example.com`)
    const response = await fetch(`${muster.url()}/unified/user-directory/users/bulk?integrated_account_id=${account}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${muster.owner.adminKey}`, 'content-type': 'text/csv' },
      body: `first_name,last_name,email\n${rows.join('\n')}\n`,
    })
    const { id } = (await response.json()) as { id: string }
    await spoil(account, itemIdOf(id, 127))
    await redis.set(keys.batchChunk(id, 0), foreign.seal([], 'another place'))

    const results = await fetch(`${muster.url()}/batches/${id}/results`, {
      headers: { authorization: `Bearer ${muster.owner.adminKey}` },
    })
    const lines = (await results.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { row: number; status: string; error_message: string | null })
    expect(lines.filter(({ row }) => row !== undefined).map(({ row }) => row)).toEqual(
      Array.from({ length: 130 }, (_, row) => row + 1),
    )
    const unreadable = lines.filter(({ status }) => status === 'unreadable')
    expect(unreadable.map(({ row }) => row)).toEqual([...Array.from({ length: 125 }, (_, row) => row + 1), 127])
    expect(unreadable[0]?.error_message).toContain('sealed with key "lost"')
    await muster.request('POST', `/batches/${id}/cancel`)
  })

  test('of endpoints and deliveries: it is named, and the others are shown', async () => {
    const register = async (): Promise<string> =>
      (
        await muster.request<{ id: string }>('POST', '/webhook-endpoints', {
          body: { url: `http://${receiver.host}/listed` },
        })
      ).body.id
    const [endpoint, lost] = [await register(), await register()]
    const account = await muster.connect('okta')
    const first = (await muster.create<Operation>(account, newUser('okta'))).body.id
    await receiver.until(({ path, event }) => path === '/listed' && event.data.operation_id === first, 2)
    const log = `/webhook-endpoints/${endpoint}/deliveries`
    const spoilt = (
      await eventually(
        () => list(log),
        ({ result }) => result[0]?.status === 'delivered',
      )
    ).result[0]?.id
    await redis.hset(keys.delivery(endpoint, spoilt ?? ''), 'replies', foreign.seal({}, 'another place'))
    await loseKeyOf(keys.webhookEndpoint(lost), 'credentials')
    const second = (await muster.create<Operation>(account, newUser('okta'))).body.id
    await receiver.until(({ path, event }) => path === '/listed' && event.data.operation_id === second)

    expect(await list(log)).toMatchObject({ result: [{}], unreadable: [{ id: spoilt }] })
    const endpoints = await list('/webhook-endpoints')
    expect(endpoints.result.map(({ id }) => id)).toContain(endpoint)
    expect(endpoints.unreadable).toMatchObject([{ id: lost, reason: expect.stringContaining('key "lost"') }])
    await muster.request('DELETE', `/webhook-endpoints/${lost}`)
    expect((await list('/webhook-endpoints')).unreadable).toBeUndefined()
  })
})
