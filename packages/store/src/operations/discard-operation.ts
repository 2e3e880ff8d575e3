import { discardedHead, discardedState } from '@muster/domain/operation/discarded'
import { operationEvent } from '@muster/domain/event-of-change'
import { isFinished } from '@muster/domain/operation/state'
import { batchIdOf } from '../batches/batch-item-id.ts'
import { createAccounts } from '../accounts/accounts.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { readOrUnreadable, UnreadableError } from '../crypto/unreadable.ts'
import type { Redis } from '../redis/connect.ts'
import { FINISHED_CHANNEL, keys } from '../redis/keys.ts'
import { scannedIdsOf } from '../redis/pages.ts'
import { defineScript } from '../redis/script.ts'
import { toEventEntry } from '../redis/versioned.ts'
import { locateOperations } from './locate.ts'
import { OPEN_WORK } from './open-work.ts'
import { createRecordCodec } from './record-codec.ts'

const DAY_MS = 86_400_000

/** Only over the very blob that did not open. Resolves with 0 where it was written meanwhile, or has ended. */
const discardScript = defineScript({
  keys: ['operation', 'open', 'work', 'counts', 'events'],
  args: ['id', 'unreadable', 'record', 'retentionMs', 'isOfBatch', 'event', 'eventAt', 'channel'],
  lua: `${OPEN_WORK}
if redis.call('HGET', operation, 'record') ~= unreadable then return 0 end
if redis.call('ZREM', open, id) == 0 then return 0 end
ended(work, open, operation)
redis.call('HSET', operation, 'record', record)
redis.call('HINCRBY', operation, 'version', 1)
-- The callback address stays: its end is reported there.
redis.call('HDEL', operation, 'request', 'secrets', 'result', 'had-secrets')
redis.call('PEXPIRE', operation, retentionMs)
redis.call('ZADD', events, eventAt, event)
if isOfBatch == '1' then
  for _, status in ipairs({'running', 'retrying', 'queued'}) do
    if tonumber(redis.call('HGET', counts, status) or 0) > 0 then
      redis.call('HINCRBY', counts, status, -1)
      break
    end
  end
  for _, count in ipairs({'failed', 'changes', 'everEnded', 'everFailed'}) do redis.call('HINCRBY', counts, count, 1) end
end
redis.call('PUBLISH', channel, id)
return 1
`,
})

interface Options {
  redis: Redis
  keyring: Keyring
  retentionMs: number
}

export interface Discarded {
  /** false: it was discarded before. */
  discarded: boolean
  loginFreed: boolean
}

/**
 * Ends an operation whose record does not open and never will. Its claim on its login stays unless `freeLogin` says
 * otherwise, since the user may exist. Again for one that was discarded, with `freeLogin`, it gives up the claim.
 * @throws RangeError with why nothing was done
 */
export async function discardOperation(
  { redis, keyring, retentionMs }: Options,
  operationId: string,
  { freeLogin, now }: { freeLogin: boolean; now: number },
): Promise<Discarded> {
  const [accountId = null] = await locateOperations(redis, [operationId])
  const account = accountId === null ? undefined : await createAccounts({ redis, keyring }).read(accountId)
  if (!account) throw new RangeError('There is no such operation.')
  const key = keys.operation(account.id, operationId)
  const [record, version] = await redis.hmgetBuffer(key, 'record', 'version')
  if (!record || !version) throw new RangeError('There is no such operation.')
  const codec = createRecordCodec(keyring)
  const opened = readOrUnreadable(() => codec.decodeRecord(account.id, operationId, record))
  if (!(opened instanceof UnreadableError)) {
    // One that has ended claims no login, unless it was discarded.
    const wasDiscarded = isFinished(opened.state) && opened.state.erasedAt !== undefined
    if (!freeLogin || !wasDiscarded)
      throw new RangeError('The record of this operation can be read: cancel, retry or erase it instead.')
    return { discarded: false, loginFreed: await freeLoginOf(redis, account.id, operationId) }
  }
  const isSingle = (await redis.exists(keys.locator(operationId))) === 1
  const batchId = isSingle ? null : batchIdOf(operationId)
  if (batchId !== null) await refuseBesideOpenRows(redis, codec, account.id, batchId)
  const hasCallback = (await redis.hexists(key, 'callback')) === 1
  const { tenantId, provider } = account
  const head = discardedHead({ id: operationId, tenantId, accountId: account.id, provider, batchId, hasCallback })
  const state = discardedState(now)
  const event = operationEvent(head, { ...state, status: 'queued' }, state, Number(version) + 1)
  const written = await discardScript(redis, {
    operation: key,
    open: keys.openOperations(account.id),
    work: keys.openWork(account.id),
    counts: keys.batchCounts(account.id, batchId ?? 'none'),
    events: keys.eventOutbox({ kind: 'account', id: account.id }),
    id: operationId,
    unreadable: record,
    record: codec.encodeRecord(head, state),
    retentionMs,
    isOfBatch: batchId === null ? 0 : 1,
    channel: FINISHED_CHANNEL,
    ...toEventEntry(event),
  })
  if (written === 0) throw new RangeError('It has ended, and leaves with its retention; or it was written just now.')
  if (isSingle) await redis.pexpire(keys.locator(operationId), retentionMs + DAY_MS)
  await expireIdempotency(redis, account.id, operationId, retentionMs)
  return { discarded: true, loginFreed: freeLogin && (await freeLoginOf(redis, account.id, operationId)) }
}

/** Its status is not known, so neither is which count of the batch it stands in, unless nothing else is there. */
async function refuseBesideOpenRows(
  redis: Redis,
  codec: ReturnType<typeof createRecordCodec>,
  accountId: string,
  batchId: string,
): Promise<void> {
  for await (const ids of scannedIdsOf(redis, keys.openOperations(accountId)))
    for (const id of ids.filter((one) => batchIdOf(one) === batchId)) {
      const record = await redis.hgetBuffer(keys.operation(accountId, id), 'record')
      if (!record || readOrUnreadable(() => codec.decodeRecord(accountId, id, record)) instanceof UnreadableError)
        continue
      throw new RangeError(
        `Other rows of its batch ${batchId} have not ended: wait until they have, or cancel the batch, first.`,
      )
    }
}

async function freeLoginOf(redis: Redis, accountId: string, operationId: string): Promise<boolean> {
  let cursor = '0'
  let freed = 0
  do {
    const [next, entries] = await redis.hscan(keys.liveLogins(accountId), cursor, 'COUNT', 500)
    cursor = next
    for (let at = 0; at < entries.length; at += 2)
      if (entries[at + 1] === operationId) freed += await redis.hdel(keys.liveLogins(accountId), entries[at] ?? '')
  } while (cursor !== '0')
  return freed > 0
}

/** Which entry is its own stood in its record. */
async function expireIdempotency(redis: Redis, accountId: string, operationId: string, ms: number): Promise<void> {
  let cursor = '0'
  do {
    const [next, found] = await redis.scan(cursor, 'MATCH', keys.idempotency(accountId, '*'), 'COUNT', 1_000)
    cursor = next
    for (const key of found) if ((await redis.hget(key, 'id')) === operationId) await redis.pexpire(key, ms)
  } while (cursor !== '0')
}
