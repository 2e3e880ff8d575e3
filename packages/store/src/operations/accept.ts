import { BoundReachedError } from '@muster/contracts/bounds'
import type { OperationHead, CreateInput, OperationState } from '@muster/domain/operation/record'
import type { Keyring } from '../crypto/keyring.ts'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'
import { acceptScript, referenceScript } from './accept-scripts.ts'
import type { OpenFigures, OpenWork, Reservation } from './open-work.ts'
import { idempotencyKeyOf, scoreOf, waitingKeyOf } from './operation-keys.ts'
import type { RecordCodec } from './record-codec.ts'
import { sealCallback, sealRequest } from './sealed-request.ts'

const DAY_MS = 86_400_000
/**
 * Bytes. Deflating a short request costs a tenth of the accept and saves some 120 bytes: worth it for rows, of which
 * 100,000 wait, not for a single create.
 */
const SINGLE_PACKED_FROM = 600

export interface NewOperation {
  head: OperationHead
  state: OperationState
  request: CreateInput
  fingerprint: string
  callbackUrl?: string
}

export type Acceptance =
  /** With the account's unfinished operations, where it is a single create. */
  | { kind: 'accepted'; open?: number }
  /** Same idempotency key, same request. */
  | { kind: 'replayed'; operationId: string }
  /** Same idempotency key, another request. */
  | { kind: 'reused'; operationId: string }
  /** An unfinished operation is creating the same login. */
  | { kind: 'in_progress'; operationId: string }
  | { kind: 'account_gone' }

/** With the account's open work, where something was accepted. */
export type AcceptAnswer = [kind: Acceptance['kind'], operationId: string, figures?: OpenFigures]

export const toAcceptance = ([kind, operationId]: AcceptAnswer): Acceptance =>
  kind === 'accepted' || kind === 'account_gone' ? { kind } : { kind, operationId }

export interface AcceptDependencies {
  redis: Redis
  keyring: Keyring
  codec: RecordCodec
  openWork: OpenWork
  retentionMs: number
}

/** What the accept scripts take of the account. */
export const accountKeysOf = (head: OperationHead) => ({
  account: keys.account(head.accountId),
  live: keys.liveLogins(head.accountId),
  index: keys.operations(head.accountId),
  open: keys.openOperations(head.accountId),
  waiting: waitingKeyOf(head),
  work: keys.openWork(head.accountId),
})

/** What the accept scripts take of the operation, and the bytes that count against the tenant's bounds. */
export function toStored(
  { keyring, codec }: Pick<AcceptDependencies, 'keyring' | 'codec'>,
  { head, state, request, callbackUrl }: NewOperation,
) {
  const sealed = sealRequest(keyring, head.id, request, head.batchId === null ? SINGLE_PACKED_FROM : undefined)
  const record = codec.encodeRecord(head, state)
  const callback = sealCallback(keyring, head.id, callbackUrl)
  return {
    bytes: record.length + sealed.request.length + sealed.secrets.length + callback.length,
    operation: keys.operation(head.accountId, head.id),
    id: head.id,
    login: head.naturalKeyHash,
    record,
    request: sealed.request,
    secrets: sealed.secrets,
    callback,
    expiresAt: state.expiresAt,
    score: scoreOf(head, state.notBefore, head.createdAt),
  }
}

export function createAccept(dependencies: AcceptDependencies, waitForReplicas: () => Promise<void>) {
  const { redis, openWork, retentionMs } = dependencies

  /** A repeat needs no room: it is answered with the operation that is there. @throws BoundReachedError */
  async function reserve(head: OperationHead, bytes: number): Promise<Reservation | undefined> {
    try {
      return await openWork.reserve(head.tenantId, 1, bytes)
    } catch (error) {
      const isRepeat =
        error instanceof BoundReachedError &&
        head.idempotencyHash !== null &&
        (await redis.exists(idempotencyKeyOf(head))) === 1
      if (isRepeat) return undefined
      throw error
    }
  }

  /** Entries outside the account's hash slot are written first: without the operation they lead nowhere, and expire. */
  const addEntries = ({ id, accountId, tenantId }: OperationHead, lifetimeMs: number): Promise<unknown> =>
    Promise.all([
      redis.set(keys.locator(id), accountId, 'PX', lifetimeMs),
      redis.zadd(keys.tenantOperations(tenantId), 0, id),
    ])

  async function removeEntries({ id, tenantId, reference }: OperationHead): Promise<void> {
    const entries = redis.multi().del(keys.locator(id)).zrem(keys.tenantOperations(tenantId), id)
    if (reference !== null) entries.zrem(keys.tenantReference(tenantId, reference), id)
    await entries.exec()
  }

  /** In one round trip. */
  async function prepare(head: OperationHead, bytes: number, lifetimeMs: number, before: () => Promise<void>) {
    try {
      const [reservation] = await Promise.all([reserve(head, bytes), addEntries(head, lifetimeMs), before()])
      return reservation
    } catch (error) {
      if (error instanceof BoundReachedError) await removeEntries(head)
      throw error
    }
  }

  /**
   * One script decides and writes: a crash leaves nothing, or an operation whose outbox entry is still there. Resolves
   * when it is safe to acknowledge.
   * @param before must have happened when the operation is written
   * @throws BoundReachedError
   */
  return async (operation: NewOperation, before = async (): Promise<void> => undefined): Promise<Acceptance> => {
    const { head, state, fingerprint } = operation
    const { bytes, ...stored } = toStored(dependencies, operation)
    const lifetimeMs = state.expiresAt - head.createdAt + retentionMs + DAY_MS
    const reservation = await prepare(head, bytes, lifetimeMs, before)
    if (head.reference !== null) {
      const list = keys.tenantReference(head.tenantId, head.reference)
      await referenceScript(redis, { list, id: head.id, lifetimeMs })
    }
    const answer = (await acceptScript(redis, {
      ...accountKeysOf(head),
      ...stored,
      idempotency: idempotencyKeyOf(head),
      fingerprint,
      keyed: head.idempotencyHash === null ? 0 : 1,
    })) as AcceptAnswer
    const [, , figures] = answer
    if (reservation) openWork.settle(head.tenantId, reservation, new Map(figures ? [[head.accountId, figures]] : []))
    const acceptance = toAcceptance(answer)
    if (acceptance.kind !== 'accepted') {
      await removeEntries(head)
      return acceptance
    }
    await waitForReplicas()
    return { ...acceptance, ...(figures ? { open: figures[0] } : {}) }
  }
}
