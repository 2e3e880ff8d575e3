import type { Keyring } from '../crypto/keyring.ts'
import { keys } from '../redis/keys.ts'
import type { OperationRecord, OperationState } from '@muster/domain/operation/record'
import { createRecordCodec } from './record-codec.ts'
import { isFinished } from '@muster/domain/operation/state'
import type { Redis } from '../redis/connect.ts'
import { defineScript } from '../redis/script.ts'

/**
 * The idempotency entry, which holds keyed hashes only, stays: a repeated request finds the tombstone instead of
 * creating the person again.
 */
const eraseScript = defineScript({
  keys: ['operation'],
  args: ['version', 'record'],
  lua: `
if redis.call('HGET', operation, 'version') ~= version then return nil end
redis.call('HDEL', operation, 'request', 'secrets', 'result', 'callback', 'had-secrets')
redis.call('HSET', operation, 'record', record)
return redis.call('HINCRBY', operation, 'version', 1)
`,
})

/** What is left of an operation when the person is gone from it: ids of ours, states, codes and times. */
function toTombstone(
  { head, state }: OperationRecord,
  now: number,
): { head: OperationRecord['head']; state: OperationState } {
  return {
    head: { ...head, reference: null, naturalKeyHash: '' },
    state: {
      ...state,
      statusReason: null,
      warnings: [],
      remoteId: null,
      // Addresses of look-ups name the login.
      attempts: state.attempts.map((attempt) => ({ ...attempt, calls: [] })),
      error: state.error && { ...state.error, message: 'Erased.', pointer: null, raw_response: null },
      erasedAt: now,
    },
  }
}

/**
 * Takes a person's data out of an operation that has ended; erasing it again changes nothing. What the provider holds
 * is the provider's. Resolves with undefined when the record was written meanwhile.
 */
export async function eraseOperation(
  { redis, keyring }: { redis: Redis; keyring: Keyring },
  record: OperationRecord,
  now: number,
): Promise<OperationRecord | undefined> {
  if (!isFinished(record.state)) throw new RangeError('an operation that has not ended cannot be erased')
  if (record.state.erasedAt !== undefined) return record
  const { head, state } = toTombstone(record, now)
  const version = await eraseScript(redis, {
    operation: keys.operation(head.accountId, head.id),
    version: record.version,
    record: createRecordCodec(keyring).encodeRecord(head, state),
  })
  if (version === null) return undefined
  // The index by the client's own id is outside the account's hash slot.
  if (record.head.reference !== null)
    await redis.zrem(keys.tenantReference(head.tenantId, record.head.reference), head.id)
  return { head, state, version: Number(version) }
}
