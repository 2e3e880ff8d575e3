import type { LaneId } from '@muster/domain/lane-id'
import type { CallPermit } from '@muster/contracts/http-client'
import type { JobOutcome } from '@muster/domain/outcome'
import { DelayedError, Queue, RateLimitError, WaitingError, Worker, type Job } from 'bullmq'
import type { Redis } from 'ioredis'
import { CallPacer } from './call-pacer.ts'
import { LANE_QUEUE, lanePrefix, lastCallKey } from './lane-keys.ts'
import { readCooldownMs, type LaneWait } from './lane-cooldown.ts'
import { createCallNotes } from './last-call.ts'
import { jobsAhead, jobWindow, type Pace } from './pace.ts'
import { StartGate } from './start-gate.ts'

export interface RunContext {
  /** Aborted when the lane is lost or the process is stopping: nothing more may be sent. */
  signal: AbortSignal
  /**
   * Resolves when a call may leave, at once. Rejects with a `CoolingDownError` when that would take too long, and with
   * the signal's reason.
   */
  waitForPermit(signal?: AbortSignal): Promise<CallPermit>
  /** From this moment on no call leaves; the outcome of the job tells it to those who come after. */
  coolDown(forMs: number): void
  /** For how long `waitForPermit` would wait, about. */
  expectedWaitMs(): number
  /**
   * Throws when a permit must not be used any more, since the lane is no longer ours, or rests: to be asked after
   * anything else was waited for.
   */
  throwIfStale(): void
}

/** How a job waits for its permits: until it has the first, it can still go back to the queue. */
interface Turn {
  jobId: string
  priority: number
  mayGoBack: boolean
}

export type RunJob = (laneId: LaneId, jobId: string, context: RunContext) => Promise<JobOutcome>

export interface LaneOptions {
  redis: Redis
  laneId: LaneId
  pace: Pace
  run: RunJob
  /**
   * Whether the lease is still ours as far as can be known without asking: a process that was frozen finds it out here.
   */
  isOurs(): boolean
  onHold(): void
  onError(error: Error): void
  /** What the owner before this one left behind holds for calls as well, not only for jobs. */
  wait: LaneWait
  /** Unix milliseconds by the clock that all workers share. */
  now(): number
}

/**
 * Where BullMQ's defaults took 60 s to recover from kill -9 and failed the job at the second kill (measured). Usually
 * the next owner of the lane is quicker than the locks, see `freeOrphans`. A job is never failed for having stalled:
 * the operation record decides when enough is enough. A worker that is closed in the moment in which it is told to rest
 * sits that out first (its default: 30 s), so it looks every second.
 */
const recovery = {
  lockDuration: 10_000,
  stalledInterval: 5_000,
  maxStalledCount: 1_000_000,
  runRetryDelay: 1_000,
  drainDelay: 5,
  maximumRateLimitDelay: 1_000,
}
/** Errors of a run are bugs or an absent Redis, never the provider's: it is tried again for as long as it takes. */
const MAX_CRASH_RETRIES = 1_000_000
const MAX_CRASH_DELAY_MS = 30_000
const CHUNK = 1_000

/** How many jobs there are in all, and when the next of the delayed ones is due. */
export interface Backlog {
  ready: number
  active: number
  nextAt: number | null
  /** Unix milliseconds: before, no call can leave. */
  opensAt: number
  /** A job has called, and has not ended: to cut it off would waste its calls. */
  isAtWork: boolean
}

export interface Lane {
  /**
   * @param entries BullMQ job ids with their priority, 0 before all others. Adding a job that is there already changes
   * nothing.
   */
  add(entries: readonly { jobId: string; priority: number }[]): Promise<void>
  remove(jobIds: readonly string[]): Promise<void>
  backlog(): Promise<Backlog>
  isAtWork(): boolean
  /** A rest can be ended by hand. */
  noticeEndOfCooldown(): Promise<void>
  /** Jobs of that priority, other than 0, that wait in the lane. */
  waitingAt(priority: number): Promise<number>
  /** Cuts off what is under way: it hands itself back, or, where a create was sent, is looked up by the next owner. */
  abandon(): void
  /** From this moment on no job begins. */
  stopTaking(): void
  /** Takes no more jobs, waits for those under way (with `force`: does not), and tells what is left. */
  close(force: boolean): Promise<Backlog>
}

/**
 * Whoever holds the lease knows that nobody else works on the lane: what is active now was left behind by an owner
 *   that died. Without its lock and marked as
 * stalled, it goes back to the queue at BullMQ's first look, which is the worker's first act, instead of when its lock
 * has run out and two looks have passed.
 */
async function freeOrphans(redis: Redis, queue: Queue): Promise<void> {
  const orphans = await redis.lrange(queue.toKey('active'), 0, -1)
  if (orphans.length === 0) return
  await redis
    .multi()
    .del(queue.toKey('stalled-check'), ...orphans.map((jobId) => `${queue.toKey(jobId)}:lock`))
    .sadd(queue.toKey('stalled'), ...orphans)
    .exec()
}

/** What waits in the queue of a lane, also of one that no process has open. */
export async function readJobs(redis: Redis, laneId: LaneId): Promise<Pick<Backlog, 'ready' | 'active' | 'nextAt'>> {
  const key = (name: string): string => `${lanePrefix(laneId)}:${LANE_QUEUE}:${name}`
  const answers = await redis
    .pipeline()
    .llen(key('wait'))
    .zcard(key('prioritized'))
    .llen(key('active'))
    .zrange(key('delayed'), '0', '0', 'WITHSCORES')
    .exec()
  const [wait, prioritized, active, [, score] = []] = (answers ?? []).map(([, answer]) => answer) as [
    number,
    number,
    number,
    string[]?,
  ]
  return {
    ready: wait + prioritized,
    active,
    // BullMQ's delayed zset is scored by due time, shifted left by 12 bits for a counter.
    nextAt: score === undefined ? null : Math.floor(Number(score) / 0x1000),
  }
}

export async function openLane(options: LaneOptions): Promise<Lane> {
  const { redis, laneId, pace, run, isOurs, onHold, onError, wait, now } = options
  const pacer = new CallPacer(pace, wait.callInMs)
  if (wait.cooldownMs > 0) pacer.coolDown(wait.cooldownMs)
  const noteCall = createCallNotes(options, now)
  const gate = new StartGate(jobsAhead(pace))
  /** One for each job under way. */
  const running = new Map<string, AbortController>()
  const atWork = new Set<string>()
  const base = { connection: redis, prefix: lanePrefix(laneId) }
  const queue = new Queue(LANE_QUEUE, { ...base, streams: { events: { maxLen: 100 } } })
  queue.on('error', onError)
  /** Unix milliseconds. BullMQ would let a short rest cut a long one off. */
  let coolsDownUntil = 0

  const sendBack = (): void => gate.makeRoom(gate.waiting, -1)
  const abandon = (): void => {
    sendBack()
    for (const controller of running.values()) controller.abort(new Error('the lane was lost, or its worker stops'))
  }

  async function coolDown(forMs: number): Promise<void> {
    pacer.coolDown(forMs)
    coolsDownUntil = Math.max(coolsDownUntil, Date.now() + forMs)
    await queue.rateLimit(Math.max(1, Math.ceil(coolsDownUntil - Date.now())))
  }

  async function waitForPermit(jobSignal: AbortSignal, turn: Turn, own?: AbortSignal): Promise<CallPermit> {
    const permit = await pacer.wait(own ?? jobSignal, turn)
    turn.mayGoBack = false
    atWork.add(turn.jobId)
    throwIfLost(jobSignal)
    noteCall()
    return permit
  }

  function throwIfStale(jobSignal: AbortSignal): void {
    throwIfLost(jobSignal)
    pacer.throwIfCoolingDown()
  }

  function throwIfLost(jobSignal: AbortSignal): void {
    if (!isOurs()) abandon()
    jobSignal.throwIfAborted()
  }

  async function runJob(jobId: string, priority: number): Promise<JobOutcome> {
    const controller = new AbortController()
    running.set(jobId, controller)
    const turn: Turn = { jobId, priority, mayGoBack: true }
    let isAhead = true
    const leaveGate = (): void => {
      if (isAhead) gate.leave()
      isAhead = false
    }
    try {
      return await run(laneId, jobId, {
        signal: controller.signal,
        waitForPermit: (own) => waitForPermit(controller.signal, turn, own).finally(leaveGate),
        coolDown: (forMs) => pacer.coolDown(forMs),
        expectedWaitMs: () => pacer.expectedWaitMs(),
        throwIfStale: () => throwIfStale(controller.signal),
      })
    } finally {
      leaveGate()
      running.delete(jobId)
      atWork.delete(jobId)
    }
  }

  async function process(job: Job, token: string | undefined): Promise<void> {
    const goBack = async (): Promise<never> => {
      await job.moveToWait(token)
      throw new WaitingError()
    }
    if (!(await gate.enter(job.priority))) return goBack()
    const end = await runJob(job.id ?? '', job.priority)
    switch (end.outcome) {
      case 'done':
        return
      case 'retrying':
        if (end.cooldownMs) await coolDown(end.cooldownMs)
        await job.moveToDelayed(Math.max(end.at, Date.now()), token)
        throw new DelayedError()
      case 'rate_limited':
        await coolDown(end.cooldownMs)
        throw new RateLimitError()
      case 'held':
        // At once, not when the lane has closed: every job that starts until then would be refused as well.
        pacer.coolDown(Infinity)
        sendBack()
        worker.pause(true).catch(onError)
        onHold()
        return goBack()
      case 'interrupted':
        return goBack()
    }
  }

  const worker = new Worker(LANE_QUEUE, process, {
    ...base,
    ...recovery,
    concurrency: pace.concurrency,
    autorun: false,
    removeOnComplete: { count: 0 },
    settings: {
      backoffStrategy: (attemptsMade) => Math.min(MAX_CRASH_DELAY_MS, 1_000 * 2 ** Math.min(attemptsMade, 5)),
    },
  })
  worker.on('error', onError)
  worker.on('failed', (_, error) => onError(error))
  // Another process may be running these jobs by now.
  worker.on('lockRenewalFailed', (jobIds) =>
    jobIds.forEach((jobId) => running.get(jobId)?.abort(new Error('the lock of the job was lost'))),
  )

  /** On hold for good, it says nothing of the time. */
  function opensAt(): number {
    const inMs = pacer.nextInMs()
    return Date.now() + (Number.isFinite(inMs) ? inMs : 0)
  }

  async function backlog(): Promise<Backlog> {
    return { ...(await readJobs(redis, laneId)), opensAt: opensAt(), isAtWork: atWork.size > 0 }
  }

  try {
    const window = jobWindow(pace)
    await queue.setGlobalRateLimit(window.max, window.duration)
    await queue.setGlobalConcurrency(pace.concurrency)
    await freeOrphans(redis, queue)
    await worker.waitUntilReady()
  } catch (error) {
    await Promise.allSettled([worker.close(true), queue.close()])
    throw error
  }
  worker.run().catch(onError)

  return {
    async add(entries) {
      for (let from = 0; from < entries.length; from += CHUNK) {
        await queue.addBulk(
          entries.slice(from, from + CHUNK).map(({ jobId, priority }) => ({
            name: 'run-operation',
            data: {},
            opts: {
              jobId,
              priority,
              attempts: MAX_CRASH_RETRIES,
              backoff: { type: 'custom' },
              stackTraceLimit: 0,
              removeOnComplete: true,
              removeOnFail: false,
            },
          })),
        )
      }
      const urgent = entries.filter(({ priority }) => priority === 0).length
      if (gate.waiting + running.size >= pace.concurrency) gate.makeRoom(urgent, 0)
    },
    async remove(jobIds) {
      // A job under way cannot be removed, and need not be: it finds its operation ended.
      await Promise.all(jobIds.map((jobId) => queue.remove(jobId).catch(() => 0)))
    },
    stopTaking() {
      worker.pause(true).catch(onError)
      sendBack()
      pacer.sendBack()
    },
    backlog,
    async noticeEndOfCooldown() {
      if ((await readCooldownMs(redis, laneId)) > 0) return
      coolsDownUntil = 0
      pacer.endCooldown()
    },
    isAtWork: () => atWork.size > 0,
    async waitingAt(priority) {
      const counts = await queue.getCountsPerPriority([priority])
      return counts[priority] ?? 0
    },
    abandon,
    async close(force) {
      if (force) abandon()
      await worker.close(force)
      const left = force ? { ready: 0, active: 0, nextAt: null, opensAt: 0, isAtWork: false } : await backlog()
      await queue.close()
      return left
    },
  }
}

/** Every key of a lane whose account or endpoint is gone. */
export async function obliterateLane(redis: Redis, laneId: LaneId): Promise<void> {
  const queue = new Queue(LANE_QUEUE, { connection: redis, prefix: lanePrefix(laneId), skipMetasUpdate: true })
  try {
    await queue.obliterate({ force: true })
    await redis.del(lastCallKey(laneId))
  } finally {
    await queue.close()
  }
}
