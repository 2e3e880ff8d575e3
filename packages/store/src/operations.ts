import { isJsonObject, mergeJson, type JsonObject } from '@muster/contracts/json'
import type { StoredResult } from '@muster/contracts/response-format'
import { splitSecrets } from '@muster/contracts/secrets'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import type { Keyring } from './keyring.ts'
import { FINISHED_CHANNEL, keys } from './keys.ts'
import { acceptScript, referenceScript, requeueScript, saveScript } from './operation-scripts.ts'
import { isFinished } from './operation-state.ts'
import { toOperationEvent } from './stored-event.ts'
import { jobIdOf, type OperationHead, type OperationRecord, type OperationRequest, type OperationState } from './operation-record.ts'
import type { Redis } from './redis.ts'

const DAY_MS = 86_400_000
const TRIM_PAGE = 1_000

export interface OperationsOptions {
  redis: Redis
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

const boundTo = (operationId: string, field: 'request' | 'secrets' | 'result' | 'callback'): string => `operation:${operationId}:${field}`

export type Operations = ReturnType<typeof createOperations>

/** The operation records: the truth about every create that was ever acknowledged. */
export function createOperations({ redis, keyring, retentionMs, waitReplicas }: OperationsOptions) {
  async function accountIdOf(operationId: string): Promise<string | null> {
    return redis.get(keys.locator(operationId))
  }

  /** Takes the secrets out of what is kept for as long as the operation, so that they can be erased alone. */
  function sealRequest(operationId: string, request: OperationRequest): { request: Buffer; secrets: Buffer | '' } {
    const user = splitSecrets(request.user as JsonObject)
    const remoteQuery = splitSecrets(request.remoteQuery)
    const secrets = { user: user.secrets, remoteQuery: remoteQuery.secrets }
    const hasSecrets = Object.keys(user.secrets).length + Object.keys(remoteQuery.secrets).length > 0
    return {
      request: keyring.seal({ ...request, user: user.kept, remoteQuery: remoteQuery.kept }, boundTo(operationId, 'request')),
      secrets: hasSecrets ? keyring.seal(secrets, boundTo(operationId, 'secrets')) : '',
    }
  }

  return {
    accountIdOf,

    /** One script decides and writes: a crash leaves nothing, or an operation whose outbox entry is still there. Resolves when it is safe to acknowledge. */
    async accept(head: OperationHead, state: OperationState, request: OperationRequest, fingerprint: string, callbackUrl?: string): Promise<Acceptance> {
      const sealed = sealRequest(head.id, request)
      // The entries outside the account's slot come first: without the operation they lead nowhere, and expire.
      const lifetimeMs = state.expiresAt - head.createdAt + retentionMs + DAY_MS
      const before = redis.multi().set(keys.locator(head.id), head.accountId, 'PX', lifetimeMs).zadd(keys.tenantOperations(head.tenantId), 0, head.id)
      await before.exec()
      if (head.reference !== null) await referenceScript(redis, [keys.tenantReference(head.tenantId, head.reference)], [head.id, lifetimeMs])
      const answer = (await acceptScript(
        redis,
        [
          keys.account(head.accountId),
          keys.operation(head.accountId, head.id),
          keys.idempotency(head.accountId, head.idempotencyHash ?? 'none'),
          keys.liveLogin(head.accountId, head.naturalKeyHash),
          keys.operations(head.accountId),
          keys.openOperations(head.accountId),
          keys.outbox(head.accountId),
        ],
        [head.id, JSON.stringify(head), JSON.stringify(state), sealed.request, sealed.secrets, callbackUrl === undefined ? '' : keyring.seal(callbackUrl, boundTo(head.id, 'callback')), fingerprint, head.idempotencyHash === null ? 0 : 1, head.createdAt, state.expiresAt, head.priority, jobIdOf(head.id, 0)],
      )) as [Acceptance['kind'], string]
      const [kind, operationId] = answer
      if (kind !== 'accepted') {
        const undo = redis.multi().del(keys.locator(head.id)).zrem(keys.tenantOperations(head.tenantId), head.id)
        if (head.reference !== null) undo.zrem(keys.tenantReference(head.tenantId, head.reference), head.id)
        await undo.exec()
        return kind === 'account_gone' ? { kind } : { kind, operationId }
      }
      if (waitReplicas > 0 && (await redis.wait(waitReplicas, 1_000)) < waitReplicas) throw new NotReplicatedError('WAIT: too few replicas took the write')
      return { kind }
    },

    async read(accountId: string, operationId: string): Promise<OperationRecord | undefined> {
      const [head, state, version] = await redis.hmget(keys.operation(accountId, operationId), 'head', 'state', 'version')
      return toRecord(head, state, version)
    },

    /** Those that are still there, in the order asked for. */
    async readMany(ids: readonly { accountId: string; operationId: string }[]): Promise<OperationRecord[]> {
      if (ids.length === 0) return []
      const pipeline = redis.pipeline()
      for (const { accountId, operationId } of ids) pipeline.hmget(keys.operation(accountId, operationId), 'head', 'state', 'version')
      const rows = (await pipeline.exec()) ?? []
      return rows.flatMap(([error, row]) => {
        if (error) throw error
        const [head, state, version] = row as (string | null)[]
        return toRecord(head, state, version) ?? []
      })
    },

    /** The whole request, its secrets put back where they have not been erased. */
    async readRequest(accountId: string, operationId: string): Promise<{ request: OperationRequest; areSecretsErased: boolean; secrets: JsonObject } | undefined> {
      const [request, secrets, hadSecrets] = await redis.hmgetBuffer(keys.operation(accountId, operationId), 'request', 'secrets', 'had-secrets')
      if (!request) return undefined
      const kept = keyring.open(request, boundTo(operationId, 'request')) as OperationRequest
      const opened = secrets && secrets.length > 0 ? (keyring.open(secrets, boundTo(operationId, 'secrets')) as { user: JsonObject; remoteQuery: JsonObject }) : undefined
      return {
        request: opened ? { ...kept, user: mergeJson(kept.user as JsonObject, opened.user) as UnifiedUserInput, remoteQuery: mergeJson(kept.remoteQuery, opened.remoteQuery) } : kept,
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
      const event = toOperationEvent(head, record.state, state, record.version + 1)
      const version = await saveScript(
        redis,
        [
          keys.operation(head.accountId, head.id),
          keys.liveLogin(head.accountId, head.naturalKeyHash),
          keys.openOperations(head.accountId),
          keys.outbox(head.accountId),
          keys.idempotency(head.accountId, head.idempotencyHash ?? 'none'),
          keys.eventOutbox(head.accountId),
        ],
        [head.id, record.version, JSON.stringify(state), result ? keyring.seal(result, boundTo(head.id, 'result')) : '', finished ? 1 : 0, retentionMs, jobIdOf(head.id, state.run), state.status === 'canceled' || state.status === 'expired' ? 1 : 0, FINISHED_CHANNEL, event ? JSON.stringify(event) : '', event?.at ?? 0],
      )
      if (version === null) throw new StaleVersionError(head.id)
      // It may have waited far beyond its expires_at, for an account on hold: an end must be found for as long as it is kept.
      if (finished) await redis.set(keys.locator(head.id), head.accountId, 'PX', retentionMs + DAY_MS)
      return { head, state, version: Number(version) }
    },

    /** Back into the lane, with the secrets given anew. `in_progress` names the operation that is creating this login meanwhile. */
    async requeue(record: OperationRecord, state: OperationState, request: OperationRequest): Promise<{ kind: 'accepted' | 'stale' } | { kind: 'in_progress'; operationId: string }> {
      const { head } = record
      const sealed = sealRequest(head.id, request)
      const lifetimeMs = state.expiresAt - Date.now() + retentionMs + DAY_MS
      await redis.pexpire(keys.locator(head.id), lifetimeMs)
      const [kind, operationId] = (await requeueScript(
        redis,
        [
          keys.operation(head.accountId, head.id),
          keys.liveLogin(head.accountId, head.naturalKeyHash),
          keys.openOperations(head.accountId),
          keys.outbox(head.accountId),
          keys.idempotency(head.accountId, head.idempotencyHash ?? 'none'),
        ],
        [head.id, record.version, JSON.stringify(state), sealed.request, sealed.secrets, state.expiresAt, head.priority, jobIdOf(head.id, state.run), state.updatedAt],
      )) as ['accepted' | 'stale' | 'in_progress', string]
      return kind === 'in_progress' ? { kind, operationId } : { kind }
    },

    /** Ids of a page, newest first, older than `before`. The indexes are sorted by id, and a UUIDv7 begins with its time. */
    async listIds(index: { tenantId: string; accountId?: string; reference?: string }, options: { before: string | null; from: number | null; to: number | null; count: number }): Promise<string[]> {
      const key =
        index.reference !== undefined ? keys.tenantReference(index.tenantId, index.reference) : index.accountId !== undefined ? keys.operations(index.accountId) : keys.tenantOperations(index.tenantId)
      const upper = [options.before === null ? undefined : `(${options.before}`, options.to === null ? undefined : `(${uuidPrefix(options.to + 1)}`].filter((bound) => bound !== undefined).sort()[0] ?? '+'
      return redis.zrevrangebylex(key, upper, options.from === null ? '-' : `[${uuidPrefix(options.from)}`, 'LIMIT', 0, options.count)
    },

    async locate(operationIds: readonly string[]): Promise<(string | null)[]> {
      if (operationIds.length === 0) return []
      const pipeline = redis.pipeline()
      for (const id of operationIds) pipeline.get(keys.locator(id))
      return ((await pipeline.exec()) ?? []).map(([, value]) => value as string | null)
    },

    countOpen: (accountId: string): Promise<number> => redis.zcard(keys.openOperations(accountId)),

    /** Unfinished operations of the account whose time is up. */
    dueForExpiry: (accountId: string, now: number, page: { from: number; count: number }): Promise<string[]> => redis.zrangebyscore(keys.openOperations(accountId), '-inf', now, 'LIMIT', page.from, page.count),

    /** What the lane must still hear of, most urgent first: `+job` to add, `-job` to remove. */
    readOutbox: (accountId: string, limit: number): Promise<string[]> => redis.zrange(keys.outbox(accountId), 0, String(limit - 1)),
    async clearOutbox(accountId: string, entries: readonly string[]): Promise<void> {
      if (entries.length > 0) await redis.zrem(keys.outbox(accountId), ...entries)
    },

    /** Takes out of an index whatever operation has left, page by page, since old ones can be there still. Resolves with how many went. */
    async trimIndex(index: { tenantId: string } | { accountId: string }, now: number): Promise<number> {
      const key = 'tenantId' in index ? keys.tenantOperations(index.tenantId) : keys.operations(index.accountId)
      let removed = 0
      for (let after = '-'; ; ) {
        const page = await redis.zrangebylex(key, after, `(${uuidPrefix(now - retentionMs)}`, 'LIMIT', 0, TRIM_PAGE)
        const accounts = 'accountId' in index ? page.map(() => index.accountId) : await this.locate(page)
        const pipeline = redis.pipeline()
        page.forEach((id, position) => pipeline.exists(keys.operation(accounts[position] ?? 'none', id)))
        const present = (await pipeline.exec()) ?? []
        const gone = page.filter((_, position) => present[position]?.[1] === 0)
        if (gone.length > 0) await redis.zrem(key, ...gone)
        removed += gone.length
        const last = page.at(-1)
        if (last === undefined || page.length < TRIM_PAGE) return removed
        after = `(${last}`
      }
    },
  }
}

/** The first 48 bits of a UUIDv7 are its Unix milliseconds (RFC 9562). */
function uuidPrefix(at: number): string {
  const hex = Math.max(0, Math.floor(at)).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}`
}

function toRecord(head: string | null | undefined, state: string | null | undefined, version: string | null | undefined): OperationRecord | undefined {
  if (!head || !state || !version) return undefined
  const parsed: unknown = JSON.parse(head)
  if (!isJsonObject(parsed)) return undefined
  return { head: parsed as unknown as OperationHead, state: JSON.parse(state) as OperationState, version: Number(version) }
}
