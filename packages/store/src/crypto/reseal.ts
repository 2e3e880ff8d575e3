import type { BatchRecord } from '@muster/domain/batch/record'
import { resealRecord } from '../operations/record-codec.ts'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'
import { scannedIdsOf } from '../redis/pages.ts'
import { defineScript } from '../redis/script.ts'
import { swapValueScript } from '../redis/versioned.ts'
import { bindings } from './bindings.ts'
import type { Keyring } from './keyring.ts'
import { readOrUnreadable, UnreadableError } from './unreadable.ts'

/** Only over the very blob that was read: an erased secret must not come back. */
const swapFieldScript = defineScript({
  keys: ['record'],
  args: ['field', 'before', 'next'],
  lua: `
if redis.call('HGET', record, field) ~= before then return 0 end
redis.call('HSET', record, field, next)
return 1
`,
})

export interface ResealProgress {
  looked: number
  resealed: number
  /** Do not open with any key of the ring: left as they are. */
  unreadable: number
}

/** The rotation of what is kept of one kind, by the ids that lead to it. */
type Resealers = Record<keyof typeof bindings, (...ids: string[]) => Promise<void>>

/**
 * Seals again everything that a key other than the newest has sealed, so that older keys can be taken out of the ring.
 * Runs beside a working system, and again where it was stopped.
 */
export async function resealAll(
  redis: Redis,
  keyring: Keyring,
  onProgress: (progress: ResealProgress) => void,
  onUnreadable: (error: UnreadableError) => void = () => undefined,
): Promise<ResealProgress> {
  const progress: ResealProgress = { looked: 0, resealed: 0, unreadable: 0 }
  const reseal = createResealers(redis, keyring, createBlobResealer(redis, keyring, progress, onUnreadable))
  async function forEachId(index: string, visit: (id: string) => Promise<void>): Promise<void> {
    for await (const ids of scannedIdsOf(redis, index)) {
      for (const id of ids) await visit(id)
      onProgress(progress)
    }
  }

  await reseal.hashKey()
  for (const accountId of await redis.smembers(keys.accounts)) {
    await reseal.account(accountId)
    await reseal.accessToken(accountId)
    await forEachId(keys.operations(accountId), async (operationId) => {
      await reseal.operation(accountId, operationId)
      await reseal.operationRecord(accountId, operationId)
    })
  }
  for (const tenantId of await redis.hvals(keys.tenantNames)) {
    await reseal.callbackSecret(tenantId)
    await forEachId(keys.tenantBatches(tenantId), async (batchId) => {
      await reseal.batch(batchId)
      await reseal.batchReference(batchId)
      await reseal.batchChunk(batchId)
    })
    const endpointIndexes = [keys.tenantWebhookEndpoints(tenantId), keys.tenantCallbackEndpoints(tenantId)]
    for (const endpointId of await redis.sunion(...endpointIndexes)) {
      await reseal.webhookEndpoint(endpointId)
      await forEachId(keys.deliveries(endpointId), (deliveryId) => reseal.delivery(endpointId, deliveryId))
    }
  }
  onProgress(progress)
  return progress
}

type Fresh = (blob: Buffer, bound: string) => Buffer | undefined
type BlobResealer = ReturnType<typeof createBlobResealer>

/** How each kind of the table is found. A kind that is missing here does not compile. */
function createResealers(redis: Redis, keyring: Keyring, { field, fields, value, freshOf }: BlobResealer) {
  /** The reference stands in the batch's record, which is JSON. */
  const freshReference: Fresh = (record, bound) => {
    const { sealedReference, ...others } = JSON.parse(record.toString()) as BatchRecord
    const fresh = sealedReference && freshOf(Buffer.from(sealedReference, 'base64'), bound)
    return fresh ? Buffer.from(JSON.stringify({ ...others, sealedReference: fresh.toString('base64') })) : undefined
  }

  return {
    hashKey: () => value(keys.hashKey, bindings.hashKey()),
    account: (accountId) => fields(keys.account(accountId), bindings.account, accountId),
    /** An access token is a cache: the next call asks for a new one. */
    async accessToken(accountId) {
      const token = await redis.getBuffer(keys.accessToken(accountId))
      if (token && readOrUnreadable(() => keyring.isOutdated(token, bindings.accessToken(accountId))) !== false)
        await redis.del(keys.accessToken(accountId))
    },
    operation: (accountId, operationId) =>
      fields(keys.operation(accountId, operationId), bindings.operation, operationId),
    operationRecord: (accountId, operationId) =>
      field(keys.operation(accountId, operationId), 'record', bindings.operationRecord(operationId), (blob, bound) =>
        resealRecord(keyring, blob, bound),
      ),
    batch: (batchId) => fields(keys.batch(batchId), bindings.batch, batchId),
    async batchReference(batchId) {
      if ((await redis.hget(keys.batch(batchId), 'record'))?.includes('"sealedReference"'))
        await field(keys.batch(batchId), 'record', bindings.batchReference(batchId), freshReference)
    },
    /** What comes in meanwhile is sealed by the newest key already. */
    async batchChunk(batchId) {
      const chunks = Number((await redis.hget(keys.batch(batchId), 'chunks')) ?? 0)
      for (let chunk = 0; chunk < chunks; chunk += 1)
        await value(keys.batchChunk(batchId, chunk), bindings.batchChunk(batchId, chunk))
    },
    webhookEndpoint: (endpointId) => fields(keys.webhookEndpoint(endpointId), bindings.webhookEndpoint, endpointId),
    delivery: (endpointId, deliveryId) => fields(keys.delivery(endpointId, deliveryId), bindings.delivery, deliveryId),
    async callbackSecret(tenantId) {
      for (const mode of [undefined, 'test'] as const)
        await value(keys.callbackSecret(tenantId, mode), bindings.callbackSecret(tenantId, mode))
    },
  } satisfies Resealers
}

/** One blob at a time, counted. One that does not open must not keep the others from being sealed by the newest key. */
function createBlobResealer(
  redis: Redis,
  keyring: Keyring,
  progress: ResealProgress,
  onUnreadable: (error: UnreadableError) => void,
) {
  const freshOf: Fresh = (blob, bound) =>
    keyring.isOutdated(blob, bound) ? keyring.seal(keyring.open(blob, bound), bound) : undefined

  async function resealBlob(toFresh: () => Buffer | undefined, swap: (fresh: Buffer) => Promise<unknown>) {
    progress.looked += 1
    try {
      const fresh = toFresh()
      if (fresh && (await swap(fresh)) === 1) progress.resealed += 1
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error
      progress.unreadable += 1
      onUnreadable(error)
    }
  }

  async function field(record: string, name: string, bound: string, toFresh = freshOf): Promise<void> {
    const before = await redis.hgetBuffer(record, name)
    if (!before || before.length === 0) return
    await resealBlob(
      () => toFresh(before, bound),
      (next) => swapFieldScript(redis, { record, field: name, before, next }),
    )
  }

  return {
    freshOf,
    field,
    /** Every sealed field of a kind, by their bindings. */
    async fields(record: string, boundTo: Record<string, (id: string) => string>, id: string): Promise<void> {
      for (const [name, bind] of Object.entries(boundTo)) await field(record, name, bind(id))
    },
    /** A key that is one blob. */
    async value(key: string, bound: string): Promise<void> {
      const before = await redis.getBuffer(key)
      if (!before) return
      await resealBlob(
        () => freshOf(before, bound),
        (next) => swapValueScript(redis, { value: key, before, next }),
      )
    },
  }
}
