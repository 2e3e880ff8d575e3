import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { newBatch, newItem } from '../../test/batches.ts'
import { newAccount, newKeyring, newRequest, useRedis } from '../../test/redis.ts'
import { createAccounts } from '../accounts/accounts.ts'
import { itemIdOf } from './batch-item-id.ts'
import { failureCountsOf, openOf, sumCounts, toBatchCounts } from '@muster/domain/batch/counts'
import { createBatches, type Batches } from './batches.ts'
import type { OperationRecord } from '@muster/domain/operation/record'
import {
  cancel,
  expire,
  finishAttempt,
  isFinished,
  recoverFromCrash,
  requeue,
  startAttempt,
} from '@muster/domain/operation/state'
import type { Outcome } from '@muster/domain/outcome'
import { createOperations, StaleVersionError, type Operations } from '../operations/operations.ts'
import type { Redis } from '../redis/connect.ts'

const connect = useRedis()
const keyring = newKeyring()
const policy = { maxAttempts: 3, baseDelayMs: 1, maxDelayMs: 1 }
let redis: Redis
let batches: Batches
let operations: Operations
beforeAll(() => {
  redis = connect()
  batches = createBatches({ redis, keyring, retentionMs: 604_800_000 })
  operations = createOperations({ redis, keyring, retentionMs: 604_800_000, waitReplicas: 0 })
})

const ACCOUNTS = 3
const ROWS = 8
const failure = { code: 'provider_unavailable' as const, message: 'x', origin: 'provider' as const }
const ends: Record<string, Outcome> = {
  succeed: { outcome: 'succeeded', how: 'created', remoteId: 'r', warnings: [] },
  fail: { ...failure, outcome: 'failed', warnings: [] },
  fall_back: { ...failure, outcome: 'retrying' },
  wait: { ...failure, outcome: 'rate_limited', at: 0 },
}
const deeds = ['accept', 'start', ...Object.keys(ends), 'cancel', 'expire', 'crash', 'requeue'] as const
const sequences = fc.array(
  fc.record({ deed: fc.constantFrom(...deeds), row: fc.integer({ min: 1, max: ROWS }), isRaced: fc.boolean() }),
  { minLength: 5, maxLength: 60 },
)

test('whatever happens to the rows of a batch in whatever order, its account counts say what its records say, and the account knows what is open', async () => {
  const accounts = Array.from({ length: ACCOUNTS }, () => newAccount({ tenantId: 't' }))
  for (const account of accounts)
    await createAccounts({ redis, keyring }).create(account, { type: 'api_token', api_token: 't' })
  await fc.assert(
    fc.asyncProperty(sequences, async (sequence) => {
      const batch = newBatch({
        tenantId: randomUUID(),
        accounts: accounts.map(({ id }) => ({ id, provider: 'okta' as const })),
      })
      await batches.create(batch, { fingerprint: 'f' })
      const accountOf = (row: number): string => accounts[row % ACCOUNTS]?.id ?? ''
      const read = (row: number): Promise<OperationRecord | undefined> =>
        operations.read(accountOf(row), itemIdOf(batch.id, row))
      // Two rows share a login: of those, one at a time can be open.
      const loginOf = (row: number): string => `${batch.id}-${row === ROWS ? ROWS - ACCOUNTS : row}`

      const perform = async (deed: (typeof deeds)[number], row: number): Promise<void> => {
        if (deed === 'accept')
          return void (await operations.acceptMany([
            newItem(batch, row, accountOf(row), { naturalKeyHash: loginOf(row) }),
          ]))
        const record = await read(row)
        if (!record) return
        const now = Date.now()
        const { state } = record
        const end = ends[deed]
        if (deed === 'requeue') {
          if (isFinished(state) && state.status !== 'succeeded')
            await operations.requeue(
              record,
              requeue(state, now + 60_000, now),
              newRequest(),
              record.head.naturalKeyHash,
            )
          return
        }
        if (isFinished(state)) return
        if (deed === 'start')
          return void (state.status !== 'running' && (await operations.save(record, startAttempt(state, now))))
        if (end)
          return void (
            state.status === 'running' &&
            (await operations.save(
              record,
              finishAttempt(state, end, [], policy, now),
              end.outcome === 'succeeded' ? { user: { id: 'r' }, remoteData: {} } : undefined,
            ))
          )
        if (deed === 'crash')
          return void (state.status === 'running' && (await operations.save(record, recoverFromCrash(state, now))))
        if (state.status === 'running') return
        await operations.save(record, deed === 'cancel' ? cancel(state, now) : expire(state, now))
      }
      for (const { deed, row, isRaced } of sequence) {
        // Two processes at once: the version decides, and the loser has counted nothing.
        const done = await Promise.allSettled(
          isRaced ? [perform(deed, row), perform('cancel', row), perform(deed, row)] : [perform(deed, row)],
        )
        for (const one of done)
          if (one.status === 'rejected' && !(one.reason instanceof StaleVersionError)) throw one.reason
      }

      const accountCounts = await batches.readAccountCounts(batch)
      const counts = toBatchCounts(sumCounts(accountCounts), { rows: 0, rejected: 0 })
      const records = (await Promise.all(Array.from({ length: ROWS }, (_, index) => read(index + 1)))).filter(
        (record) => record !== undefined,
      )
      const of = (status: string): number => records.filter(({ state }) => state.status === status).length
      expect(counts).toEqual({
        total: records.length,
        rejected: 0,
        queued: of('queued'),
        running: of('running'),
        retrying: of('retrying'),
        succeeded: of('succeeded'),
        failed: of('failed'),
        canceled: of('canceled'),
        expired: of('expired'),
      })
      const open = (await Promise.all(accounts.map(({ id }) => operations.countOpen(id)))).reduce(
        (sum, count) => sum + count,
        0,
      )
      expect(open).toBe(openOf(counts))
      // Each run that is behind a row has come to an end, and what has ended once stays counted when it runs again.
      expect(failureCountsOf(accountCounts).ended).toBe(
        records.reduce((sum, { state }) => sum + state.run + (isFinished(state) ? 1 : 0), 0),
      )
      expect(failureCountsOf(accountCounts).failed).toBeGreaterThanOrEqual(of('failed'))
      // The next one begins with nothing open.
      for (const record of records)
        if (!isFinished(record.state))
          await operations.save(record, { ...cancel({ ...record.state, status: 'queued', unknown: null }, Date.now()) })
    }),
    { numRuns: 150 },
  )
}, 60_000)
