type Waiter = { admit(): void; refuse(reason: unknown): void }

/**
 * Bounds what keys (lanes, tenants) may hold at the same time: so many each, and so many in total. Half of the total
 * is kept for the first of each key, so that keys which hold many never keep out one that holds none.
 */
export class FairGate {
  readonly #perKey: number
  readonly #total: number
  readonly #held = new Map<string, number>()
  #heldInTotal = 0
  readonly #waiting = new Map<string, Set<Waiter>>()

  constructor({ perKey, total }: { perKey: number; total: number }) {
    this.#perKey = perKey
    this.#total = total
  }

  /** Resolves when there is room, with the function that gives it back; rejects when the signal is aborted first. */
  async enter(key: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    // Behind the waiters of the same key; keys that wait for the total do not delay one that holds none.
    if (this.#waiting.has(key) || !this.#hasRoom(key)) await this.#wait(key, signal)
    else this.#take(key)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#leave(key)
    }
  }

  /** Rejects those that wait now: what they wait for cannot be had. */
  refuseWaiting(reason: unknown): void {
    for (const waiters of this.#waiting.values()) for (const waiter of waiters) waiter.refuse(reason)
  }

  #hasRoom(key: string): boolean {
    const held = this.#held.get(key) ?? 0
    if (held === 0) return this.#heldInTotal < this.#total
    const beyondFirst = this.#heldInTotal - this.#held.size
    return held < this.#perKey && this.#heldInTotal < this.#total && beyondFirst < Math.floor(this.#total / 2)
  }

  #take(key: string): void {
    this.#held.set(key, (this.#held.get(key) ?? 0) + 1)
    this.#heldInTotal += 1
  }

  #leave(key: string): void {
    const left = (this.#held.get(key) ?? 0) - 1
    if (left > 0) this.#held.set(key, left)
    else this.#held.delete(key)
    this.#heldInTotal -= 1
    this.#admitWaiting()
  }

  #wait(key: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiting.get(key) ?? new Set<Waiter>()
      this.#waiting.set(key, waiters)
      const leaveQueue = (): void => {
        signal.removeEventListener('abort', onAbort)
        waiters.delete(waiter)
        if (waiters.size === 0) this.#waiting.delete(key)
      }
      const onAbort = (): void => waiter.refuse(signal.reason)
      const waiter: Waiter = {
        refuse: (reason) => {
          leaveQueue()
          reject(reason as Error)
        },
        admit: () => {
          leaveQueue()
          this.#take(key)
          resolve()
        },
      }
      waiters.add(waiter)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Admits at most one waiter of each key; a key that was served moves behind the others. */
  #admitWaiting(): void {
    // A copy: what is served is put back at the end.
    const waiting = [...this.#waiting]
    for (const [key, waiters] of waiting) {
      if (this.#heldInTotal >= this.#total) return
      const [first] = waiters
      if (!first || !this.#hasRoom(key)) continue
      first.admit()
      if (!this.#waiting.delete(key) || waiters.size === 0) continue
      this.#waiting.set(key, waiters)
    }
  }
}
