import { BoundReachedError, type BoundName, type Limits } from '@muster/contracts/bounds'
import type { Redis } from './connect.ts'
import { defineScript } from './script.ts'

/** Counting and adding are one step, so that concurrent additions cannot pass the bound together. */
const scripts = {
  set: defineScript({
    keys: ['index'],
    args: ['most', 'id', 'value'],
    lua: `
if redis.call('SISMEMBER', index, id) == 1 then return 1 end
if redis.call('SCARD', index) >= tonumber(most) then return 0 end
redis.call('SADD', index, id)
return 1
`,
  }),
  sorted: defineScript({
    keys: ['index'],
    args: ['most', 'id', 'value'],
    lua: `
if redis.call('ZSCORE', index, id) then return 1 end
if redis.call('ZCARD', index) >= tonumber(most) then return 0 end
redis.call('ZADD', index, 0, id)
return 1
`,
  }),
  /** Overwrites an entry that is there already. */
  hash: defineScript({
    keys: ['index'],
    args: ['most', 'id', 'value'],
    lua: `
if redis.call('HEXISTS', index, id) == 0 and redis.call('HLEN', index) >= tonumber(most) then return 0 end
redis.call('HSET', index, id, value)
return 1
`,
  }),
}

interface BoundedEntry {
  bound: BoundName
  kind: keyof typeof scripts
  key: string
  id: string
  /** Of a hash. */
  value?: string
}

/** Adds to what a tenant has of something, unless it has all it may. @throws BoundReachedError */
export async function addWithin(
  redis: Redis,
  limits: Limits,
  { bound, kind, key, id, value = '' }: BoundedEntry,
): Promise<void> {
  if ((await scripts[kind](redis, { index: key, most: limits[bound], id, value })) === 0)
    throw new BoundReachedError(bound, limits[bound])
}

export interface PageOptions {
  /** The last id of the page before; null for the first. */
  after: string | null
  limit: number
}

/** A page of ids out of an index that is bounded, and so is read whole. */
export function pageOf(ids: readonly string[], { after, limit }: PageOptions): { ids: string[]; next: string | null } {
  const rest = ids.filter((id) => after === null || id > after).sort()
  const page = rest.slice(0, limit)
  return { ids: page, next: rest.length > limit ? (page.at(-1) ?? null) : null }
}
