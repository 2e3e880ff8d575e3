import type { JsonObject } from '@muster/contracts/json'
import type { StoredResult } from '@muster/contracts/response-format'
import type { OperationRecord, CreateInput } from '@muster/domain/operation/record'
import { bindings } from '../crypto/bindings.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { readOrSkip, type OnUnreadable } from '../crypto/unreadable.ts'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'
import type { RecordCodec } from './record-codec.ts'
import { openRequest } from './sealed-request.ts'

type Field = Buffer | null | undefined

export function createOperationReader({
  redis,
  keyring,
  codec,
}: {
  redis: Redis
  keyring: Keyring
  codec: RecordCodec
}) {
  const toRecord = (
    accountId: string,
    operationId: string,
    [record, version]: readonly Field[],
  ): OperationRecord | undefined =>
    record && version
      ? { ...codec.decodeRecord(accountId, operationId, record), version: Number(version.toString()) }
      : undefined

  return {
    async read(accountId: string, operationId: string): Promise<OperationRecord | undefined> {
      const row = await redis.hmgetBuffer(keys.operation(accountId, operationId), 'record', 'version')
      return toRecord(accountId, operationId, row)
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
      return ids.flatMap(({ accountId, operationId }, index) => {
        const row = (rows[index]?.[1] ?? []) as Field[]
        return readOrSkip(() => toRecord(accountId, operationId, row), onUnreadable) ?? []
      })
    },

    async readRequest(
      accountId: string,
      operationId: string,
    ): Promise<{ request: CreateInput; areSecretsErased: boolean; secrets: JsonObject } | undefined> {
      const key = keys.operation(accountId, operationId)
      const [request, secrets = null, had] = await redis.hmgetBuffer(key, 'request', 'secrets', 'had-secrets')
      if (!request) return undefined
      return openRequest(keyring, operationId, { request, secrets, hadSecrets: had?.toString() === '1' })
    },

    /** Where the end of the operation is reported besides; undefined when it was erased. */
    async readCallback(accountId: string, operationId: string): Promise<string | undefined> {
      const sealed = await redis.hgetBuffer(keys.operation(accountId, operationId), 'callback')
      return sealed ? String(keyring.open(sealed, bindings.operation.callback(operationId))) : undefined
    },

    async readResult(accountId: string, operationId: string): Promise<StoredResult | undefined> {
      const sealed = await redis.hgetBuffer(keys.operation(accountId, operationId), 'result')
      return sealed ? (keyring.open(sealed, bindings.operation.result(operationId)) as StoredResult) : undefined
    },

    /** Which of these logins an unfinished operation is creating at the moment. */
    async findLiveLogins(accountId: string, naturalKeyHashes: readonly string[]): Promise<(string | null)[]> {
      return naturalKeyHashes.length === 0 ? [] : redis.hmget(keys.liveLogins(accountId), ...naturalKeyHashes)
    },

    /** Whether a request with this key was accepted before; what it was is for `accept` to compare. */
    hasIdempotencyKey: async (accountId: string, idempotencyHash: string): Promise<boolean> =>
      (await redis.exists(keys.idempotency(accountId, idempotencyHash))) === 1,
  }
}
