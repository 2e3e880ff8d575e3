import type { OperationRecord, OperationState } from '@muster/domain/operation/record'
import { recoverFromCrash, startAttempt } from '@muster/domain/operation/state'
import { createLogger } from '@muster/process/logger'
import { followRedisClock, type RedisClock } from '@muster/store/redis/clock'
import { openStore, type Store } from '@muster/store/store'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { newBatch, newItem } from '../../../../packages/store/test/batches.ts'
import { newAccount, newKeyring, useRedis } from '../../../../packages/store/test/redis.ts'
import { createWorkerMetrics } from '../metrics.ts'
import { claim } from './claim.ts'

const connect = useRedis()
let store: Store
let clock: RedisClock
beforeAll(async () => {
  const redis = connect()
  store = openStore({ redis, keyring: newKeyring(), retentionMs: 86_400_000, waitReplicas: 0 })
  clock = await followRedisClock(redis, () => undefined)
})
afterAll(() => clock.stop())

/** What the stage reports of each operation. */
let reported: string[]
beforeEach(() => void (reported = []))

const claimIt = ({ head }: OperationRecord) =>
  claim(
    {
      store,
      clock,
      metrics: createWorkerMetrics(),
      log: createLogger('silent', 'test'),
      onEvent: ({ kind, id }) => void reported.push(`${kind} ${id}`),
      onBatch: (id) => void reported.push(`batch ${id}`),
    },
    head.accountId,
    head.id,
  )

/** A row of a batch, in this state. */
async function newRow(change: (state: OperationState) => OperationState): Promise<OperationRecord> {
  const account = newAccount()
  await store.accounts.create(account, { type: 'api_token', api_token: 'x' })
  const batch = newBatch({ tenantId: account.tenantId, accounts: [{ id: account.id, provider: 'okta' }] })
  await store.batches.create(batch, { fingerprint: 'f' })
  const item = newItem(batch, 1, account.id)
  await store.operations.acceptMany([item])
  return store.operations.save({ head: item.head, state: item.state, version: 1 }, change(item.state))
}

test('a row that may run comes with all that its attempt needs', async () => {
  const row = await newRow((state) => ({ ...state, notBefore: Date.now() - 1 }))
  const claimed = await claimIt(row)
  expect(claimed).toMatchObject({
    record: { version: row.version },
    account: { id: row.head.accountId },
    input: { remoteQuery: {} },
    credentials: { type: 'api_token' },
  })
  expect(reported).toEqual([])
})

test('a row before its time goes back until then', async () => {
  const notBefore = Date.now() + 60_000
  const claimed = await claimIt(await newRow((state) => ({ ...state, notBefore })))
  if (!('at' in claimed)) return expect.unreachable(JSON.stringify(claimed))
  expect(claimed.outcome).toBe('retrying')
  // By this machine's clock.
  expect(Math.abs(claimed.at - notBefore)).toBeLessThan(1_000)
})

const now = 1_750_000_000_000
const crashed = (state: OperationState): OperationState => recoverFromCrash(startAttempt(state, now), now)
test.each<[string, (state: OperationState) => OperationState, string]>([
  ['expires at its turn', (state) => ({ ...state, expiresAt: now }), 'expired'],
  ['has killed its third worker', (state) => startAttempt(crashed(crashed(state)), now), 'failed'],
])('a row that %s is reported to its account and its batch', async (_, change, status) => {
  const row = await newRow(change)
  expect(await claimIt(row)).toEqual({ outcome: 'done' })
  expect((await store.operations.read(row.head.accountId, row.head.id))?.state.status).toBe(status)
  expect(reported).toEqual([`account ${row.head.accountId}`, `batch ${row.head.batchId}`])
})
