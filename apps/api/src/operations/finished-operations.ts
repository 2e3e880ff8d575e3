import type { Redis } from '@muster/store/redis/connect'
import { FINISHED_CHANNEL } from '@muster/store/redis/keys'

/** Poll fallback: messages are lost while Redis reconnects. */
const POLL_MS = 1_000

export type FinishedOperations = ReturnType<typeof watchFinishedOperations>

/** Wakes requests that wait for the end of an operation or batch, by one subscription for the whole process. */
export function watchFinishedOperations(subscriber: Redis, onError: (error: Error) => void) {
  const waiters = new Map<string, Set<() => void>>()
  let isReleased = false
  subscriber.on('message', (channel: string, id: string) => {
    if (channel === FINISHED_CHANNEL) waiters.get(id)?.forEach((wake) => wake())
  })
  subscriber.subscribe(FINISHED_CHANNEL).catch(onError)

  function addWaiter(id: string, wake: () => void): () => void {
    const wakes = waiters.get(id) ?? new Set()
    waiters.set(id, wakes.add(wake))
    return () => {
      wakes.delete(wake)
      if (wakes.size === 0) waiters.delete(id)
    }
  }

  return {
    /**
     * Asks `isDone` now, at every message and once a second, until it is, the time is up, the client has left, or the
     * process stops.
     */
    async wait(id: string, waitMs: number, signal: AbortSignal, isDone: () => Promise<boolean>): Promise<void> {
      const deadline = Date.now() + waitMs
      const alarm = createAlarm()
      const removeWaiter = addWaiter(id, alarm.ring)
      signal.addEventListener('abort', alarm.ring)
      try {
        while (!signal.aborted) {
          alarm.reset()
          if (await isDone()) return
          const left = deadline - Date.now()
          if (left <= 0 || isReleased) return
          await alarm.wait(Math.min(left, POLL_MS))
        }
      } finally {
        signal.removeEventListener('abort', alarm.ring)
        removeWaiter()
      }
    },

    /** From now on no request waits: a process that stops answers with what is known. */
    release(): void {
      isReleased = true
      for (const wakes of waiters.values()) wakes.forEach((wake) => wake())
    },
  }
}

/** `wait` ends when `ring` is called, or has been called since `reset`. */
function createAlarm() {
  let hasRung = false
  let wake: () => void = () => undefined
  return {
    ring(): void {
      hasRung = true
      wake()
    },
    reset(): void {
      hasRung = false
    },
    async wait(milliseconds: number): Promise<void> {
      if (hasRung) return
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    },
  }
}
