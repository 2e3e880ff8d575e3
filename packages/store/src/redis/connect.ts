import { Redis, type ChainableCommander, type RedisOptions } from 'ioredis'
import { createPrimaryConnector } from './primary-connector.ts'
import { isDemotion } from './error.ts'
import { WATCH_EVERY_MS, watchRole } from './role-watch.ts'

export type { Redis } from 'ioredis'
export { isRedisUnavailable } from './error.ts'

/**
 * Reconnects for ever, never more than two seconds apart: the default waits up to 20 s, and work stood still that long
 * after an outage.
 */
const retryStrategy = (attempt: number): number => Math.min(50 * 2 ** attempt, 2_000)

/**
 * request: commands fail within a second when Redis is away or frozen, so that a caller gets an answer. Not with
 *   automatic pipelining: a batch starts when the one before is answered, so a command behind a frozen one waited
 *   twice, and creates were no faster with it (measured).
 * worker: commands wait for Redis to come back.
 * subscriber: for pub/sub; subscriptions are restored after a reconnect.
 */
export type RedisRole = 'request' | 'worker' | 'subscriber'

const optionsByRole: Record<RedisRole, RedisOptions> = {
  request: { enableOfflineQueue: false, maxRetriesPerRequest: 0, connectTimeout: 2_000, commandTimeout: 800 },
  worker: { maxRetriesPerRequest: null },
  subscriber: { maxRetriesPerRequest: null, autoResubscribe: true },
}

/** Of `reconnectOnError`: connect again, and then send the refused command again. */
const RESEND = 2

/**
 * Leads to a primary, also after a failover that kept the connection open.
 * @param onError called with every connection error; without a listener ioredis would print them.
 */
export function connectRedis(
  url: string,
  role: RedisRole,
  onError: (error: Error) => void,
  watchEveryMs = WATCH_EVERY_MS,
): Redis {
  const redis = new Redis(url, {
    ...optionsByRole[role],
    retryStrategy,
    lazyConnect: false,
    Connector: createPrimaryConnector(onError),
    // BullMQ copies these options to the connections that it makes of this one. What was refused has done nothing.
    reconnectOnError(error) {
      if (!isDemotion(error)) return false
      onError(error)
      return role === 'request' ? true : RESEND
    },
  })
  redis.on('error', onError)
  watchRole(redis, onError, watchEveryMs)
  refuseHalfAnswers(redis)
  if (role === 'request') writeTogether(redis)
  return redis
}

/**
 * The commands of one turn of the event loop leave in one write: a system call for each costs more than the command.
 */
function writeTogether(redis: Redis): void {
  const send = redis.sendCommand.bind(redis)
  let corked: Redis['stream'] | undefined
  redis.sendCommand = (command, destination) => {
    const { stream } = redis
    if (corked === undefined && stream?.writable) {
      corked = stream
      stream.cork()
      setImmediate(() => {
        corked = undefined
        stream.uncork()
      })
    }
    return send(command, destination)
  }
}

/**
 * ioredis resolves exec() although its commands failed, each with an error of its own. A reader that looks at the
 * answers alone takes a record that could not be read for one that is gone, so the first error rejects the whole.
 */
function refuseHalfAnswers(redis: Redis): void {
  for (const name of ['pipeline', 'multi'] as const) {
    const begin: unknown = redis[name]
    if (typeof begin !== 'function') continue
    Reflect.set(redis, name, (...values: unknown[]) => {
      const chain = Reflect.apply(begin, redis, values) as ChainableCommander
      const exec = chain.exec.bind(chain)
      chain.exec = async () => {
        const answers = await exec()
        for (const [error] of answers ?? []) if (error) throw error
        return answers
      }
      return chain
    })
  }
}
