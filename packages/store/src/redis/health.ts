import type { Redis } from './connect.ts'
import { redisWordOf } from './error.ts'

export interface RedisHealth {
  /** A primary that answers and takes writes: nothing works without. */
  isUsable: boolean
  /** Why it is not, and what would lose acknowledged work. */
  warnings: string[]
}

const TIMEOUT_MS = 1_000
/** Never there: to write nothing at the start of nothing changes nothing, and is refused whenever a write would be. */
const PROBED_KEY = 'muster:readiness'

const field = (info: string, name: string): string | undefined => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]

/**
 * What API and worker need of Redis, asked of it. Durability is Redis' own setting, so it is looked at: without AOF,
 * everything acknowledged was lost at kill -9 (measured), and an evicting Redis drops operations at random.
 */
export async function checkRedis(redis: Redis): Promise<RedisHealth> {
  const absent = { isUsable: false, warnings: ['Redis does not answer.'] }
  // Commands of a worker wait for Redis to come back: they must not pile up with every probe.
  if (redis.status !== 'ready') return absent
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<RedisHealth>((resolve) => {
    timer = setTimeout(() => resolve(absent), TIMEOUT_MS)
  })
  return Promise.race([ask(redis), late]).finally(() => clearTimeout(timer))
}

async function ask(redis: Redis): Promise<RedisHealth> {
  const [info, refusal] = await Promise.all([
    redis.info().catch(() => undefined),
    redis.setrange(PROBED_KEY, 0, '').then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? (redisWordOf(error) ?? error.message) : String(error)),
    ),
  ])
  const isReplica = info !== undefined && field(info, 'role') === 'slave'
  const warnings = [
    ...(isReplica ? ['This Redis is a replica: point REDIS_URL at the primary.'] : []),
    ...(refusal === undefined ? [] : [`Redis takes no writes (${refusal}).`]),
    ...(info === undefined ? [] : settingsThatLoseWork(info)),
  ]
  return { isUsable: refusal === undefined && !isReplica, warnings }
}

function settingsThatLoseWork(info: string): string[] {
  const warnings: string[] = []
  if (field(info, 'aof_enabled') === '0')
    warnings.push('Redis persists nothing by AOF: set appendonly yes, or acknowledged work is lost when Redis dies.')
  const policy = field(info, 'maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction')
    warnings.push(`Redis evicts keys when it is full (${policy}): set maxmemory-policy noeviction.`)
  if (field(info, 'aof_last_write_status') === 'err') warnings.push('Redis could not write its AOF.')
  return warnings
}
