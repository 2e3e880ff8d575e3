import type { Redis } from 'ioredis'
import { NotPrimaryError } from './primary-connector.ts'
import { isRedisUnavailable } from './error.ts'

export const WATCH_EVERY_MS = 2_000
/** Half a minute of silence: longer than a Redis that forks or saves, shorter than the kernel's quarter of an hour. */
const MAX_UNANSWERED = 15

class SilentConnectionError extends Error {
  override readonly name = 'SilentConnectionError'
  readonly code = 'SILENT_CONNECTION'
}

/**
 * Gives up a connection that stays open and is of no use: its Redis has become a replica (only writes would notice), or
 * its machine has gone without a word. Counted in questions, not in time: a process that was frozen itself asks first.
 */
export function watchRole(redis: Redis, onError: (error: Error) => void, everyMs: number): void {
  let unanswered = 0
  const giveUp = (error: Error): void => {
    onError(error)
    redis.disconnect(true)
  }
  const timer = setInterval(() => {
    if (redis.status !== 'ready') return void (unanswered = 0)
    if (unanswered >= MAX_UNANSWERED) return giveUp(new SilentConnectionError('Redis has been silent for too long'))
    unanswered += 1
    redis.role().then(
      ([role]) => {
        unanswered = 0
        if (role === 'slave') giveUp(new NotPrimaryError('this Redis has become a replica'))
      },
      (error: unknown) => {
        // Refused all the same is answered: not every user may ask.
        if (!isRedisUnavailable(error)) unanswered = 0
      },
    )
  }, everyMs).unref()
  redis.once('end', () => clearInterval(timer))
}
