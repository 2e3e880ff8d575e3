interface Waiter {
  pass(): void
  signal: AbortSignal | undefined
}

/**
 * Spaces the calls of one account evenly. It lives in the memory of the lane's one owner, so it is exact and costs nothing.
 * Calls are let through in the order in which they asked.
 */
export class CallPacer {
  readonly #intervalMs: number
  readonly #waiters = new Set<Waiter>()
  #nextAt: number
  #timer: NodeJS.Timeout | undefined

  /** The first call waits one interval: the owner before this one may have made a call just now. */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs
    this.#nextAt = Date.now() + intervalMs
  }

  /** Nothing leaves for so long, not even what waits already. */
  pause(forMs: number): void {
    this.#nextAt = Math.max(this.#nextAt, Date.now() + forMs)
  }

  /** Resolves when a call may leave; rejects with the signal's reason. */
  wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error)
      const onAbort = (): void => {
        this.#waiters.delete(waiter)
        reject(signal?.reason as Error)
      }
      const waiter: Waiter = {
        signal,
        pass: () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.add(waiter)
      this.#release()
    })
  }

  #release(): void {
    if (this.#timer) return
    const now = Date.now()
    const [first] = this.#waiters
    if (!first) return
    if (now < this.#nextAt) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        this.#release()
      }, this.#nextAt - now)
      return
    }
    // Timers come a little late: the schedule is kept, so that this costs no throughput; after a real gap it begins anew.
    this.#nextAt = now - this.#nextAt < this.#intervalMs ? this.#nextAt + this.#intervalMs : now + this.#intervalMs
    this.#waiters.delete(first)
    first.pass()
    this.#release()
  }
}
