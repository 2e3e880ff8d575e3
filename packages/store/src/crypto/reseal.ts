import type { BatchRecord } from '@muster/domain/batch/record'
import { batchBoundTo, chunkBoundTo, referenceBoundTo } from '../batches/batches.ts'
import type { Keyring } from './keyring.ts'
import { keys } from '../redis/keys.ts'
import { recordBoundTo, resealRecord } from '../operations/record-codec.ts'
import { defineScript, type Redis } from '../redis/connect.ts'
import { readOrUnreadable, UnreadableError } from './unreadable.ts'
import { swapValueScript } from '../redis/versioned.ts'
import { callbackBoundTo } from '../webhooks/webhook-endpoints.ts'

/**
 * KEYS record. ARGV field, blob read, blob to write. Only over the very blob that was read: an erased secret must not
 * come back.
 */
const swapScript = defineScript(`
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
`)

const SCAN_COUNT = 500

export interface ResealProgress {
  looked: number
  resealed: number
  /** Do not open with any key of the ring: left as they are. */
  unreadable: number
}

/**
 * Seals everything anew that a key other than the newest has sealed, so that older keys can be taken out of the ring.
 * Runs beside a working system, and again where it was stopped.
 */
export async function resealAll(
  redis: Redis,
  keyring: Keyring,
  onProgress: (progress: ResealProgress) => void,
  onUnreadable: (error: UnreadableError) => void = () => undefined,
): Promise<ResealProgress> {
  const progress: ResealProgress = { looked: 0, resealed: 0, unreadable: 0 }

  /** One that does not open must not keep the others from being sealed by the newest key. */
  async function resealBlob(
    toFresh: () => Buffer | undefined,
    swap: (fresh: Buffer) => Promise<unknown>,
  ): Promise<void> {
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

  const freshOf = (blob: Buffer, bound: string): Buffer | undefined =>
    keyring.isOutdated(blob, bound) ? keyring.seal(keyring.open(blob, bound), bound) : undefined

  async function resealField(key: string, field: string, bound: string, toFresh = freshOf): Promise<void> {
    const blob = await redis.hgetBuffer(key, field)
    if (!blob || blob.length === 0) return
    await resealBlob(
      () => toFresh(blob, bound),
      (fresh) => swapScript(redis, [key], [field, blob, fresh]),
    )
  }

  async function resealValue(key: string, bound: string): Promise<void> {
    const blob = await redis.getBuffer(key)
    if (!blob) return
    await resealBlob(
      () => freshOf(blob, bound),
      (fresh) => swapValueScript(redis, [key], [blob, fresh]),
    )
  }

  /** It stands in the batch's record, which is JSON. */
  function resealReference(record: Buffer, bound: string): Buffer | undefined {
    const { sealedReference, ...others } = JSON.parse(record.toString()) as BatchRecord
    const fresh = sealedReference && freshOf(Buffer.from(sealedReference, 'base64'), bound)
    return fresh ? Buffer.from(JSON.stringify({ ...others, sealedReference: fresh.toString('base64') })) : undefined
  }

  async function forEachId(index: string, visit: (id: string) => Promise<void>): Promise<void> {
    let cursor = '0'
    do {
      const [next, rows] = await redis.zscan(index, cursor, 'COUNT', SCAN_COUNT)
      cursor = next
      // Each id has its score behind it.
      for (let position = 0; position < rows.length; position += 2) await visit(rows[position] ?? '')
      onProgress(progress)
    } while (cursor !== '0')
  }

  await resealValue(keys.hashKey, 'hash-key')
  for (const accountId of await redis.smembers(keys.accounts)) {
    await resealField(keys.account(accountId), 'credentials', `account:${accountId}:credentials`)
    // An access token is a cache: the next call asks for a new one.
    const token = await redis.getBuffer(keys.accessToken(accountId))
    if (token && readOrUnreadable(() => keyring.isOutdated(token, 'access-token')) !== false)
      await redis.del(keys.accessToken(accountId))
    await forEachId(keys.operations(accountId), async (operationId) => {
      const key = keys.operation(accountId, operationId)
      for (const field of ['request', 'secrets', 'result', 'callback'])
        await resealField(key, field, `operation:${operationId}:${field}`)
      await resealField(key, 'record', recordBoundTo(operationId), (blob, bound) => resealRecord(keyring, blob, bound))
    })
  }
  for (const tenantId of await redis.hvals(keys.tenantNames)) {
    for (const mode of [undefined, 'test'] as const)
      await resealValue(keys.callbackSecret(tenantId, mode), callbackBoundTo(tenantId, mode))
    await forEachId(keys.tenantBatches(tenantId), async (batchId) => {
      await resealField(keys.batch(batchId), 'credentials', batchBoundTo(batchId))
      if ((await redis.hget(keys.batch(batchId), 'record'))?.includes('"sealedReference"'))
        await resealField(keys.batch(batchId), 'record', referenceBoundTo(batchId), resealReference)
      // What comes in meanwhile is sealed by the newest key already.
      const chunks = Number((await redis.hget(keys.batch(batchId), 'chunks')) ?? 0)
      for (let chunk = 0; chunk < chunks; chunk += 1)
        await resealValue(keys.batchChunk(batchId, chunk), chunkBoundTo(batchId, chunk))
    })
    for (const endpointId of await redis.sunion(
      keys.tenantWebhookEndpoints(tenantId),
      keys.tenantCallbackEndpoints(tenantId),
    )) {
      await resealField(keys.webhookEndpoint(endpointId), 'credentials', `webhook-endpoint:${endpointId}:credentials`)
      await forEachId(keys.deliveries(endpointId), async (deliveryId) => {
        for (const field of ['url', 'replies'])
          await resealField(keys.delivery(endpointId, deliveryId), field, `delivery:${deliveryId}:${field}`)
      })
    }
  }
  onProgress(progress)
  return progress
}
