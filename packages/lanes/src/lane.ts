import type { LaneId } from '@muster/domain/lane-id'
import { DelayedError, RateLimitError, WaitingError, Worker, type Job } from 'bullmq'
import type { Redis } from 'ioredis'
import { JobRunner, type RunJob } from './job-runner.ts'
import { readCooldownMs, type LaneWait } from './lane-cooldown.ts'
import { LANE_QUEUE, lanePrefix } from './lane-keys.ts'
import { LaneQueue, type LaneEntry, type QueuedJobs } from './lane-queue.ts'
import { createCallNotes } from './last-call.ts'
import type { Pace } from './pace.ts'

export type { RunContext } from './job-runner.ts'

export interface LaneOptions {
  redis: Redis
  laneId: LaneId
  pace: Pace
  run: RunJob
  isOurs(): boolean
  onHold(): void
  onError(error: Error): void
  wait: LaneWait
  /** Unix milliseconds by the clock that all workers share. */
  now(): number
}

/** What is left to do in a lane, and when. */
export interface Backlog extends QueuedJobs {
  /** Unix milliseconds: no call can leave before. */
  opensAt: number
  /** A job has called, and has not ended: to cut it off would waste its calls. */
  isAtWork: boolean
}

/**
 * BullMQ's defaults took 60 s to recover from kill -9 and failed the job at the second kill (measured). Usually the
 * next owner of the lane is quicker than the locks: it frees orphans itself. A job never fails for having stalled: the
 * operation record decides when to stop. A BullMQ worker closed just as a cooldown begins waits that out first
 * (30 s by default), so it looks every second.
 */
const recovery = {
  lockDuration: 10_000,
  stalledInterval: 5_000,
  maxStalledCount: 1_000_000,
  runRetryDelay: 1_000,
  drainDelay: 5,
  maximumRateLimitDelay: 1_000,
}
const MAX_CRASH_DELAY_MS = 30_000

/** A lane that this process owns: its BullMQ queue, a worker that takes from it, and a runner that paces the jobs. */
export class Lane {
  readonly #options: LaneOptions
  readonly #queue: LaneQueue
  readonly #runner: JobRunner
  readonly #worker: Worker

  static async open(options: LaneOptions): Promise<Lane> {
    const lane = new Lane(options)
    try {
      await lane.#queue.prepare(options.pace)
      await lane.#worker.waitUntilReady()
    } catch (error) {
      await Promise.allSettled([lane.#worker.close(true), lane.#queue.close()])
      throw error
    }
    lane.#worker.run().catch(options.onError)
    return lane
  }

  private constructor(options: LaneOptions) {
    const { redis, laneId, pace, onError, now } = options
    this.#options = options
    this.#queue = new LaneQueue(redis, laneId, onError)
    this.#runner = new JobRunner({ ...options, noteCall: createCallNotes(options, now) })
    this.#worker = new Worker(LANE_QUEUE, (job, token) => this.#process(job, token), {
      connection: redis,
      prefix: lanePrefix(laneId),
      ...recovery,
      concurrency: pace.concurrency,
      autorun: false,
      removeOnComplete: { count: 0 },
      settings: {
        backoffStrategy: (attemptsMade) => Math.min(MAX_CRASH_DELAY_MS, 1_000 * 2 ** Math.min(attemptsMade, 5)),
      },
    })
    this.#worker.on('error', onError)
    this.#worker.on('failed', (_, error) => onError(error))
    // Another process may be running these jobs by now.
    this.#worker.on('lockRenewalFailed', (jobIds) =>
      this.#runner.abort(jobIds, new Error('the lock of the job was lost')),
    )
  }

  async #process(job: Job, token: string | undefined): Promise<void> {
    if (!(await this.#runner.enter(job.priority))) return goBack(job, token)
    const end = await this.#runner.run(job.id ?? '', job.priority)
    switch (end.outcome) {
      case 'done':
        return
      case 'retrying':
        if (end.cooldownMs) await this.#coolDown(end.cooldownMs)
        await job.moveToDelayed(Math.max(end.at, Date.now()), token)
        throw new DelayedError()
      case 'rate_limited':
        await this.#coolDown(end.cooldownMs)
        throw new RateLimitError()
      case 'held':
        this.#hold()
        return goBack(job, token)
      case 'interrupted':
        return goBack(job, token)
    }
  }

  async #coolDown(forMs: number): Promise<void> {
    this.#runner.coolDown(forMs)
    await this.#queue.coolDown(forMs)
  }

  /** At once, not when the lane has closed: every job that starts until then would be refused as well. */
  #hold(): void {
    this.#runner.coolDown(Infinity)
    this.#runner.sendBack()
    this.#pause()
    this.#options.onHold()
  }

  #pause(): void {
    this.#worker.pause(true).catch(this.#options.onError)
  }

  async add(entries: readonly LaneEntry[]): Promise<void> {
    await this.#queue.add(entries)
    this.#runner.makeRoom(entries.filter(({ priority }) => priority === 0).length)
  }

  remove(jobIds: readonly string[]): Promise<void> {
    return this.#queue.remove(jobIds)
  }

  async backlog(): Promise<Backlog> {
    const jobs = await this.#queue.readJobs()
    return { ...jobs, opensAt: this.#runner.opensAt(), isAtWork: this.isAtWork }
  }

  get isAtWork(): boolean {
    return this.#runner.isAtWork
  }

  /** Jobs of that priority, other than 0, that wait in the lane. */
  waitingAt(priority: number): Promise<number> {
    return this.#queue.waitingAt(priority)
  }

  /** A cooldown can be ended by hand. */
  async noticeEndOfCooldown(): Promise<void> {
    if ((await readCooldownMs(this.#options.redis, this.#options.laneId)) > 0) return
    this.#queue.forgetCooldown()
    this.#runner.endCooldown()
  }

  /** Cuts off what is under way. */
  abandon(): void {
    this.#runner.abandon()
  }

  /** From this moment on no job begins. */
  stopTaking(): void {
    this.#pause()
    this.#runner.stopTaking()
  }

  /** Waits for the jobs under way (with `force`: cuts them off), and resolves with what is left. */
  async close(force: boolean): Promise<Backlog> {
    if (force) this.abandon()
    await this.#worker.close(force)
    const nothing = { ready: 0, active: 0, nextAt: null, opensAt: 0, isAtWork: false }
    const left = force ? nothing : await this.backlog()
    await this.#queue.close()
    return left
  }
}

async function goBack(job: Job, token: string | undefined): Promise<never> {
  await job.moveToWait(token)
  throw new WaitingError()
}
