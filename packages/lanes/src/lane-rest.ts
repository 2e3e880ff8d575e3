import type { Redis } from 'ioredis'
import { limiterKey } from './lane-keys.ts'

/**
 * For how long nothing leaves the lane, in milliseconds, since the provider said so or is taken to be down; 0 where it
 * does not rest.
 */
export async function readRestMs(redis: Redis, accountId: string): Promise<number> {
  const [[, begun], [, leftMs]] = (await redis
    .multi()
    .get(limiterKey(accountId))
    .pttl(limiterKey(accountId))
    .exec()) as [[unknown, string | null], [unknown, number]]
  return Number(begun) >= Number.MAX_SAFE_INTEGER ? Math.max(0, leftMs) : 0
}
