import type { CallSlot } from '@muster/contracts/http-client'
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
/**
 * A call has arrived when its answer is there. Where that takes longer than this, most of it is the provider's own work: with more, calls to
 * a limit of one second could not use 95 % of it.
 */
const ARRIVES_WITHIN_MS = 48

interface Waiter {
  priority: number
  pass(slot: CallSlot): void
  refuse(reason: unknown): void
}

/**
 * Spaces the calls of one account evenly, and lets no more than its limit through in any window, however late a timer was before. It lives in the memory of the lane's one owner, so it is exact and costs nothing.
 * Calls are let through by the priority of their jobs, 0 first, then in the order in which they asked. Runs on the monotonic clock, which nobody can set.
 */
export class CallPacer {
  readonly #intervalMs: number
  readonly #windowMs: number
  /** From when on the latest calls, as many as the limit allows in a window, are surely out of it; the oldest is the next to be overwritten. */
  readonly #freeAt: number[]
  #oldest = 0
  readonly #waiters = new Set<Waiter>()
  #nextAt: number
  #restsUntil = 0
  #timer: NodeJS.Timeout | undefined

  /** The first call waits one interval: the owner before this one may have made a call just now. */
  constructor(pace: Pick<Pace, 'requests' | 'perSeconds'>) {
    this.#intervalMs = callIntervalMs(pace)
    this.#windowMs = pace.perSeconds * 1000
    this.#freeAt = Array.from({ length: pace.requests }, () => -Infinity)
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
   * Resolves when a call may leave; rejects with the signal's reason, or while the lane rests. The call is to tell when it does leave and when
   * it ends: while a connection is opened, or the machine is busy, it is late and the calls after it are not, which would put one too many into a window.
   */
  wait(signal?: AbortSignal, priority = 0): Promise<CallSlot> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal()
      if (signal?.aborted || refusal) return reject((refusal ?? signal?.reason) as Error)
      const leave = (): void => {
        this.#waiters.delete(waiter)
        signal?.removeEventListener('abort', onAbort)
      }
      const waiter: Waiter = {
        priority,
        pass: (slot) => {
          leave()
          resolve(slot)
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
    const at = Math.max(this.#nextAt, this.#freeAt[this.#oldest] ?? 0)
    if (now < at) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        this.#release()
      }, at - now)
      return
    }
    const slot = this.#takePlace(now)
    // Timers come late: the schedule is kept, so that this costs no throughput, and no window gets more than its limit for it; after a real gap it begins anew.
    this.#nextAt = now - this.#nextAt < Math.max(this.#intervalMs, MADE_UP_FOR_MS) ? this.#nextAt + this.#intervalMs : now + this.#intervalMs
    first.pass(slot)
    this.#release()
  }

  #takePlace(now: number): CallSlot {
    const index = this.#oldest
    this.#oldest = (index + 1) % this.#freeAt.length
    let sentAt = now
    let mark = now + this.#windowMs * MARGIN
    this.#freeAt[index] = mark
    const move = (freeAt: number): void => {
      // Unless a later call has its place by now.
      if (this.#freeAt[index] === mark) this.#freeAt[index] = mark = Math.max(mark, freeAt)
    }
    return {
      sent: () => move((sentAt = performance.now()) + this.#windowMs * MARGIN),
      ended: () => move(Math.min(performance.now(), sentAt + ARRIVES_WITHIN_MS) + this.#windowMs),
    }
  }
}
