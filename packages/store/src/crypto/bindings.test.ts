import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, expect, test, vi } from 'vitest'
import type { BatchRecord } from '@muster/domain/batch/record'
import { newBatch } from '../../test/batches.ts'
import {
  newAccount,
  newEndpoint,
  newEvent,
  newHead,
  newRequest,
  newSecrets,
  newState,
  useRedis,
} from '../../test/redis.ts'
import type { Redis } from '../redis/connect.ts'
import { openStore, type Store } from '../store.ts'
import { bindings } from './bindings.ts'
import { Keyring } from './keyring.ts'
import { resealAll } from './reseal.ts'

const connect = useRedis()
const newKey = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`
const root = fileURLToPath(new URL('../../../..', import.meta.url))

const copies: string[] = []
afterAll(() => copies.forEach((copy) => rmSync(copy, { recursive: true, force: true })))

/** What the compiler says of a copy of this package in which the table of bindings was changed. */
async function compileWith(change: (table: string) => string): Promise<string> {
  const copy = mkdtempSync(join(tmpdir(), 'muster-bindings-'))
  copies.push(copy)
  cpSync(join(root, 'packages/store/src'), join(copy, 'src'), {
    recursive: true,
    filter: (path) => !path.endsWith('.test.ts'),
  })
  symlinkSync(join(root, 'packages/store/node_modules'), join(copy, 'node_modules'))
  cpSync(join(root, 'packages/store/package.json'), join(copy, 'package.json'))
  const table = join(copy, 'src/crypto/bindings.ts')
  writeFileSync(table, change(readFileSync(table, 'utf8')))
  const compilerOptions = { noEmit: true, customConditions: ['source'], typeRoots: [join(root, 'node_modules/@types')] }
  const config = { extends: join(root, 'tsconfig.base.json'), compilerOptions, include: ['src'] }
  writeFileSync(join(copy, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  return promisify(execFile)(process.execPath, [tsc, '-p', copy], { cwd: copy }).then(
    ({ stdout }) => stdout,
    (error: { stdout?: string }) => error.stdout ?? String(error),
  )
}

const complaintsAbout = (file: string, errors: string): string =>
  errors
    .split('\n')
    .filter((line) => line.startsWith(`src/${file}`))
    .join()

test('a binding that is renamed does not compile until records and the rotation of keys agree', async () => {
  const errors = await compileWith((table) =>
    table.replace(/\bdelivery: \{/, 'webhookDelivery: {').replace(/\bsecrets: \(/, 'passwords: ('),
  )
  expect(complaintsAbout('crypto/reseal.ts', errors)).toContain("'delivery'")
  expect(complaintsAbout('webhooks/deliveries.ts', errors)).toContain("'delivery'")
  expect(complaintsAbout('operations/sealed-request.ts', errors)).toContain("'secrets'")
  expect(complaintsAbout('accounts/accounts.ts', errors)).toBe('')
}, 60_000)

test('a binding that is added does not compile until the rotation of keys knows where it lies', async () => {
  const withNote = 'export const bindings = { note: (id: string) => `note:${id}`,'
  const errors = await compileWith((table) => table.replace('export const bindings = {', withNote))
  expect(complaintsAbout('crypto/reseal.ts', errors)).toContain("'note'")
}, 60_000)

/** Every binding of the table, as a pattern: one with the ids `#` where a record's are. */
const patterns = Object.values(bindings)
  .flatMap((kind): object[] => (typeof kind === 'function' ? [kind] : Object.values(kind)))
  .map((bind) => (typeof bind === 'function' ? String(Reflect.apply(bind, undefined, ['#', '#'])) : ''))
  .map((bound) => new RegExp(`^${bound.replaceAll('#', '[^:]+')}$`))

test('nothing is sealed by an older key after a rotation, whatever kind it is of', async () => {
  const redis = connect()
  // Written in clear in front of every blob, so that a blob of it is found wherever it lies.
  const oldId = `outgoing-${randomUUID()}`
  const [old, fresh] = [newKey(oldId), newKey('fresh')]
  const keyring = Keyring.parse(old)
  const sealed = [vi.spyOn(keyring, 'seal'), vi.spyOn(keyring, 'sealCompact')]
  const store = openStore({ redis, keyring, retentionMs: 60_000, waitReplicas: 0 })
  const batch = await writeOneOfEachKind(store)
  const bound = sealed.flatMap(({ mock }) => mock.calls.map(([, name]) => name))
  for (const pattern of patterns) expect(bound, 'a sample of every kind').toContainEqual(expect.stringMatching(pattern))
  expect((await findValues(redis, oldId)).length).toBeGreaterThan(10)

  await resealAll(redis, Keyring.parse(`${fresh},${old}`), () => undefined)
  expect(await findValues(redis, oldId)).toEqual([])
  const after = openStore({ redis, keyring: Keyring.parse(fresh), retentionMs: 60_000, waitReplicas: 0 })
  // It lies in base64 within a record.
  const kept = await after.batches.read(batch.id)
  expect(kept && after.batches.readReference(kept)).toBe('ada@example.com')
})

async function writeOneOfEachKind(store: Store): Promise<BatchRecord> {
  const callbackUrl = 'https://example.com/hook'
  const tenantId = await store.tenants.ensure(randomUUID())
  const account = newAccount({ tenantId })
  await store.hasher()
  await store.accounts.create(account, { type: 'api_token', api_token: 'x' })
  const token = { value: 't', expiresAt: null }
  await store.accessTokens.renew(account.id, async () => ({ token, credentialsVersion: 1 }))
  for (const isEnded of [false, true]) {
    const head = newHead({ accountId: account.id, tenantId })
    await store.operations.accept({ head, state: newState(), request: newRequest(), fingerprint: 'f', callbackUrl })
    const record = isEnded ? await store.operations.read(account.id, head.id) : undefined
    const result = { user: { id: 'r' }, remoteData: {} }
    if (record) await store.operations.save(record, { ...record.state, status: 'succeeded' }, result)
  }
  await writeDelivery(store, tenantId, callbackUrl)
  const batch = newBatch({ tenantId, reference: 'ada@example.com' })
  await store.batches.create(batch, { fingerprint: 'f', callbackUrl })
  const rows = [{ row: 1, line: 2, account: null }]
  await store.batches.commitChunk(batch.id, 0, rows, { rows: 1, rejected: 1, digest: '' })
  return batch
}

async function writeDelivery(store: Store, tenantId: string, callbackUrl: string): Promise<void> {
  const endpoint = newEndpoint({ tenantId })
  await store.webhookEndpoints.create(endpoint, newSecrets())
  for (const mode of [undefined, 'test'] as const)
    await store.webhookEndpoints.updateCallbackSecrets(tenantId, () => newSecrets().secrets, mode)
  const id = (await store.deliveries.create(endpoint, newEvent({ tenantId }), callbackUrl, Date.now())) ?? ''
  const delivery = await store.deliveries.read(endpoint.id, id)
  const attempt = { number: 1, startedAt: 1, durationMs: 1, status: 500, reason: null, reply: 'no' }
  if (delivery) await store.deliveries.recordAttempt(delivery, { ...delivery.state, attempts: [attempt] })
}

/** Where this text stands in what is stored. */
async function findValues(redis: Redis, text: string): Promise<string[]> {
  const found: string[] = []
  for (const key of await redis.keys('*')) {
    const type = await redis.type(key)
    if (type === 'string' && (await redis.getBuffer(key))?.includes(text)) found.push(key)
    if (type !== 'hash') continue
    for (const [field, value] of Object.entries(await redis.hgetallBuffer(key)))
      if (value.includes(text)) found.push(`${key} ${field}`)
  }
  return found
}
