type Waiter = { admit(): void }

/**
 * Bounds what lanes may hold at the same time: so many each, and so many in all. Half of the total is kept for the
 * first of each lane, so that lanes which hold many never keep out one that holds none.
 */
export class LaneGate {
  readonly #perLane: number
  readonly #total: number
  readonly #held = new Map<string, number>()
  #heldInAll = 0
  readonly #waiting = new Map<string, Set<Waiter>>()

  constructor({ perLane, total }: { perLane: number; total: number }) {
    this.#perLane = perLane
    this.#total = total
  }

  /** Resolves when there is room, with the function that gives it back; rejects when the signal is aborted first. */
  async enter(lane: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    // Behind those of the same lane that wait; lanes that wait for the total do not hold up one that holds none.
    if (this.#waiting.has(lane) || !this.#hasRoom(lane)) await this.#turn(lane, signal)
    else this.#take(lane)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#leave(lane)
    }
  }

  #hasRoom(lane: string): boolean {
    const held = this.#held.get(lane) ?? 0
    if (held === 0) return this.#heldInAll < this.#total
    const beyondFirst = this.#heldInAll - this.#held.size
    return held < this.#perLane && this.#heldInAll < this.#total && beyondFirst < Math.floor(this.#total / 2)
  }

  #take(lane: string): void {
    this.#held.set(lane, (this.#held.get(lane) ?? 0) + 1)
    this.#heldInAll += 1
  }

  #leave(lane: string): void {
    const left = (this.#held.get(lane) ?? 0) - 1
    if (left > 0) this.#held.set(lane, left)
    else this.#held.delete(lane)
    this.#heldInAll -= 1
    this.#admitWaiting()
  }

  #turn(lane: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiting.get(lane) ?? new Set<Waiter>()
      this.#waiting.set(lane, waiters)
      const leaveQueue = (): void => {
        signal.removeEventListener('abort', onAbort)
        waiters.delete(waiter)
        if (waiters.size === 0) this.#waiting.delete(lane)
      }
      const onAbort = (): void => {
        leaveQueue()
        reject(signal.reason as Error)
      }
      const waiter: Waiter = {
        admit: () => {
          leaveQueue()
          this.#take(lane)
          resolve()
        },
      }
      waiters.add(waiter)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** One of each lane at most; a lane that was served waits behind the others. */
  #admitWaiting(): void {
    const lanes = [...this.#waiting]
    for (const [lane, waiters] of lanes) {
      if (this.#heldInAll >= this.#total) return
      const [first] = waiters
      if (!first || !this.#hasRoom(lane)) continue
      first.admit()
      if (!this.#waiting.delete(lane) || waiters.size === 0) continue
      this.#waiting.set(lane, waiters)
    }
  }
}
