import type { CallPermit } from '@muster/contracts/http-client'
import type { LaneId } from '@muster/domain/lane-id'
import type { JobOutcome } from '@muster/domain/outcome'
import { CallPacer } from './call-pacer.ts'
import type { LaneWait } from './lane-cooldown.ts'
import { jobsAhead, type Pace } from './pace.ts'
import { StartGate } from './start-gate.ts'

export interface RunContext {
  /** Aborted when the lane is lost or the process is stopping: nothing more may be sent. */
  signal: AbortSignal
  /**
   * Resolves when a call may leave, at once. Rejects with a `CoolingDownError` when that would take too long, and with
   * the signal's reason.
   */
  waitForPermit(signal?: AbortSignal): Promise<CallPermit>
  /** From this moment on no call leaves; the outcome of the job says so to the owners that come after. */
  coolDown(forMs: number): void
  /** About how long `waitForPermit` would wait. */
  expectedWaitMs(): number
  /**
   * Throws when a permit must not be used any more, since the lane is no longer ours, or cools down: to be called after
   * anything else was waited for.
   */
  throwIfStale(): void
}

export type RunJob = (laneId: LaneId, jobId: string, context: RunContext) => Promise<JobOutcome>

export interface JobRunnerOptions {
  laneId: LaneId
  pace: Pace
  run: RunJob
  /** Whether the lease is still ours as far as is known without asking: a process that was frozen learns it here. */
  isOurs(): boolean
  /** What the previous owner left behind: it holds for calls too, not only for jobs. */
  wait: LaneWait
  /** A call leaves. */
  noteCall(): void
}

/** A job under way, and how it waits for its permits: before the first, it can still go back to the queue. */
interface RunningJob {
  id: string
  priority: number
  mayGoBack: boolean
  /** It has called, and has not ended: to cut it off would waste its calls. */
  hasCalled: boolean
  abort: AbortController
}

/** Runs the jobs of a lane side by side, at the lane's pace. Knows nothing of where jobs come from. */
export class JobRunner {
  readonly #options: JobRunnerOptions
  readonly #pacer: CallPacer
  readonly #gate: StartGate
  readonly #running = new Map<string, RunningJob>()

  constructor(options: JobRunnerOptions) {
    this.#options = options
    this.#pacer = new CallPacer(options.pace, options.wait.callInMs)
    if (options.wait.cooldownMs > 0) this.#pacer.coolDown(options.wait.cooldownMs)
    this.#gate = new StartGate(jobsAhead(options.pace))
  }

  get isAtWork(): boolean {
    return [...this.#running.values()].some(({ hasCalled }) => hasCalled)
  }

  /** Resolves with false when the job is to go back to the queue, unstarted. */
  enter(priority: number): Promise<boolean> {
    return this.#gate.enter(priority)
  }

  /** Only after `enter`. */
  async run(id: string, priority: number): Promise<JobOutcome> {
    const job: RunningJob = { id, priority, mayGoBack: true, hasCalled: false, abort: new AbortController() }
    this.#running.set(id, job)
    let isAhead = true
    const leaveGate = (): void => {
      if (isAhead) this.#gate.leave()
      isAhead = false
    }
    try {
      return await this.#options.run(this.#options.laneId, id, {
        signal: job.abort.signal,
        waitForPermit: (signal) => this.#waitForPermit(job, signal).finally(leaveGate),
        coolDown: (forMs) => this.#pacer.coolDown(forMs),
        expectedWaitMs: () => this.#pacer.expectedWaitMs(),
        throwIfStale: () => {
          this.#throwIfLost(job)
          this.#pacer.throwIfCoolingDown()
        },
      })
    } finally {
      leaveGate()
      this.#running.delete(id)
    }
  }

  async #waitForPermit(job: RunningJob, signal = job.abort.signal): Promise<CallPermit> {
    const permit = await this.#pacer.wait(signal, job)
    job.mayGoBack = false
    job.hasCalled = true
    this.#throwIfLost(job)
    this.#options.noteCall()
    return permit
  }

  #throwIfLost({ abort }: RunningJob): void {
    if (!this.#options.isOurs()) this.abandon()
    abort.signal.throwIfAborted()
  }

  coolDown(forMs: number): void {
    this.#pacer.coolDown(forMs)
  }

  endCooldown(): void {
    this.#pacer.endCooldown()
  }

  /** Urgent jobs came in: that many of the least urgent that have not begun go back, if all are taken. */
  makeRoom(urgent: number): void {
    if (this.#gate.waiting + this.#running.size >= this.#options.pace.concurrency) this.#gate.makeRoom(urgent, 0)
  }

  /** Jobs that have not begun go back. */
  sendBack(): void {
    this.#gate.makeRoom(this.#gate.waiting, -1)
  }

  /** The lane closes: jobs that have not called need not wait here, now or later, where that takes long. */
  stopTaking(): void {
    this.sendBack()
    this.#pacer.sendBack()
  }

  /** Cuts off what is under way: it hands itself back, or, where a create was sent, the next owner looks it up. */
  abandon(): void {
    this.sendBack()
    for (const { abort } of this.#running.values()) abort.abort(new Error('the lane was lost, or its worker stops'))
  }

  abort(jobIds: readonly string[], reason: Error): void {
    for (const jobId of jobIds) this.#running.get(jobId)?.abort.abort(reason)
  }

  /** Unix milliseconds: no call leaves before. A lane on hold has no such time. */
  opensAt(): number {
    const inMs = this.#pacer.nextInMs()
    return Date.now() + (Number.isFinite(inMs) ? inMs : 0)
  }
}
