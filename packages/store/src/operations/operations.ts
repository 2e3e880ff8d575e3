import { BoundReachedError } from '@muster/contracts/bounds'
import { mergeJson, type JsonObject } from '@muster/contracts/json'
import type { StoredResult } from '@muster/contracts/response-format'
import { splitSecrets } from '@muster/contracts/secrets'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import { accountLane } from '@muster/domain/lane-id'
import type { Keyring } from '../crypto/keyring.ts'
import { createOpenWork, type OpenFigures, type OpenWork, type Reservation } from './open-work.ts'
import { rowOf } from '../batches/batch-item-id.ts'
import { FINISHED_CHANNEL, keys } from '../redis/keys.ts'
import { createOperationIndex } from './operation-index.ts'
import { acceptRowsScript, acceptScript, parkScript, referenceScript, requeueScript, saveScript } from './scripts.ts'
import { dueAt, isFinished } from '@muster/domain/operation/state'
import { operationEvent } from '@muster/domain/event-of-change'
import { identifyEvent } from '../webhooks/identify-event.ts'
import { createRecordCodec } from './record-codec.ts'
import {
  jobIdOf,
  type OperationHead,
  type OperationRecord,
  type CreateInput,
  type OperationState,
} from '@muster/domain/operation/record'
import type { Redis } from '../redis/connect.ts'
import { STRETCH_MS, takeTurn } from '../turns.ts'
import { readOrSkip, type OnUnreadable } from '../crypto/unreadable.ts'

const DAY_MS = 86_400_000
/** Of a batch, accepted by one script: as many as keep others waiting for less than a millisecond. */
const ROWS_A_CALL = 25

export interface OperationsOptions {
  redis: Redis
  /** Without one, the defaults bound what a tenant may have. */
  openWork?: OpenWork
  keyring: Keyring
  /** How long a finished operation, its idempotency entry and its result are kept. */
  retentionMs: number
  /** Replicas that must have an acceptance before it is acknowledged (Redis WAIT); 0 where there are none. */
  waitReplicas: number
}

export type Acceptance =
  | { kind: 'accepted' }
  /** Same idempotency key, same request. */
  | { kind: 'replayed'; operationId: string }
  /** Same idempotency key, another request. */
  | { kind: 'reused'; operationId: string }
  /** An unfinished operation is creating the same login. */
  | { kind: 'in_progress'; operationId: string }
  | { kind: 'account_gone' }

/** Somebody else wrote the record since it was read. */
export class StaleVersionError extends Error {
  override readonly name = 'StaleVersionError'
}

/** Fewer replicas than asked for took the write: it may be lost with the primary, so it is not acknowledged. */
export class NotReplicatedError extends Error {
  override readonly name = 'NotReplicatedError'
}

export interface NewOperation {
  head: OperationHead
  state: OperationState
  request: CreateInput
  fingerprint: string
  callbackUrl?: string
}

/** With the account's open work, where something was accepted. */
type AcceptAnswer = [kind: Acceptance['kind'], operationId: string, figures?: OpenFigures]

const boundTo = (operationId: string, field: 'request' | 'secrets' | 'result' | 'callback'): string =>
  `operation:${operationId}:${field}`

export type Operations = ReturnType<typeof createOperations>

/**
 * Where the job of an operation waits until its lane takes it: those of a batch wait apart, so that they can be paused
 * together.
 */
const waitingPlace = ({ accountId, batchId }: OperationHead): string =>
  batchId === null ? keys.outbox(accountLane(accountId)) : keys.batchOutbox(accountId, batchId)
const partOf = ({ accountId, batchId }: OperationHead): string => keys.batchCounts(accountId, batchId ?? 'none')
const isOfBatch = (head: OperationHead): number => (head.batchId === null ? 0 : 1)
/** Most urgent first; of a batch by row, or not before their time. */
const scoreOf = (head: OperationHead, notBefore: number | null, at: number): number =>
  head.batchId === null ? head.priority * 1e14 + at : (notBefore ?? rowOf(head.id))

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0)
const sizeOf = (...stored: (Buffer | string)[]): number => sumOf(stored.map(({ length }) => length))

/** The operation records: the truth about every create that was ever acknowledged. */
export function createOperations({
  redis,
  keyring,
  retentionMs,
  waitReplicas,
  openWork = createOpenWork({ redis, retentionMs }),
}: OperationsOptions) {
  const { encodeRecord, decodeRecord } = createRecordCodec(keyring)

  function toRecord(
    accountId: string,
    operationId: string,
    record: Buffer | null | undefined,
    version: Buffer | null | undefined,
  ): OperationRecord | undefined {
    return record && version
      ? { ...decodeRecord(accountId, operationId, record), version: Number(version.toString()) }
      : undefined
  }

  /** Takes the secrets out of what is kept for as long as the operation, so that they can be erased alone. */
  function sealRequest(operationId: string, request: CreateInput): { request: Buffer; secrets: Buffer | '' } {
    const user = splitSecrets(request.user as JsonObject)
    const remoteQuery = splitSecrets(request.remoteQuery)
    const secrets = { user: user.secrets, remoteQuery: remoteQuery.secrets }
    const hasSecrets = Object.keys(user.secrets).length + Object.keys(remoteQuery.secrets).length > 0
    return {
      request: keyring.seal(
        { ...request, user: user.kept, remoteQuery: remoteQuery.kept },
        boundTo(operationId, 'request'),
      ),
      secrets: hasSecrets ? keyring.seal(secrets, boundTo(operationId, 'secrets')) : '',
    }
  }

  function toAcceptCall({ head, state, request, fingerprint, callbackUrl }: NewOperation): {
    keys: string[]
    values: (string | number | Buffer)[]
    bytes: number
  } {
    const sealed = sealRequest(head.id, request)
    const record = encodeRecord(head, state)
    const callback = sealCallback(head.id, callbackUrl)
    return {
      bytes: sizeOf(record, sealed.request, sealed.secrets, callback),
      keys: [
        keys.account(head.accountId),
        keys.operation(head.accountId, head.id),
        keys.idempotency(head.accountId, head.idempotencyHash ?? 'none'),
        keys.liveLogins(head.accountId),
        keys.operations(head.accountId),
        keys.openOperations(head.accountId),
        waitingPlace(head),
        keys.openWork(head.accountId),
      ],
      values: [
        head.id,
        head.naturalKeyHash,
        record,
        sealed.request,
        sealed.secrets,
        callback,
        fingerprint,
        head.idempotencyHash === null ? 0 : 1,
        state.expiresAt,
        scoreOf(head, state.notBefore, head.createdAt),
        jobIdOf(head.id, 0),
      ],
    }
  }

  const sealCallback = (operationId: string, callbackUrl: string | undefined): Buffer | '' =>
    callbackUrl === undefined ? '' : keyring.seal(callbackUrl, boundTo(operationId, 'callback'))

  /** What the rows of one account have in common; each is then added. */
  const toAcceptRowsCall = (
    head: OperationHead,
  ): { accountId: string; keys: string[]; values: (string | number | Buffer)[]; positions: number[] } => ({
    accountId: head.accountId,
    keys: [
      keys.account(head.accountId),
      keys.liveLogins(head.accountId),
      keys.operations(head.accountId),
      keys.openOperations(head.accountId),
      waitingPlace(head),
      partOf(head),
      keys.openWork(head.accountId),
    ],
    values: [],
    positions: [],
  })

  const toAcceptance = ([kind, operationId]: AcceptAnswer): Acceptance =>
    kind === 'accepted' || kind === 'account_gone' ? { kind } : { kind, operationId }

  const figuresOf = ({ accountId }: OperationHead, [, , figures]: AcceptAnswer): ReadonlyMap<string, OpenFigures> =>
    new Map(figures ? [[accountId, figures]] : [])

  /** A repeat needs no room, and gets none: it is given the operation that is there. @throws BoundReachedError */
  async function reserve(head: OperationHead, bytes: number): Promise<Reservation | undefined> {
    try {
      return await openWork.reserve(head.tenantId, 1, bytes)
    } catch (error) {
      const isRepeat =
        error instanceof BoundReachedError &&
        head.idempotencyHash !== null &&
        (await redis.exists(keys.idempotency(head.accountId, head.idempotencyHash))) === 1
      if (isRepeat) return undefined
      throw error
    }
  }

  async function waitForReplicas(): Promise<void> {
    if (waitReplicas > 0 && (await redis.wait(waitReplicas, 1_000)) < waitReplicas)
      throw new NotReplicatedError('WAIT: too few replicas took the write')
  }

  return {
    ...createOperationIndex({ redis, retentionMs }),

    /**
     * One script decides and writes: a crash leaves nothing, or an operation whose outbox entry is still there.
     * Resolves when it is safe to acknowledge. @throws BoundReachedError
     */
    async accept(operation: NewOperation): Promise<Acceptance> {
      const { head, state } = operation
      const call = toAcceptCall(operation)
      // The entries outside the account's slot come first: without the operation they lead nowhere, and expire.
      const lifetimeMs = state.expiresAt - head.createdAt + retentionMs + DAY_MS
      const before = redis
        .multi()
        .set(keys.locator(head.id), head.accountId, 'PX', lifetimeMs)
        .zadd(keys.tenantOperations(head.tenantId), 0, head.id)
      async function undo(): Promise<void> {
        const entries = redis.multi().del(keys.locator(head.id)).zrem(keys.tenantOperations(head.tenantId), head.id)
        if (head.reference !== null) entries.zrem(keys.tenantReference(head.tenantId, head.reference), head.id)
        await entries.exec()
      }
      const [reservation] = await Promise.all([reserve(head, call.bytes), before.exec()]).catch(
        async (error: unknown) => {
          if (error instanceof BoundReachedError) await undo()
          throw error
        },
      )
      if (head.reference !== null)
        await referenceScript(redis, [keys.tenantReference(head.tenantId, head.reference)], [head.id, lifetimeMs])
      const answer = (await acceptScript(redis, call.keys, call.values)) as AcceptAnswer
      const acceptance = toAcceptance(answer)
      if (reservation) openWork.settle(head.tenantId, reservation, figuresOf(head, answer))
      if (acceptance.kind !== 'accepted') {
        await undo()
        return acceptance
      }
      await waitForReplicas()
      return acceptance
    },

    /** Whether a request with this key was accepted before; what it was is for `accept` to compare. */
    hasIdempotencyKey: async (accountId: string, idempotencyHash: string): Promise<boolean> =>
      (await redis.exists(keys.idempotency(accountId, idempotencyHash))) === 1,

    /**
     * Rows of one batch. Accepting one again is accepting it once (`replayed`), since its id is made of the batch and
     * the row. @throws BoundReachedError, and then none of them is accepted
     */
    async acceptMany(operations: Iterable<NewOperation>): Promise<Acceptance[]> {
      const calls: ReturnType<typeof toAcceptRowsCall>[] = []
      const latest = new Map<string, ReturnType<typeof toAcceptRowsCall>>()
      let count = 0
      let tenantId = ''
      const bytes: number[] = []
      let stretchBegan = performance.now()
      for (const { head, state, request, callbackUrl } of operations) {
        let call = latest.get(head.accountId)
        if (!call || call.positions.length >= ROWS_A_CALL) {
          call = toAcceptRowsCall(head)
          latest.set(head.accountId, call)
          calls.push(call)
        }
        const sealed = sealRequest(head.id, request)
        const record = encodeRecord(head, state)
        const callback = sealCallback(head.id, callbackUrl)
        tenantId = head.tenantId
        bytes.push(sizeOf(record, sealed.request, sealed.secrets, callback))
        call.keys.push(keys.operation(head.accountId, head.id))
        call.values.push(
          head.id,
          head.naturalKeyHash,
          record,
          sealed.request,
          sealed.secrets,
          callback,
          state.expiresAt,
          scoreOf(head, state.notBefore, head.createdAt),
        )
        call.positions.push(count)
        count += 1
        // Sealing is computing, and others want the event loop too.
        if (performance.now() - stretchBegan < STRETCH_MS) continue
        await takeTurn()
        stretchBegan = performance.now()
      }
      if (count === 0) return []
      const reservation = await openWork.reserve(tenantId, count, sumOf(bytes))
      const answers = (await acceptRowsScript.pipelined(redis, calls)) as unknown[][]
      const acceptances: Acceptance[] = []
      const figures = new Map<string, OpenFigures>()
      calls.forEach(({ accountId, positions }, index) => {
        const rows = answers[index]?.slice(0, -1) as AcceptAnswer[] | undefined
        positions.forEach(
          (position, row) => (acceptances[position] = toAcceptance(rows?.[row] ?? ['account_gone', ''])),
        )
        figures.set(accountId, answers[index]?.at(-1) as OpenFigures)
      })
      const unused = bytes.filter((_, row) => acceptances[row]?.kind !== 'accepted')
      openWork.settle(tenantId, reservation, figures, sumOf(unused))
      return acceptances
    },
    waitForReplicas,

    /** Which of these logins an unfinished operation is creating at the moment. */
    async findLiveLogins(accountId: string, naturalKeyHashes: readonly string[]): Promise<(string | null)[]> {
      return naturalKeyHashes.length === 0 ? [] : redis.hmget(keys.liveLogins(accountId), ...naturalKeyHashes)
    },

    async read(accountId: string, operationId: string): Promise<OperationRecord | undefined> {
      const [record, version] = await redis.hmgetBuffer(keys.operation(accountId, operationId), 'record', 'version')
      return toRecord(accountId, operationId, record, version)
    },

    /** Those that are still there and can be read, in the order asked for. */
    async readMany(
      ids: readonly { accountId: string; operationId: string }[],
      onUnreadable: OnUnreadable = () => undefined,
    ): Promise<OperationRecord[]> {
      if (ids.length === 0) return []
      const pipeline = redis.pipeline()
      for (const { accountId, operationId } of ids)
        pipeline.hmgetBuffer(keys.operation(accountId, operationId), 'record', 'version')
      const rows = (await pipeline.exec()) ?? []
      return rows.flatMap(([error, row], index) => {
        if (error) throw error
        const [record, version] = row as (Buffer | null)[]
        const { accountId = '', operationId = '' } = ids[index] ?? {}
        return readOrSkip(() => toRecord(accountId, operationId, record, version), onUnreadable) ?? []
      })
    },

    /** The whole request, its secrets put back where they have not been erased. */
    async readRequest(
      accountId: string,
      operationId: string,
    ): Promise<{ request: CreateInput; areSecretsErased: boolean; secrets: JsonObject } | undefined> {
      const [request, secrets, hadSecrets] = await redis.hmgetBuffer(
        keys.operation(accountId, operationId),
        'request',
        'secrets',
        'had-secrets',
      )
      if (!request) return undefined
      const kept = keyring.open(request, boundTo(operationId, 'request')) as CreateInput
      const opened =
        secrets && secrets.length > 0
          ? (keyring.open(secrets, boundTo(operationId, 'secrets')) as { user: JsonObject; remoteQuery: JsonObject })
          : undefined
      return {
        request: opened
          ? {
              ...kept,
              user: mergeJson(kept.user as JsonObject, opened.user) as UnifiedUserInput,
              remoteQuery: mergeJson(kept.remoteQuery, opened.remoteQuery),
            }
          : kept,
        areSecretsErased: !opened && hadSecrets?.toString() === '1',
        secrets: opened ?? {},
      }
    },

    /** Where the end of the operation is to be told; undefined when it was erased. */
    async readCallback(accountId: string, operationId: string): Promise<string | undefined> {
      const sealed = await redis.hgetBuffer(keys.operation(accountId, operationId), 'callback')
      return sealed ? String(keyring.open(sealed, boundTo(operationId, 'callback'))) : undefined
    },

    async readResult(accountId: string, operationId: string): Promise<StoredResult | undefined> {
      const sealed = await redis.hgetBuffer(keys.operation(accountId, operationId), 'result')
      return sealed ? (keyring.open(sealed, boundTo(operationId, 'result')) as StoredResult) : undefined
    },

    /**
     * Writes the next state over the version that was read. An end erases the secrets and starts the retention.
     * @throws StaleVersionError when the record has moved on; then nothing was written.
     */
    async save(record: OperationRecord, state: OperationState, result?: StoredResult): Promise<OperationRecord> {
      const { head } = record
      const finished = isFinished(state)
      const event = operationEvent(head, record.state, state, record.version + 1)
      const version = await saveScript(
        redis,
        [
          keys.operation(head.accountId, head.id),
          keys.liveLogins(head.accountId),
          keys.openOperations(head.accountId),
          keys.outbox(accountLane(head.accountId)),
          keys.idempotency(head.accountId, head.idempotencyHash ?? 'none'),
          keys.eventOutbox({ kind: 'account', id: head.accountId }),
          partOf(head),
          waitingPlace(head),
          keys.openWork(head.accountId),
        ],
        [
          head.id,
          head.naturalKeyHash,
          record.version,
          encodeRecord(head, state),
          result ? keyring.seal(result, boundTo(head.id, 'result')) : '',
          finished ? 1 : 0,
          retentionMs,
          jobIdOf(head.id, state.run),
          state.status === 'canceled' || state.status === 'expired' ? 1 : 0,
          FINISHED_CHANNEL,
          event ? JSON.stringify(identifyEvent(event)) : '',
          event?.at ?? 0,
          isOfBatch(head),
          record.state.status,
          state.status,
        ],
      )
      if (version === null) throw new StaleVersionError(head.id)
      // It may have waited far beyond its expires_at, for an account on hold: an end must be found for as long as it
      //   is kept.
      if (finished && head.batchId === null)
        await redis.set(keys.locator(head.id), head.accountId, 'PX', retentionMs + DAY_MS)
      return { head, state, version: Number(version) }
    },

    /**
     * From the lane back to where it was given it from, as it is, until its turn comes again. @throws StaleVersionError
     */
    async park(record: OperationRecord, now: number): Promise<void> {
      const { head } = record
      const state = { ...record.state, run: record.state.run + 1, updatedAt: now }
      const written = await parkScript(
        redis,
        [keys.operation(head.accountId, head.id), waitingPlace(head)],
        [
          record.version,
          encodeRecord(head, state),
          scoreOf(head, dueAt(state) || null, now),
          jobIdOf(head.id, state.run),
        ],
      )
      if (written === null) throw new StaleVersionError(head.id)
    },

    /**
     * Back into the lane, with the secrets given again. `in_progress` names the operation that is creating this login
     * meanwhile.
     *
     * @param naturalKeyHash of the request as it is now. `other_login`: it is not that of the operation, which may have
     *   created its user already; only a new operation creates under a new key. @throws BoundReachedError
     */
    async requeue(
      record: OperationRecord,
      state: OperationState,
      request: CreateInput,
      naturalKeyHash: string,
    ): Promise<{ kind: 'accepted' | 'stale' | 'other_login' } | { kind: 'in_progress'; operationId: string }> {
      const { head } = record
      if (head.naturalKeyHash !== naturalKeyHash) return { kind: 'other_login' }
      const sealed = sealRequest(head.id, request)
      const lifetimeMs = state.expiresAt - Date.now() + retentionMs + DAY_MS
      const encoded = encodeRecord(head, state)
      const bytes = sizeOf(encoded, sealed.request, sealed.secrets)
      const [reservation] = await Promise.all([
        openWork.reserve(head.tenantId, 1, bytes),
        redis.pexpire(keys.locator(head.id), lifetimeMs),
      ])
      const answer = (await requeueScript(
        redis,
        [
          keys.operation(head.accountId, head.id),
          keys.liveLogins(head.accountId),
          keys.openOperations(head.accountId),
          waitingPlace(head),
          keys.idempotency(head.accountId, head.idempotencyHash ?? 'none'),
          partOf(head),
          keys.openWork(head.accountId),
        ],
        [
          head.id,
          head.naturalKeyHash,
          record.version,
          encoded,
          sealed.request,
          sealed.secrets,
          state.expiresAt,
          scoreOf(head, null, state.updatedAt),
          jobIdOf(head.id, state.run),
          isOfBatch(head),
          record.state.status,
          state.status,
        ],
      )) as ['accepted' | 'stale' | 'in_progress', string, OpenFigures?]
      const [kind, operationId, figures] = answer
      openWork.settle(
        head.tenantId,
        reservation,
        new Map(figures ? [[head.accountId, figures]] : []),
        figures ? 0 : bytes,
      )
      return kind === 'in_progress' ? { kind, operationId } : { kind }
    },
  }
}
