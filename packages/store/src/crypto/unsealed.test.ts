import { inflateRawSync } from 'node:zlib'
import { beforeEach, expect, test } from 'vitest'
import { newBatch, newItem } from '../../test/batches.ts'
import { newAccount, newHead, newKeyring, newRequest, newState, useRedis } from '../../test/redis.ts'
import { defaultRetryPolicy } from '@muster/domain/operation/retry-policy'
import { finishAttempt, startAttempt } from '@muster/domain/operation/state'
import { DICTIONARY } from '../operations/record-codec.ts'
import type { Redis } from '../redis/connect.ts'
import { openStore } from '../store.ts'

const connect = useRedis()
const LOGIN = 'ada.lovelace@canary.example'
let redis: Redis
beforeEach(async () => {
  redis = connect()
  await redis.flushdb()
  await redis.config('SET', 'rdbcompression', 'no')
})

/** What a thief of the Redis reads without a key, packed or not. */
function clearTextOf(value: Buffer): string {
  const texts = [value.toString('latin1')]
  for (const skipped of [0, 1]) {
    try {
      texts.push(inflateRawSync(value.subarray(skipped), { dictionary: DICTIONARY }).toString('latin1'))
    } catch {
      // Sealed, or no deflate.
    }
  }
  return texts.join(' ')
}

async function findClearText(needle: string): Promise<string[]> {
  const found: string[] = []
  for (const key of await redis.keys('*')) {
    const dump = await redis.dumpBuffer(key)
    const fields = (await redis.type(key)) === 'hash' ? Object.values(await redis.hgetallBuffer(key)) : []
    for (const text of [key, ...[dump ?? Buffer.alloc(0), ...fields].map(clearTextOf)])
      if (text.includes(needle)) found.push(key)
  }
  return found
}

test('neither a login nor a reference can be read in Redis without a key, wherever an operation or a batch comes to', async () => {
  const store = openStore({ redis, keyring: newKeyring(), retentionMs: 60_000, waitReplicas: 0 })
  const account = newAccount()
  await store.accounts.create(account, { type: 'api_token', api_token: 'x' })
  const owner = { accountId: account.id, tenantId: account.tenantId }
  const head = newHead({ ...owner, reference: LOGIN })
  await store.operations.accept({
    head,
    state: newState(),
    request: { ...newRequest(), user: { username: LOGIN } },
    fingerprint: 'f',
    callbackUrl: `https://hooks.example/${LOGIN}`,
  })
  const record = await store.operations.read(account.id, head.id)
  if (!record) throw new Error('it is gone')
  const running = await store.operations.save(record, startAttempt(record.state, Date.now()))
  const call = {
    purpose: 'find',
    method: 'GET',
    url: `https://idp.example/api/v1/users/${LOGIN}`,
    status: 503,
    duration_ms: 1,
    provider_request_id: null,
    error: null,
  }
  const failure = {
    code: 'provider_unavailable' as const,
    message: `No answer about ${LOGIN}.`,
    origin: 'provider' as const,
  }
  const retrying = finishAttempt(
    running.state,
    { ...failure, outcome: 'retrying' },
    [call],
    defaultRetryPolicy,
    Date.now(),
  )
  const waiting = await store.operations.save(running, retrying)
  expect(await findClearText(LOGIN)).toEqual([])

  const again = await store.operations.save(waiting, startAttempt(waiting.state, Date.now()))
  const response = { status: 409, body: { login: LOGIN } }
  await store.operations.save(
    again,
    finishAttempt(
      again.state,
      { ...failure, outcome: 'failed', code: 'user_exists', response },
      [call],
      defaultRetryPolicy,
      Date.now(),
    ),
  )
  const batch = newBatch({ tenantId: account.tenantId, reference: LOGIN })
  await store.batches.create(batch, { fingerprint: 'f' })
  await store.operations.acceptMany([newItem(batch, 1, account.id, { reference: LOGIN })])
  await store.batches.commitChunk(batch.id, 0, [{ row: 1, line: 2, account: 0, reference: LOGIN }], {
    rows: 1,
    rejected: 0,
    digest: '',
  })
  const now = Date.now()
  await store.batches.update(batch.id, (latest) => ({
    ...latest,
    status: 'completed',
    finishedAt: now,
    progressAt: now,
  }))
  expect(await findClearText(LOGIN)).toEqual([])
  const kept = await store.batches.read(batch.id)
  expect(kept && store.batches.readReference(kept)).toBe(LOGIN)
})
