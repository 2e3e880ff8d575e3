import { BoundReachedError, type BoundName, type Limits } from '@muster/contracts/bounds'
import { defineScript, type Redis } from './connect.ts'

/** The script counts and adds in one step: of many that come at once, only those get in for which there is room. */
const scripts = {
  /** KEYS set. ARGV most, member. */
  set: defineScript(`
if redis.call('SISMEMBER', KEYS[1], ARGV[2]) == 1 then return 1 end
if redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('SADD', KEYS[1], ARGV[2])
return 1
`),
  /** KEYS sorted set. ARGV most, member. */
  sorted: defineScript(`
if redis.call('ZSCORE', KEYS[1], ARGV[2]) then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], 0, ARGV[2])
return 1
`),
  /** KEYS hash. ARGV most, field, value. What is there already is written over. */
  hash: defineScript(`
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return 1
`),
}

/** Adds to what a tenant has of something, unless it has all it may. @throws BoundReachedError */
export async function addWithin(
  redis: Redis,
  limits: Limits,
  { bound, kind, key, entry }: { bound: BoundName; kind: keyof typeof scripts; key: string; entry: string[] },
): Promise<void> {
  if ((await scripts[kind](redis, [key], [limits[bound], ...entry])) === 0)
    throw new BoundReachedError(bound, limits[bound])
}

export interface PageOptions {
  /** The last id of the page before; null for the first. */
  after: string | null
  limit: number
}

/** A page of ids out of an index that is bounded itself. */
export function pageOf(ids: readonly string[], { after, limit }: PageOptions): { ids: string[]; next: string | null } {
  const rest = ids.filter((id) => after === null || id > after).sort()
  const page = rest.slice(0, limit)
  return { ids: page, next: rest.length > limit ? (page.at(-1) ?? null) : null }
}
