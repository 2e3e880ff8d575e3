import { connectRedis, type Redis, type RedisRole } from '@muster/store/redis/connect'

const CONNECT_MS = 5_000

/** Redis for a command of the operator. @throws RangeError in one line with the cause, when it cannot be reached. */
export async function connectForCommand(url: string, role: RedisRole): Promise<Redis> {
  let cause = ''
  const redis = connectRedis(url, role, (error) => (cause = ` (${error.message})`))
  const isReady = new Promise<boolean>((resolve) => {
    redis.once('ready', () => resolve(true))
    setTimeout(() => resolve(false), CONNECT_MS).unref()
  })
  if (await isReady) return redis
  redis.disconnect()
  throw new RangeError(`Redis at REDIS_URL cannot be reached${cause}.`)
}
