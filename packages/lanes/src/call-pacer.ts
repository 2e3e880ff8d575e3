import { callIntervalMs, MARGIN, type Pace } from './pace.ts'

/** The lane rests for longer than a job should wait for: hand it back, unsent. */
export class LaneRestsError extends Error {
  override readonly name = 'LaneRestsError'
  /** Unix milliseconds. */
  readonly until: number
  constructor(until: number) {
    super('the lane rests')
    this.until = until
  }
}

/** A rest up to this is sat out: handing jobs back and taking them up again costs more. */
const WORTH_WAITING_MS = 2_000
/** A pause of the machine up to this is made up for by calls that leave closer together. */
const MADE_UP_FOR_MS = 100

interface Waiter {
  priority: number
  pass(onSent: () => void): void
  refuse(reason: unknown): void
}

/**
 * Spaces the calls of one account evenly, and lets no more than its limit through in any window, however late a timer was before. It lives in the memory of the lane's one owner, so it is exact and costs nothing.
 * Calls are let through by the priority of their jobs, 0 first, then in the order in which they asked. Runs on the monotonic clock, which nobody can set.
 */
export class CallPacer {
  readonly #intervalMs: number
  readonly #windowMs: number
  /** When the latest calls left, as many as the limit allows in a window; the oldest is the next to be overwritten. */
  readonly #left: number[]
  #oldest = 0
  readonly #waiters = new Set<Waiter>()
  #nextAt: number
  #restsUntil = 0
  #timer: NodeJS.Timeout | undefined

  /** The first call waits one interval: the owner before this one may have made a call just now. */
  constructor(pace: Pick<Pace, 'requests' | 'perSeconds'>) {
    this.#intervalMs = callIntervalMs(pace)
    this.#windowMs = pace.perSeconds * 1000 * MARGIN
    this.#left = Array.from({ length: pace.requests }, () => -Infinity)
    this.#nextAt = performance.now() + this.#intervalMs
  }

  /** Nothing leaves for so long. Whoever waits for a slot is refused with a `LaneRestsError` where that is long; Infinity: whoever ever asks. */
  rest(forMs: number): void {
    const until = performance.now() + forMs
    this.#restsUntil = Math.max(this.#restsUntil, until)
    if (Number.isFinite(until)) this.#nextAt = Math.max(this.#nextAt, until)
    const refusal = this.#refusal()
    if (!refusal) return
    for (const waiter of this.#waiters) waiter.refuse(refusal)
  }

  #refusal(): LaneRestsError | undefined {
    const restMs = this.#restsUntil - performance.now()
    return restMs > WORTH_WAITING_MS ? new LaneRestsError(Number.isFinite(restMs) ? Date.now() + restMs : Date.now()) : undefined
  }

  /**
   * Resolves when a call may leave; rejects with the signal's reason, or while the lane rests. What it resolves with is to be called when the
   * call does leave: while a connection is opened it is late, and the calls after it are not, which would put one too many into a window.
   */
  wait(signal?: AbortSignal, priority = 0): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal()
      if (signal?.aborted || refusal) return reject((refusal ?? signal?.reason) as Error)
      const leave = (): void => {
        this.#waiters.delete(waiter)
        signal?.removeEventListener('abort', onAbort)
      }
      const waiter: Waiter = {
        priority,
        pass: (onSent) => {
          leave()
          resolve(onSent)
        },
        refuse: (reason) => {
          leave()
          reject(reason as Error)
        },
      }
      const onAbort = (): void => waiter.refuse(signal?.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.add(waiter)
      this.#release()
    })
  }

  #release(): void {
    if (this.#timer) return
    const now = performance.now()
    // At most as many as the lane runs jobs.
    const first = [...this.#waiters].reduce<Waiter | undefined>((best, waiter) => (best && best.priority <= waiter.priority ? best : waiter), undefined)
    if (!first) return
    const at = Math.max(this.#nextAt, (this.#left[this.#oldest] ?? 0) + this.#windowMs)
    if (now < at) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        this.#release()
      }, at - now)
      return
    }
    const index = this.#oldest
    this.#left[index] = now
    this.#oldest = (index + 1) % this.#left.length
    const onSent = (): void => {
      // Unless a later call has its place by now.
      if (this.#left[index] === now) this.#left[index] = performance.now()
    }
    // Timers come late: the schedule is kept, so that this costs no throughput, and no window gets more than its limit for it; after a real gap it begins anew.
    this.#nextAt = now - this.#nextAt < Math.max(this.#intervalMs, MADE_UP_FOR_MS) ? this.#nextAt + this.#intervalMs : now + this.#intervalMs
    first.pass(onSent)
    this.#release()
  }
}
