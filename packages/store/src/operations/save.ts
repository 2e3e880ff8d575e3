import type { StoredResult } from '@muster/contracts/response-format'
import { operationEvent } from '@muster/domain/event-of-change'
import { accountLane } from '@muster/domain/lane-id'
import {
  jobIdOf,
  type OperationHead,
  type OperationRecord,
  type CreateInput,
  type OperationState,
} from '@muster/domain/operation/record'
import { dueAt, isFinished } from '@muster/domain/operation/state'
import { bindings } from '../crypto/bindings.ts'
import { FINISHED_CHANNEL, keys } from '../redis/keys.ts'
import { toEventEntry } from '../redis/versioned.ts'
import type { AcceptDependencies } from './accept.ts'
import type { OpenFigures } from './open-work.ts'
import { countsKeyOf, idempotencyKeyOf, scoreOf, waitingKeyOf } from './operation-keys.ts'
import { parkScript, requeueScript, saveScript } from './save-scripts.ts'
import { sealRequest } from './sealed-request.ts'

const DAY_MS = 86_400_000

/** The record was written since it was read. */
export class StaleVersionError extends Error {
  override readonly name = 'StaleVersionError'
}

export type Requeued = { kind: 'accepted' | 'stale' | 'other_login' } | { kind: 'in_progress'; operationId: string }

/** What the scripts that change an operation take of it. */
const keysOf = (head: OperationHead) => ({
  operation: keys.operation(head.accountId, head.id),
  live: keys.liveLogins(head.accountId),
  open: keys.openOperations(head.accountId),
  waiting: waitingKeyOf(head),
  idempotency: idempotencyKeyOf(head),
  counts: countsKeyOf(head),
  work: keys.openWork(head.accountId),
})

const changeOf = ({ head, state: before, version }: OperationRecord, state: OperationState) => ({
  id: head.id,
  login: head.naturalKeyHash,
  version,
  job: jobIdOf(head.id, state.run),
  isOfBatch: head.batchId === null ? 0 : 1,
  before: before.status,
  status: state.status,
})

export function createSave({ redis, keyring, codec, openWork, retentionMs }: AcceptDependencies) {
  return {
    /**
     * Writes the next state over the version that was read. An end erases the secrets and starts the retention.
     * @throws StaleVersionError when the record has moved on; then nothing was written.
     */
    async save(record: OperationRecord, state: OperationState, result?: StoredResult): Promise<OperationRecord> {
      const { head } = record
      const finished = isFinished(state)
      const event = operationEvent(head, record.state, state, record.version + 1)
      const version = await saveScript(redis, {
        ...keysOf(head),
        ...changeOf(record, state),
        outbox: keys.outbox(accountLane(head.accountId)),
        events: keys.eventOutbox({ kind: 'account', id: head.accountId }),
        record: codec.encodeRecord(head, state),
        result: result ? keyring.seal(result, bindings.operation.result(head.id)) : '',
        isFinished: finished ? 1 : 0,
        retentionMs,
        removeJob: state.status === 'canceled' || state.status === 'expired' ? 1 : 0,
        channel: FINISHED_CHANNEL,
        ...toEventEntry(event),
      })
      if (version === null) throw new StaleVersionError(head.id)
      // An account on hold can keep it far beyond its expires_at: its end must be found for as long as it is kept.
      if (finished && head.batchId === null)
        await redis.set(keys.locator(head.id), head.accountId, 'PX', retentionMs + DAY_MS)
      return { head, state, version: Number(version) }
    },

    /** From the lane back to where it came from, unchanged, until its turn comes again. @throws StaleVersionError */
    async park(record: OperationRecord, now: number): Promise<void> {
      const { head, version } = record
      const state = { ...record.state, run: record.state.run + 1, updatedAt: now }
      const written = await parkScript(redis, {
        operation: keys.operation(head.accountId, head.id),
        waiting: waitingKeyOf(head),
        version,
        record: codec.encodeRecord(head, state),
        score: scoreOf(head, dueAt(state) || null, now),
        job: jobIdOf(head.id, state.run),
      })
      if (written === null) throw new StaleVersionError(head.id)
    },

    /**
     * Back into the lane, with the secrets given again. `in_progress` names the operation that is creating this login
     * by now.
     *
     * @param naturalKeyHash of the request as it is now. `other_login`: it is not that of the operation, which may have
     *   created its user already; only a new operation creates under a new key. @throws BoundReachedError
     */
    async requeue(
      record: OperationRecord,
      state: OperationState,
      request: CreateInput,
      naturalKeyHash: string,
    ): Promise<Requeued> {
      const { head } = record
      if (head.naturalKeyHash !== naturalKeyHash) return { kind: 'other_login' }
      const sealed = sealRequest(keyring, head.id, request)
      const encoded = codec.encodeRecord(head, state)
      const bytes = encoded.length + sealed.request.length + sealed.secrets.length
      const [reservation] = await Promise.all([
        openWork.reserve(head.tenantId, 1, bytes),
        redis.pexpire(keys.locator(head.id), state.expiresAt - Date.now() + retentionMs + DAY_MS),
      ])
      const [kind, operationId, figures] = (await requeueScript(redis, {
        ...keysOf(head),
        ...changeOf(record, state),
        ...sealed,
        record: encoded,
        expiresAt: state.expiresAt,
        score: scoreOf(head, null, state.updatedAt),
      })) as ['accepted' | 'stale' | 'in_progress', string, OpenFigures?]
      const figuresByAccount = new Map(figures ? [[head.accountId, figures]] : [])
      openWork.settle(head.tenantId, reservation, figuresByAccount, figures ? 0 : bytes)
      return kind === 'in_progress' ? { kind, operationId } : { kind }
    },
  }
}
