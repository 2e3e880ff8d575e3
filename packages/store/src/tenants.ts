import { createHash, randomBytes } from 'node:crypto'
import type { Scope } from '@muster/contracts/api-key'
import { v7 as uuidv7 } from 'uuid'
import { keys } from './keys.ts'
import type { Redis } from './redis.ts'

export interface ApiKeyRecord {
  id: string
  tenantId: string
  name: string
  scopes: Scope[]
  prefix: string
  createdAt: number
}

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/**
 * 190 random bits: nobody guesses it, so a plain hash of it is enough at rest. Rejection sampling keeps the letters
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

export function createTenants({ redis }: { redis: Redis }) {
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
      await redis.set(keys.apiKey(hashOf(apiKey)), JSON.stringify(record))
      await redis.hset(keys.tenantApiKeys(tenantId), record.id, hashOf(apiKey))
      return { record, apiKey }
    },

    async findApiKey(apiKey: string): Promise<ApiKeyRecord | undefined> {
      const record = await redis.get(keys.apiKey(hashOf(apiKey)))
      return record ? (JSON.parse(record) as ApiKeyRecord) : undefined
    },

    async listApiKeys(tenantId: string): Promise<ApiKeyRecord[]> {
      const hashes = Object.values(await redis.hgetall(keys.tenantApiKeys(tenantId)))
      const pipeline = redis.pipeline()
      for (const hash of hashes) pipeline.get(keys.apiKey(hash))
      const rows = (await pipeline.exec()) ?? []
      return rows
        .flatMap(([, row]) => (typeof row === 'string' ? [JSON.parse(row) as ApiKeyRecord] : []))
        .sort((a, b) => a.createdAt - b.createdAt)
    },

    async revokeApiKey(tenantId: string, id: string): Promise<boolean> {
      const hash = await redis.hget(keys.tenantApiKeys(tenantId), id)
      if (!hash) return false
      await redis.del(keys.apiKey(hash))
      await redis.hdel(keys.tenantApiKeys(tenantId), id)
      return true
    },
  }
}
