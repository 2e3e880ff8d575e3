import type { Redis } from '@muster/store/redis'

export interface RedisHealth {
  isReachable: boolean
  /** What would lose acknowledged work. */
  warnings: string[]
}

const field = (info: string, name: string): string | undefined => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]

/**
 * Durability is Redis' own setting, so it is looked at: without AOF, everything acknowledged was lost at kill -9
 * (measured), and an evicting Redis drops operations at random.
 */
export async function checkRedis(redis: Redis): Promise<RedisHealth> {
  try {
    const info = await redis.info()
    const warnings: string[] = []
    if (field(info, 'aof_enabled') === '0')
      warnings.push('Redis persists nothing by AOF: set appendonly yes, or acknowledged work is lost when Redis dies.')
    const policy = field(info, 'maxmemory_policy')
    if (policy !== undefined && policy !== 'noeviction')
      warnings.push(`Redis evicts keys when it is full (${policy}): set maxmemory-policy noeviction.`)
    if (field(info, 'aof_last_write_status') === 'err') warnings.push('Redis could not write its AOF.')
    return { isReachable: true, warnings }
  } catch {
    return { isReachable: false, warnings: [] }
  }
}
