/** How soon after a row its batch is looked at: a batch of 100,000 rows must not be looked at as often. */
const LOOK_AFTER_MS = 250
/** A look reads the counts of each account: over very many accounts it must not be most of the work. */
const LOOK_MS_PER_ACCOUNT = 2
/** The janitor looks this often. */
const MAX_LOOK_AFTER_MS = 5_000

/** When to look at which batch: many nudges make one look. */
export class LookTimers {
  readonly #timers = new Map<string, NodeJS.Timeout>()
  /** Of batches over very many accounts. */
  readonly #delays = new Map<string, number>()
  readonly #look: (batchId: string) => void
  #isStopped = false

  constructor(look: (batchId: string) => void) {
    this.#look = look
  }

  nudge(batchId: string): void {
    this.#set(batchId, this.#delays.get(batchId) ?? LOOK_AFTER_MS)
  }

  /** However many accounts it has. */
  nudgeSoon(batchId: string): void {
    this.#set(batchId, LOOK_AFTER_MS)
  }

  setAccountCount(batchId: string, count: number): void {
    const delayMs = Math.min(count * LOOK_MS_PER_ACCOUNT, MAX_LOOK_AFTER_MS)
    if (delayMs > LOOK_AFTER_MS) this.#delays.set(batchId, delayMs)
  }

  forget(batchId: string): void {
    this.#delays.delete(batchId)
  }

  stop(): void {
    this.#isStopped = true
    this.#timers.forEach(clearTimeout)
  }

  #set(batchId: string, delayMs: number): void {
    if (this.#isStopped || this.#timers.has(batchId)) return
    const timer = setTimeout(() => {
      this.#timers.delete(batchId)
      this.#look(batchId)
    }, delayMs)
    this.#timers.set(batchId, timer)
  }
}
