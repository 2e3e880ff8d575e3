import { cancel } from '@muster/domain/operation/state'
import { defaultRetryPolicy } from '@muster/domain/operation/retry-policy'
import { createLogger } from '@muster/process/logger'
import { followRedisClock, type RedisClock } from '@muster/store/redis/clock'
import { StaleVersionError } from '@muster/store/operations/operations'
import { openStore, type Store } from '@muster/store/store'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  newAccount,
  newHead,
  newKeyring,
  newRequest,
  newState,
  useRedis,
} from '../../../../packages/store/test/redis.ts'
import { createWorkerMetrics } from '../metrics.ts'
import { AccountBackoff } from './account-backoff.ts'
import { AccountRefusals } from './account-refusals.ts'
import { Probes } from './cooldown.ts'
import { LookUpCache } from './look-up-cache.ts'
import { RunningAttempt } from './running-attempt.ts'
import type { Run } from './run.ts'

const connect = useRedis()
let store: Store
let clock: RedisClock
beforeAll(async () => {
  const redis = connect()
  store = openStore({ redis, keyring: newKeyring(), retentionMs: 86_400_000, waitReplicas: 0 })
  clock = await followRedisClock(redis, () => undefined)
})
afterAll(() => clock.stop())

/** Nothing of it calls: only its permit and its record matter. */
const runWith = (waitForPermit: Run['context']['waitForPermit']): Run => ({
  store,
  clock,
  httpFor: () => () => Promise.reject(new Error('no call is expected')),
  allowedHosts: new Set(),
  policy: defaultRetryPolicy,
  metrics: createWorkerMetrics(),
  log: createLogger('silent', 'test'),
  onEvent: () => undefined,
  onBatch: () => undefined,
  backoff: new AccountBackoff(),
  refusals: new AccountRefusals(),
  lookUps: new LookUpCache(),
  probes: new Probes(),
  context: {
    signal: new AbortController().signal,
    waitForPermit,
    coolDown: () => undefined,
    expectedWaitMs: () => 0,
    throwIfStale: () => undefined,
  },
})

test('an operation that is canceled while it waits for its permit gives that back', async () => {
  const account = newAccount()
  await store.accounts.create(account, { type: 'api_token', api_token: 'x' })
  const [head, state] = [newHead({ accountId: account.id, tenantId: account.tenantId }), newState()]
  await store.operations.accept({ head, state, request: newRequest(), fingerprint: 'f' })

  const given: string[] = []
  const permit = {
    sent: () => void given.push('sent'),
    ended: () => void given.push('ended'),
    unused: () => void given.push('unused'),
  }
  let give: () => void = () => undefined
  const promise = new Promise<typeof permit>((resolve) => (give = () => resolve(permit)))
  const attempt = await RunningAttempt.start(
    runWith(() => promise),
    { head, state, version: 1 },
  )
  const waiting = attempt.waitForPermit()
  const readNow = () => store.operations.read(account.id, head.id)
  await expect.poll(async () => (await readNow())?.state.status, { timeout: 5_000 }).toBe('queued')
  const suspended = await readNow()
  if (!suspended) return expect.unreachable()
  await store.operations.save(suspended, cancel(suspended.state, clock.now()))
  give()

  await expect(waiting).rejects.toThrow(StaleVersionError)
  await expect.poll(() => given).toEqual(['unused'])
})
