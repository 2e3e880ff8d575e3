import type { CallPermit } from '@muster/contracts/http-client'
import { callIntervalMs, type Pace } from './pace.ts'

/** The lane cools down for longer than a job should wait: the job goes back, unsent. */
export class CoolingDownError extends Error {
  override readonly name = 'CoolingDownError'
  /** Unix milliseconds. */
  readonly until: number
  constructor(until: number) {
    super('the lane is cooling down')
    this.until = until
  }
}

/** A cooldown up to this is waited out: handing jobs back and taking them again costs more. */
const WORTH_WAITING_MS = 2_000
/** So much of a pause, of the machine or of work, is made up for by calls that leave closer together. */
const MADE_UP_FOR_MS = 100
/**
 * An answer quicker than usual lowers what is usual a little, a slower one raises it much: nine of ten come to be
 * quicker.
 */
const USUAL = { slower: 1.18, quicker: 0.98 }
/** Half of a usual answer's time may be the way to the provider; of a slow provider, at most this. */
const MOST_ON_THE_WAY_MS = 25
/**
 * Of a window. Less than the schedule's: calls that came close together after a pause drift apart again, instead of
 * leaving in bunches for ever.
 */
const WINDOW_MARGIN = 1.02
/** A limit of more calls than this, such as one of a day, is kept as its share of a shorter window. */
const MAX_WINDOW_PERMITS = 1_000

interface WindowPermit {
  /** Milliseconds of the monotonic clock. */
  freeAt: number
  takenBy?: CallPermit
}

interface Waiter {
  priority: number
  mayGoBack: boolean
  pass(permit: CallPermit): void
  refuse(reason: unknown): void
}

/**
 * Spaces the calls of one lane evenly, and lets no more than its limit through in any window, however late a timer
 * was before. It lives in the memory of the lane's one owner, so it is exact and costs nothing. Calls are let through
 * by the priority of their jobs, 0 first, then in the order in which they asked. Runs on the monotonic clock, which
 * cannot be set.
 */
export class CallPacer {
  readonly #intervalMs: number
  readonly #windowMs: number
  /**
   * As many as the limit allows calls in a window: a call takes one, and the next call that takes it surely arrives a
   * window later.
   */
  readonly #windowPermits: WindowPermit[]
  readonly #waiters = new Set<Waiter>()
  #nextAt: number
  #latest: CallPermit | undefined
  #coolsDownUntil = 0
  #isClosing = false
  /** In how many milliseconds nine of ten answers come. */
  #usualMs = Infinity
  #timer: NodeJS.Timeout | undefined

  /**
   * @param firstInMs until one interval after the last call of the owner before this one; negative if it has passed.
   */
  constructor(pace: Pick<Pace, 'requests' | 'perSeconds'>, firstInMs = -Infinity) {
    this.#intervalMs = callIntervalMs(pace)
    const permits = Math.min(pace.requests, MAX_WINDOW_PERMITS)
    this.#windowMs = (pace.perSeconds * 1000 * permits) / pace.requests
    this.#nextAt = performance.now() + Math.max(0, firstInMs)
    const lastCallAt = performance.now() + firstInMs - this.#intervalMs
    // The calls of the owner before this one are in the provider's window, and some may have made up for a pause.
    const freeAt = lastCallAt + MADE_UP_FOR_MS + this.#windowMs * WINDOW_MARGIN
    this.#windowPermits = Array.from({ length: permits }, (_, index) => ({ freeAt: freeAt - index * this.#intervalMs }))
  }

  /**
   * No call leaves meanwhile. Where that is long, waiters are refused with a `CoolingDownError`; Infinity refuses all,
   * for good.
   */
  coolDown(forMs: number): void {
    const until = performance.now() + forMs
    this.#coolsDownUntil = Math.max(this.#coolsDownUntil, until)
    const refusal = this.#refusal()
    if (!refusal) return
    for (const waiter of this.#waiters) waiter.refuse(refusal)
  }

  /** Ended by hand. A hold is not a cooldown: its lane closes. */
  endCooldown(): void {
    if (Number.isFinite(this.#coolsDownUntil)) this.#coolsDownUntil = 0
    this.#restart()
  }

  /** Milliseconds until the next call may leave. */
  nextInMs(): number {
    const freeAt = this.#windowPermits.reduce(
      (soonest, windowPermit) => Math.min(soonest, windowPermit.freeAt),
      Infinity,
    )
    return Math.max(
      0,
      this.#nextAt - performance.now(),
      freeAt - performance.now(),
      this.#coolsDownUntil - performance.now(),
    )
  }

  /** For how long one more call would wait, about. */
  expectedWaitMs(): number {
    return this.nextInMs() + this.#waiters.size * this.#intervalMs
  }

  /** A permit that was given before a cooldown began must not be used during it. */
  throwIfCoolingDown(): void {
    const cooldownMs = this.#coolsDownUntil - performance.now()
    if (cooldownMs > 0) throw toCoolingDown(cooldownMs)
  }

  /** The lane is to close: jobs that have done nothing yet need not wait here, now or later, where that takes long. */
  sendBack(): void {
    this.#isClosing = true
    const refusal = this.#refusal(true)
    if (refusal) for (const waiter of this.#waiters) if (waiter.mayGoBack) waiter.refuse(refusal)
  }

  #refusal(mayGoBack = false): CoolingDownError | undefined {
    const cooldownMs = this.#isClosing && mayGoBack ? this.nextInMs() : this.#coolsDownUntil - performance.now()
    return cooldownMs > WORTH_WAITING_MS ? toCoolingDown(cooldownMs) : undefined
  }

  /**
   * Resolves when a call may leave; rejects with the signal's reason, or while the lane cools down. The call reports
   * when it leaves and when it ends: it is late while its connection opens or the machine is busy, and the calls after
   * it are not, which would put one too many into a window.
   */
  wait(signal?: AbortSignal, { priority = 0, mayGoBack = false } = {}): Promise<CallPermit> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal(mayGoBack)
      if (signal?.aborted || refusal) return reject((refusal ?? signal?.reason) as Error)
      const leave = (): void => {
        this.#waiters.delete(waiter)
        signal?.removeEventListener('abort', onAbort)
      }
      const waiter: Waiter = {
        priority,
        mayGoBack,
        pass: (permit) => {
          leave()
          resolve(permit)
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
    const first = [...this.#waiters].reduce<Waiter | undefined>(
      (best, waiter) => (best && best.priority <= waiter.priority ? best : waiter),
      undefined,
    )
    if (!first) return
    const windowPermit = this.#windowPermits.reduce((best, other) => (other.freeAt < best.freeAt ? other : best))
    const at = Math.max(
      this.#nextAt,
      windowPermit.freeAt,
      Number.isFinite(this.#coolsDownUntil) ? this.#coolsDownUntil : 0,
    )
    if (now < at) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        this.#release()
      }, at - now)
      return
    }
    const permit = this.#take(windowPermit, now)
    this.#latest = permit
    // Late timers cost no throughput, since the schedule is kept; the window permits still keep every window's limit.
    this.#nextAt = Math.max(this.#nextAt, now - MADE_UP_FOR_MS) + this.#intervalMs
    first.pass(permit)
    this.#release()
  }

  #take(windowPermit: WindowPermit, now: number): CallPermit {
    let sentAt = now
    let isUsed = false
    const before = { freeAt: windowPermit.freeAt, nextAt: this.#nextAt }
    const keepFrom = (arrivedAt: number): void => {
      // Unless a later call has it by now.
      if (windowPermit.takenBy === permit) windowPermit.freeAt = arrivedAt + this.#windowMs * WINDOW_MARGIN
    }
    const permit: CallPermit = {
      sent: () => {
        isUsed = true
        keepFrom((sentAt = performance.now()))
      },
      ended: () => {
        isUsed = true
        keepFrom(sentAt + Math.min(this.#lateness(performance.now() - sentAt), this.#windowMs))
      },
      unused: () => {
        if (isUsed || windowPermit.takenBy !== permit) return
        isUsed = true
        windowPermit.freeAt = before.freeAt
        if (this.#latest === permit) this.#nextAt = before.nextAt
        this.#restart()
      },
    }
    windowPermit.takenBy = permit
    keepFrom(now)
    return permit
  }

  /** Something may leave sooner than the timer expects. */
  #restart(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#release()
  }

  /**
   * How late a call may have arrived: the time that its answer took beyond the usual can have passed on the way there.
   */
  #lateness(tookMs: number): number {
    const lateMs =
      this.#usualMs === Infinity
        ? 0
        : Math.max(0, tookMs - this.#usualMs + Math.min(MOST_ON_THE_WAY_MS, this.#usualMs / 2))
    this.#usualMs =
      this.#usualMs === Infinity
        ? Math.max(1, tookMs)
        : Math.max(1, this.#usualMs * (tookMs > this.#usualMs ? USUAL.slower : USUAL.quicker))
    return lateMs
  }
}

/** A hold has no end, so it names none. */
const toCoolingDown = (forMs: number): CoolingDownError =>
  new CoolingDownError(Number.isFinite(forMs) ? Date.now() + forMs : Date.now())
