interface Waiter {
  priority: number
  answer(mayBegin: boolean): void
}

/**
 * Lets the jobs of a backlog begin only just ahead of their calls. Jobs held here have done nothing yet, so one of them
 * can go back to the queue when a more urgent job comes and the lane is full. Otherwise that job would wait until a
 * call of the backlog has been answered.
 */
export class StartGate {
  readonly #aheadAtMost: number
  /** In the order in which they came. */
  readonly #waiters = new Set<Waiter>()
  #ahead = 0

  /** @param aheadAtMost jobs that have begun and whose call has not left. */
  constructor(aheadAtMost: number) {
    this.#aheadAtMost = aheadAtMost
  }

  get waiting(): number {
    return this.#waiters.size
  }

  /**
   * Resolves with true when the job may begin, and with false when it is to go back. The most urgent, 0, begin at once.
   */
  enter(priority: number): Promise<boolean> {
    if (priority === 0 || this.#ahead < this.#aheadAtMost) {
      this.#ahead += 1
      return Promise.resolve(true)
    }
    return new Promise((answer) => this.#waiters.add({ priority, answer }))
  }

  /** The first call of a job that had begun has left, or the job has ended without one. */
  leave(): void {
    this.#ahead -= 1
    if (this.#ahead >= this.#aheadAtMost) return
    const first = [...this.#waiters].reduce<Waiter | undefined>(
      (best, waiter) => (best && best.priority <= waiter.priority ? best : waiter),
      undefined,
    )
    if (!first) return
    this.#ahead += 1
    this.#answer(first, true)
  }

  /** Sends back `count` waiters that are less urgent than `priority`, the least urgent and latest first. */
  makeRoom(count: number, priority: number): void {
    const lessUrgent = [...this.#waiters]
      .filter((waiter) => waiter.priority > priority)
      .sort((a, b) => a.priority - b.priority)
    for (const waiter of lessUrgent.slice(Math.max(0, lessUrgent.length - count))) this.#answer(waiter, false)
  }

  #answer(waiter: Waiter, mayBegin: boolean): void {
    this.#waiters.delete(waiter)
    waiter.answer(mayBegin)
  }
}
