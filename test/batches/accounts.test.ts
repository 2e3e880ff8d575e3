import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { batchClientOf, toNdjson, type Batch } from '../support/batch-client.ts'
import { newUser, startMuster, type Muster } from '../support/harness.ts'

const ACCOUNTS = 160
const FEW = 24
let muster: Muster
let client: ReturnType<typeof batchClientOf>
let redis: Redis
let accounts: string[]
beforeAll(async () => {
  // Counts the commands that the API sends to Redis.
  muster = await startMuster({ workers: 0 })
  client = batchClientOf(muster)
  redis = new Redis(muster.redis.url)
  accounts = []
  while (accounts.length < ACCOUNTS)
    accounts.push(...(await Promise.all(Array.from({ length: 20 }, () => muster.connect('files_com')))))
})
afterAll(async () => {
  redis.disconnect()
  await muster.close()
})

async function commandsOf(work: () => Promise<unknown>): Promise<number> {
  const count = async (): Promise<number> =>
    Number(/total_commands_processed:(\d+)/.exec(await redis.info('stats'))?.[1] ?? Number.NaN)
  const before = await count()
  await work()
  return (await count()) - before
}
async function upload(ids: readonly string[]): Promise<Batch> {
  const rows = ids.map((id) => ({ integrated_account_id: id, user: newUser('files_com') }))
  const { status, body } = await client.bulk(toNdjson(rows))
  expect(status).toBe(202)
  return body
}
type AccountPage = { result: Batch['accounts']; next_cursor: string | null }
async function pageThrough(batchId: string): Promise<Batch['accounts']> {
  const found: Batch['accounts'] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const path: string = `/batches/${batchId}/accounts?limit=50${cursor === '' ? '' : `&cursor=${cursor}`}`
    const { body }: { body: AccountPage } = await client.request<AccountPage>('GET', path)
    found.push(...body.result)
    cursor = body.next_cursor
  }
  return found
}

describe('a batch over many accounts', () => {
  let small: Batch
  let batch: Batch

  test('costs as many commands per row as one over few accounts', async () => {
    const few = (await commandsOf(async () => (small = await upload(accounts.slice(0, FEW))))) / FEW
    const many = (await commandsOf(async () => (batch = await upload(accounts)))) / ACCOUNTS
    expect(many).toBeLessThan(few * 1.2)
  })

  test('is read with as many commands as one over twenty', async () => {
    expect(await commandsOf(() => client.read(batch.id))).toBeLessThan(250)
    const operations = (): Promise<unknown> => client.request('GET', `/operations?batch_id=${batch.id}&limit=100`)
    expect(await commandsOf(operations)).toBeLessThan(5 * ACCOUNTS)
  })

  test('shows the first twenty, the counts of all, and every account page by page', async () => {
    const shown = await client.read(batch.id)
    expect(shown).toMatchObject({ account_count: ACCOUNTS, counts: { total: ACCOUNTS, queued: ACCOUNTS } })
    const found = await pageThrough(batch.id)
    expect(found.map((account) => account.integrated_account_id)).toEqual(accounts)
    expect(found.every(({ counts }) => counts.queued === 1)).toBe(true)
    expect(shown.accounts).toEqual(found.slice(0, 20))
  })

  test('is run, paused and canceled at each account', async () => {
    await client.change(batch.id, 'pause')
    muster.workers.push(await muster.startWorker())
    expect(await client.completed(small.id)).toMatchObject({
      status: 'completed',
      account_count: FEW,
      counts: { total: FEW, succeeded: FEW, queued: 0 },
    })
    expect((await pageThrough(small.id)).every(({ counts }) => counts.succeeded === 1)).toBe(true)
    expect((await pageThrough(batch.id)).every(({ counts }) => counts.queued === 1)).toBe(true)
    await client.change(batch.id, 'cancel')
    expect(await client.completed(batch.id)).toMatchObject({
      status: 'canceled',
      counts: { total: ACCOUNTS, canceled: ACCOUNTS },
    })
    const results = await client.results(batch.id)
    expect(results.map((result) => [result.integrated_account_id, result.status])).toEqual(
      accounts.map((id) => [id, 'canceled']),
    )
  })
})
