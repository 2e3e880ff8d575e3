import { FINISHED_CHANNEL } from '@muster/store/redis/keys'
import type { Redis } from '@muster/store/redis/connect'

/** Messages can be missed while a connection is being made anew: whoever waits looks for himself this often. */
const POLL_MS = 1_000

export type FinishedOperations = ReturnType<typeof watchFinishedOperations>

/** Wakes those who wait for the end of an operation. One subscription for the whole process. */
export function watchFinishedOperations(subscriber: Redis, onError: (error: Error) => void) {
  const waiters = new Map<string, Set<() => void>>()
  let isReleased = false
  subscriber.on('message', (channel: string, operationId: string) => {
    if (channel === FINISHED_CHANNEL) waiters.get(operationId)?.forEach((wake) => wake())
  })
  subscriber.subscribe(FINISHED_CHANNEL).catch(onError)

  return {
    /**
     * Asks `isDone` now, at every nudge and once a second, until it says so, the time is up, the client is gone, or the
     * process stops.
     */
    async wait(
      operationId: string,
      waitMs: number,
      signal: AbortSignal,
      isDone: () => Promise<boolean>,
    ): Promise<void> {
      const deadline = Date.now() + waitMs
      let nudged = false
      let wake: () => void = () => undefined
      const nudge = (): void => {
        nudged = true
        wake()
      }
      const set = waiters.get(operationId) ?? new Set()
      waiters.set(operationId, set.add(nudge))
      signal.addEventListener('abort', nudge)
      try {
        while (!signal.aborted) {
          nudged = false
          if (await isDone()) return
          const left = deadline - Date.now()
          if (left <= 0 || isReleased) return
          if (nudged) continue
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, Math.min(left, POLL_MS))
            wake = () => {
              clearTimeout(timer)
              resolve()
            }
          })
        }
      } finally {
        signal.removeEventListener('abort', nudge)
        set.delete(nudge)
        if (set.size === 0) waiters.delete(operationId)
      }
    },

    /** From now on nobody waits: a process that stops answers with what is known. */
    release(): void {
      isReleased = true
      for (const set of waiters.values()) set.forEach((wake) => wake())
    },
  }
}
