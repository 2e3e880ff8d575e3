import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { readBatchResults } from '../../apps/api/src/batches/batch-results.ts'
import { RowCommitter } from '../../apps/api/src/batches/commit-rows.ts'
import { RowValidator } from '../../apps/api/src/batches/validate-rows.ts'
import { validateUpload, type UploadedFile } from '../../apps/api/src/batches/upload.ts'
import { apiSettingsSchema } from '../../apps/api/src/config.ts'
import { createApiMetrics } from '../../apps/api/src/metrics.ts'
import { createEgress } from '../../packages/egress/src/egress.ts'
import { createLaneSchedule } from '../../packages/lanes/src/lane-schedule.ts'
import { CHUNK_BYTES, type BatchRecord, type BatchRow } from '../../packages/domain/src/batch/record.ts'
import { keys } from '../../packages/store/src/redis/keys.ts'
import { connectRedis, type Redis } from '../../packages/store/src/redis/connect.ts'
import { openStore, type Store } from '../../packages/store/src/store.ts'
import { MAX_BLOCK_MS } from '../../packages/store/src/event-loop.ts'
import { newBatch } from '../../packages/store/test/batches.ts'
import { newAccount, newKeyring } from '../../packages/store/test/redis.ts'
import { startRedis, type StartedRedis } from '../../scripts/redis.mjs'

const config = apiSettingsSchema.parse({ MUSTER_ENCRYPTION_KEYS: `k:${Buffer.alloc(32).toString('base64')}` })
const account = newAccount({ config: { base_url: 'https://acme.okta.com' } })
let directory: string
let server: StartedRedis
let redis: Redis
let store: Store
const egress = createEgress({ allowedHosts: new Set(), maxSockets: 1, nameServers: [], ports: new Set() })
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'muster-wide-'))
  server = await startRedis({ dir: directory })
  redis = connectRedis(server.url, 'worker', () => undefined)
  await new Promise((resolve) => redis.once('ready', resolve))
  store = openStore({ redis, keyring: newKeyring(), retentionMs: 86_400_000, waitReplicas: 0 })
  await store.accounts.create(account, { type: 'api_token', api_token: 't' })
})
afterAll(async () => {
  await egress.close()
  redis.disconnect()
  await server.stop('SIGKILL')
  await rm(directory, { recursive: true, force: true })
})

/** What the API does with an upload, from its bytes to its last chunk, without HTTP. */
async function upload(format: UploadedFile['format'], text: string): Promise<BatchRecord> {
  const now = Date.now()
  const record = newBatch({ tenantId: account.tenantId, format, chunkBytes: CHUNK_BYTES })
  await store.batches.create(record, { fingerprint: 'f' })
  const hash = await store.hasher()
  const query = { integrated_account_id: account.id, dry_run: false }
  const caller = { tenantId: account.tenantId, isTest: false }
  const validator = new RowValidator({ store, egress, config, hash, caller, query, isStrict: false, now })
  const committer = await RowCommitter.open({
    store,
    schedule: createLaneSchedule(redis),
    metrics: createApiMetrics(),
    hash,
    record,
    requestId: 'r',
    defaultExpiryHours: 1,
    now,
  })
  const bytes = Readable.from([Buffer.from(text)])
  for await (const validated of validateUpload(bytes, { format, isGzip: false, mapping: {} }, validator, config))
    await committer.add(validated)
  await committer.finish()
  return (await store.batches.read(record.id)) ?? record
}

/**
 * The most rows that were validated or sealed between two turns of the event loop, were each to take a millisecond:
 * what computes reads the clock once a row.
 */
async function mostRowsInATurn(work: () => Promise<unknown>): Promise<number> {
  let now = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 1))
  try {
    let isDone = false
    const done = work().finally(() => (isDone = true))
    let most = 0
    for (let before = now; !isDone; before = now) {
      await nextTurn()
      most = Math.max(most, now - before)
    }
    await done
    return most
  } finally {
    clock.mockRestore()
  }
}

const textOf = (length: number): string => randomBytes(length).toString('base64url').slice(0, length)
const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `custom_${index}`)
const email = (): string => `a.${textOf(12)}@example.com`
/** Three columns, and so many more. */
const csvOf = (columns: number, rows: number, cellLength: number): string =>
  [
    ['first_name', 'last_name', 'email', ...names(columns).map((name) => `remote_data.profile.${name}`)],
    ...Array.from({ length: rows }, () => [
      'Ada',
      'Lovelace',
      email(),
      ...names(columns).map(() => textOf(cellLength)),
    ]),
  ]
    .map((cells) => `${cells.join(',')}\n`)
    .join('')
const ndjsonOf = (members: number, rows: number, length: number): string =>
  Array.from({ length: rows }, () => {
    const profile = Object.fromEntries(names(members).map((name) => [name, textOf(length)]))
    const user = { first_name: 'Ada', last_name: 'Lovelace', emails: [{ email: email() }] }
    return `${JSON.stringify({ ...user, remote_data: { profile } })}\n`
  }).join('')

describe('the widest upload that is accepted', () => {
  test.each([
    ['many columns', 'csv', csvOf(497, 150, 2)],
    ['many columns of long cells', 'csv', csvOf(497, 130, 100)],
    ['many members', 'ndjson', ndjsonOf(980, 150, 2)],
    ['large rows', 'ndjson', ndjsonOf(10, 130, 6_000)],
  ] as const)('of %s lets other requests in after every few rows', async (_title, format, text) => {
    // The longest block of validating and of sealing, and the readings of the clock that begin them.
    expect(await mostRowsInATurn(() => upload(format, text))).toBeLessThanOrEqual(3 * MAX_BLOCK_MS)
  })

  test('is stored in chunks of bounded size without column names, and comes back whole', async () => {
    const text = csvOf(497, 130, 100)
    const record = await upload('csv', text)
    const { chunks, rows } = await store.batches.readProgress(record.id)
    expect(rows).toBe(130)
    const keptRows = async (): Promise<BatchRow[]> =>
      (
        await Promise.all(Array.from({ length: chunks }, (_, chunk) => store.batches.readChunk(record.id, chunk)))
      ).flat()
    for (let chunk = 0; chunk < chunks; chunk += 1)
      expect(await redis.strlen(keys.batchChunk(record.id, chunk))).toBeLessThan(2 * CHUNK_BYTES)
    expect(JSON.stringify(await keptRows())).not.toContain('custom_')
    const results: string[] = []
    for await (const { columns } of readBatchResults(store, record, undefined))
      results.push(`${Object.values(columns ?? {}).join(',')}\n`)
    expect(`${(record.columns ?? []).join(',')}\n${results.join('')}`).toBe(text)
    // A row is found although chunks have fewer rows than usual.
    await store.batches.eraseRow(record.id, 100)
    expect((await keptRows()).filter(({ cells }) => cells === undefined).map(({ row }) => row)).toEqual([100])
  })
})

describe('a wider upload', () => {
  test('is refused for its number of columns, or row by row, and says what is allowed', async () => {
    await expect(upload('csv', csvOf(498, 1, 2))).rejects.toMatchObject({
      code: 'payload_too_large',
      message: expect.stringContaining('501 columns, and no more than 500'),
    })
    const record = await upload('ndjson', ndjsonOf(1_001, 1, 2))
    expect(await store.batches.readChunk(record.id, 0)).toMatchObject([
      { account: null, problems: [{ code: 'too_many', detail: 'The row holds more than 1000 values.' }] },
    ])
  })

  test('with wrong fields keeps the first twenty problems of a row', async () => {
    const wrong = Object.fromEntries(names(900).map((name) => [`${name}${'y'.repeat(40)}`, 1]))
    const record = await upload('ndjson', `${JSON.stringify(wrong)}\n`)
    expect((await store.batches.readChunk(record.id, 0))[0]?.problems).toHaveLength(20)
  })
})
