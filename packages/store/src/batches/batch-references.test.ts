import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { unlimited } from '@muster/contracts/bounds'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startRedis, type StartedRedis } from '../../../../scripts/redis.mjs'
import { newBatch } from '../../test/batches.ts'
import { newKeyring } from '../../test/redis.ts'
import { createBatchId, itemIdOf } from './batch-item-id.ts'
import { referenceHash } from './batch-references.ts'
import { CHUNK_ROWS, type BatchRecord, type BatchRow } from '@muster/domain/batch/record'
import { createBatches, type Batches } from './batches.ts'
import { keys } from '../redis/keys.ts'
import { createOperationIndex, type OperationIndex } from '../operations/operation-index.ts'
import { connectRedis, type Redis } from '../redis/connect.ts'

const DAY_MS = 86_400_000
const T0 = Date.now()
let server: StartedRedis
let directory: string
let redis: Redis
let batches: Batches
let index: OperationIndex
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'muster-references-'))
  // One of its own: what is counted is its append-only file.
  server = await startRedis({ dir: directory, appendonly: 'everysec' })
  redis = connectRedis(server.url, 'worker', () => undefined)
  await redis.config('SET', 'appendfsync', 'no', 'auto-aof-rewrite-percentage', '0')
  batches = createBatches({ redis, keyring: newKeyring(), retentionMs: DAY_MS, limits: unlimited })
  index = createOperationIndex({ redis, retentionMs: DAY_MS })
})
afterAll(async () => {
  redis.disconnect()
  await server.stop('SIGKILL')
  await rm(directory, { recursive: true, force: true })
})

const rowsFrom = (first: number, count: number, reference: string): BatchRow[] =>
  Array.from({ length: count }, (_, at) => ({ row: first + at, line: null, account: 0, reference }))

async function newBatchAt(tenantId: string, at: number, rows: number, reference: string): Promise<BatchRecord> {
  const batch = newBatch({ tenantId, id: createBatchId(at), createdAt: at })
  await batches.create(batch, { fingerprint: 'f' })
  for (let chunk = 0; chunk * CHUNK_ROWS < rows; chunk += 1) {
    const first = chunk * CHUNK_ROWS + 1
    const count = Math.min(CHUNK_ROWS, rows - first + 1)
    await batches.commitChunk(batch.id, chunk, rowsFrom(first, count, reference), {
      rows: first + count - 1,
      rejected: 0,
      digest: 'd',
    })
  }
  return batch
}
const idsOf = (batch: BatchRecord, rows: number): string[] =>
  Array.from({ length: rows }, (_, at) => itemIdOf(batch.id, rows - at))
const find = (tenantId: string, count: number, before: string | null = null): Promise<string[]> =>
  index.listIds({ tenantId, reference: 'shared' }, { before, from: null, to: null, count })

async function appendedBytes(work: () => Promise<unknown>): Promise<number> {
  const size = async (): Promise<number> =>
    Number(/aof_current_size:(\d+)/.exec(await redis.info('persistence'))?.[1] ?? Number.NaN)
  const before = await size()
  await work()
  return (await size()) - before
}

describe('rows that share one reference', () => {
  test('cost the append-only file as much each in a large batch as in a small one', async () => {
    const bytesPerRow = async (rows: number): Promise<number> =>
      (await appendedBytes(() => newBatchAt(randomUUID(), T0, rows, 'shared'))) / rows
    const small = await bytesPerRow(500)
    const large = await bytesPerRow(4_000)
    expect(small).toBeLessThan(200)
    expect(large).toBeLessThan(small * 1.2)
  })

  test('are found page by page, and a page reads no more than it shows', async () => {
    const tenantId = randomUUID()
    const batch = await newBatchAt(tenantId, T0, 3_000, 'shared')
    const received = async (): Promise<number> =>
      Number(/total_net_output_bytes:(\d+)/.exec(await redis.info('stats'))?.[1] ?? Number.NaN)
    const before = await received()
    const first = await find(tenantId, 10)
    expect(first).toEqual(idsOf(batch, 3_000).slice(0, 10))
    expect((await received()) - before).toBeLessThan(8_000)
    expect(await find(tenantId, 10, first[9])).toEqual(idsOf(batch, 3_000).slice(10, 20))
  })

  test('are found newest first over many batches of one millisecond and of others', async () => {
    const tenantId = randomUUID()
    const all: string[] = []
    for (let nth = 0; nth < 120; nth += 1)
      all.push(...idsOf(await newBatchAt(tenantId, T0 + Math.floor(nth / 3), 3, 'shared'), 3))
    const walked: string[] = []
    for (let page = await find(tenantId, 7); page.length > 0; page = await find(tenantId, 7, page.at(-1)))
      walked.push(...page)
    expect(walked).toEqual(all.sort().reverse())
  })

  test('are also found, and erased, where an earlier version kept them', async () => {
    const tenantId = randomUUID()
    const batch = await newBatchAt(tenantId, T0, 2, 'shared')
    await redis.del(keys.batchReferenceRows(batch.id))
    await redis.hset(keys.batchReferences(batch.id), referenceHash('shared'), '1,2')
    await batches.commitChunk(batch.id, 1, rowsFrom(3, 1, 'shared'), { rows: 3, rejected: 0, digest: 'd' })
    expect(await find(tenantId, 10)).toEqual(idsOf(batch, 3))
    expect(await find(tenantId, 10, itemIdOf(batch.id, 2))).toEqual([itemIdOf(batch.id, 1)])
    await batches.eraseRow(batch.id, 1)
    expect(await find(tenantId, 10)).toEqual([itemIdOf(batch.id, 3), itemIdOf(batch.id, 2)])
  })
})
