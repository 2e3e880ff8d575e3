import { DelayedError, Queue, RateLimitError, WaitingError, Worker, type Job } from 'bullmq'
import type { Redis } from 'ioredis'
import { CallPacer } from './call-pacer.ts'
import { LANE_QUEUE, lanePrefix } from './lane-keys.ts'
import { callIntervalMs, jobWindow, type Pace } from './pace.ts'

/** What becomes of a job after a run. */
export type Verdict =
  | { kind: 'done' }
  /** The same job once more, not before `at` (Unix milliseconds); `pauseMs` rests the lane as well, while the provider is down. */
  | { kind: 'again'; at: number; pauseMs?: number }
  /** The provider is throttling: the whole lane waits, and the job goes back to its front. */
  | { kind: 'pause'; forMs: number }
  /** The account went on hold: the job goes back, and the lane closes. */
  | { kind: 'hold' }

export interface RunContext {
  /** Aborted when the lane is lost or the process is stopping: nothing more may be written. */
  signal: AbortSignal
  waitForSlot(signal?: AbortSignal): Promise<void>
}

export type RunJob = (accountId: string, jobId: string, context: RunContext) => Promise<Verdict>

export interface LaneOptions {
  redis: Redis
  accountId: string
  pace: Pace
  run: RunJob
  onHold(): void
  onError(error: Error): void
}

/**
 * Measured to recover from kill -9 in 10 to 17 s, where BullMQ's defaults took 60 s and failed the job at the second kill.
 * A job is never failed for having stalled: the operation record decides when enough is enough.
 */
const recovery = { lockDuration: 10_000, stalledInterval: 5_000, maxStalledCount: 1_000_000, runRetryDelay: 1_000, drainDelay: 5 }
/** Errors of a run are bugs or an absent Redis, never the provider's: it is tried again for as long as it takes. */
const MAX_CRASH_RETRIES = 1_000_000
const MAX_CRASH_DELAY_MS = 30_000
const CHUNK = 1_000

export interface Lane {
  readonly accountId: string
  /** @param entries BullMQ job ids with their priority, 0 before all others. Adding a job that is there already changes nothing. */
  add(entries: readonly { jobId: string; priority: number }[]): Promise<void>
  remove(jobIds: readonly string[]): Promise<void>
  /** How many jobs there are in all, and when the next of the delayed ones is due. */
  backlog(): Promise<{ ready: number; active: number; nextAt: number | null }>
  /** Stops taking jobs and waits for those under way; with `force`, abandons them. */
  close(force: boolean): Promise<void>
}

export async function openLane({ redis, accountId, pace, run, onHold, onError }: LaneOptions): Promise<Lane> {
  const pacer = new CallPacer(callIntervalMs(pace))
  const lost = new AbortController()
  const base = { connection: redis, prefix: lanePrefix(accountId) }
  const queue = new Queue(LANE_QUEUE, { ...base, streams: { events: { maxLen: 100 } } })
  queue.on('error', onError)
  const window = jobWindow(pace)
  await queue.setGlobalRateLimit(window.max, window.duration)
  await queue.setGlobalConcurrency(pace.concurrency)

  async function process(job: Job, token: string | undefined, signal: AbortSignal | undefined): Promise<void> {
    const context: RunContext = { signal: signal ? AbortSignal.any([signal, lost.signal]) : lost.signal, waitForSlot: (own) => pacer.wait(own) }
    const verdict = await run(accountId, job.id ?? '', context)
    switch (verdict.kind) {
      case 'done':
        return
      case 'again':
        if (verdict.pauseMs) {
          pacer.pause(verdict.pauseMs)
          await queue.rateLimit(verdict.pauseMs)
        }
        await job.moveToDelayed(Math.max(verdict.at, Date.now()), token)
        throw new DelayedError()
      case 'pause': {
        const forMs = Math.max(1, Math.ceil(verdict.forMs))
        pacer.pause(forMs)
        await queue.rateLimit(forMs)
        throw new RateLimitError()
      }
      case 'hold':
        onHold()
        await job.moveToWait(token)
        throw new WaitingError()
    }
  }

  const worker = new Worker(
    LANE_QUEUE,
    // Three declared parameters: BullMQ hands out an AbortSignal only then.
    (job, token, signal) => process(job, token, signal),
    {
      ...base,
      ...recovery,
      concurrency: pace.concurrency,
      autorun: false,
      removeOnComplete: { count: 0 },
      settings: { backoffStrategy: (attemptsMade) => Math.min(MAX_CRASH_DELAY_MS, 1_000 * 2 ** Math.min(attemptsMade, 5)) },
    },
  )
  worker.on('error', onError)
  worker.on('failed', (_, error) => onError(error))
  // Another process may be running these jobs by now.
  worker.on('lockRenewalFailed', (jobIds) => jobIds.forEach((jobId) => worker.cancelJob(jobId, 'lock lost')))
  await worker.waitUntilReady()
  worker.run().catch(onError)

  return {
    accountId,
    async add(entries) {
      for (let from = 0; from < entries.length; from += CHUNK) {
        await queue.addBulk(
          entries.slice(from, from + CHUNK).map(({ jobId, priority }) => ({
            name: 'run-operation',
            data: {},
            opts: { jobId, priority, attempts: MAX_CRASH_RETRIES, backoff: { type: 'custom' }, stackTraceLimit: 0, removeOnComplete: true, removeOnFail: false },
          })),
        )
      }
    },
    async remove(jobIds) {
      // A job under way cannot be removed, and need not be: it finds its operation ended.
      await Promise.all(jobIds.map((jobId) => queue.remove(jobId).catch(() => 0)))
    },
    async backlog() {
      const counts = await queue.getJobCounts('wait', 'prioritized', 'active')
      // BullMQ's delayed zset is scored by due time, shifted left by 12 bits for a counter.
      const [, score] = await redis.zrange(queue.toKey('delayed'), '0', '0', 'WITHSCORES')
      return { ready: (counts.wait ?? 0) + (counts.prioritized ?? 0), active: counts.active ?? 0, nextAt: score === undefined ? null : Math.floor(Number(score) / 0x1000) }
    },
    async close(force) {
      if (force) lost.abort(new Error('the lane was lost'))
      await worker.close(force)
      await queue.close()
    },
  }
}
