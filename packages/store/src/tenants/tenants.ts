import { createHash, randomBytes } from 'node:crypto'
import type { Scope } from '@muster/contracts/api-key'
import { defaultLimits, type Limits } from '@muster/contracts/bounds'
import { v7 as uuidv7 } from 'uuid'
import { addWithin, pageOf, type PageOptions } from '../redis/bounded-index.ts'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'
import { createRecentKeys } from './recent-keys.ts'

export interface ApiKeyRecord {
  id: string
  tenantId: string
  name: string
  scopes: Scope[]
  prefix: string
  createdAt: number
}

/** Test keys open what is of mode test alone. */
export const isTestKey = ({ prefix }: Pick<ApiKeyRecord, 'prefix'>): boolean => prefix.startsWith('mk_test_')

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/**
 * 190 random bits cannot be guessed, so a plain hash of it is enough at rest. Rejection sampling keeps the letters
 * even.
 */
function randomText(length: number): string {
  let text = ''
  while (text.length < length)
    for (const byte of randomBytes(length)) if (byte < 248 && text.length < length) text += ALPHABET[byte % 62]
  return text
}

const hashOf = (apiKey: string): string => createHash('sha256').update(apiKey).digest('hex')

export type Tenants = ReturnType<typeof createTenants>

export function createTenants({ redis, limits = defaultLimits }: { redis: Redis; limits?: Limits }) {
  const recentKeys = createRecentKeys(async (hash) => {
    const record = await redis.get(keys.apiKey(hash))
    return record ? (JSON.parse(record) as ApiKeyRecord) : undefined
  })

  return {
    /** The tenant of that name, made when there is none. */
    async ensure(name: string): Promise<string> {
      const id = uuidv7()
      await redis.hsetnx(keys.tenantNames, name, id)
      const tenantId = (await redis.hget(keys.tenantNames, name)) ?? id
      await redis.setnx(keys.tenant(tenantId), JSON.stringify({ id: tenantId, name, createdAt: Date.now() }))
      return tenantId
    },

    listIds: async (): Promise<string[]> => Object.values(await redis.hgetall(keys.tenantNames)),

    async createApiKey(
      tenantId: string,
      name: string,
      scopes: Scope[],
      mode: 'live' | 'test',
    ): Promise<{ record: ApiKeyRecord; apiKey: string }> {
      const apiKey = `mk_${mode}_${randomText(32)}`
      const record: ApiKeyRecord = {
        id: uuidv7(),
        tenantId,
        name,
        scopes,
        prefix: apiKey.slice(0, 12),
        createdAt: Date.now(),
      }
      // The index first: a key that opens and cannot be revoked must not be left behind.
      await addWithin(redis, limits, {
        bound: 'apiKeys',
        kind: 'hash',
        key: keys.tenantApiKeys(tenantId),
        id: record.id,
        value: hashOf(apiKey),
      })
      await redis.set(keys.apiKey(hashOf(apiKey)), JSON.stringify(record))
      return { record, apiKey }
    },

    /** As it was at most a second ago. */
    findApiKey: (apiKey: string): Promise<ApiKeyRecord | undefined> => recentKeys.find(hashOf(apiKey)),

    /** Whether each has not been revoked since it was found. */
    async areValid(found: readonly Pick<ApiKeyRecord, 'id' | 'tenantId'>[]): Promise<boolean[]> {
      const pipeline = redis.pipeline()
      for (const { id, tenantId } of found) pipeline.hexists(keys.tenantApiKeys(tenantId), id)
      return ((await pipeline.exec()) ?? []).map(([error, answer]) => {
        if (error) throw error
        return answer === 1
      })
    },

    /** A page, in the order they were made. */
    async listApiKeys(tenantId: string, page: PageOptions): Promise<{ records: ApiKeyRecord[]; next: string | null }> {
      const { ids, next } = pageOf(await redis.hkeys(keys.tenantApiKeys(tenantId)), page)
      const hashes = ids.length === 0 ? [] : await redis.hmget(keys.tenantApiKeys(tenantId), ...ids)
      const pipeline = redis.pipeline()
      for (const hash of hashes) pipeline.get(keys.apiKey(hash ?? 'none'))
      const rows = (await pipeline.exec()) ?? []
      const records = rows.flatMap(([, row]) => (typeof row === 'string' ? [JSON.parse(row) as ApiKeyRecord] : []))
      return { records, next }
    },

    async readApiKey(tenantId: string, id: string): Promise<ApiKeyRecord | undefined> {
      const hash = await redis.hget(keys.tenantApiKeys(tenantId), id)
      const record = hash ? await redis.get(keys.apiKey(hash)) : null
      return record ? (JSON.parse(record) as ApiKeyRecord) : undefined
    },

    async revokeApiKey(tenantId: string, id: string): Promise<boolean> {
      const hash = await redis.hget(keys.tenantApiKeys(tenantId), id)
      if (!hash) return false
      await redis.del(keys.apiKey(hash))
      recentKeys.forget(hash)
      await redis.hdel(keys.tenantApiKeys(tenantId), id)
      return true
    },
  }
}
