import type { LaneId } from '@muster/domain/lane-id'
import { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { LANE_QUEUE, lanePrefix, lastCallKey } from './lane-keys.ts'
import { jobWindow, type Pace } from './pace.ts'

/** Errors of a run are bugs or an absent Redis, never the provider's: it is tried again for as long as it takes. */
const MAX_CRASH_RETRIES = 1_000_000
const CHUNK = 1_000

/** `jobId` is BullMQ's; priority 0 goes before all others. */
export interface LaneEntry {
  jobId: string
  priority: number
}

/** Jobs in the queue of a lane, and when the next of the delayed ones is due. */
export interface QueuedJobs {
  ready: number
  active: number
  nextAt: number | null
}

/** The BullMQ queue of one lane, as its owner uses it. */
export class LaneQueue {
  readonly #redis: Redis
  readonly #laneId: LaneId
  readonly #queue: Queue
  /** Unix milliseconds. BullMQ would let a short cooldown cut a long one off. */
  #coolsDownUntil = 0

  constructor(redis: Redis, laneId: LaneId, onError: (error: Error) => void) {
    this.#redis = redis
    this.#laneId = laneId
    this.#queue = new Queue(LANE_QUEUE, {
      connection: redis,
      prefix: lanePrefix(laneId),
      streams: { events: { maxLen: 100 } },
    })
    this.#queue.on('error', onError)
  }

  async prepare(pace: Pace): Promise<void> {
    const window = jobWindow(pace)
    await this.#queue.setGlobalRateLimit(window.max, window.duration)
    await this.#queue.setGlobalConcurrency(pace.concurrency)
    await this.#freeOrphans()
  }

  /**
   * The lease says that no one else works on the lane, so what is active was left behind by an owner that died. Without
   * its lock and marked as stalled, it goes back to the queue at the worker's first look, and not only when its lock
   * has run out and two looks have passed.
   */
  async #freeOrphans(): Promise<void> {
    const orphans = await this.#redis.lrange(this.#queue.toKey('active'), 0, -1)
    if (orphans.length === 0) return
    const locks = orphans.map((jobId) => `${this.#queue.toKey(jobId)}:lock`)
    await this.#redis
      .multi()
      .del(this.#queue.toKey('stalled-check'), ...locks)
      .sadd(this.#queue.toKey('stalled'), ...orphans)
      .exec()
  }

  /** Adding a job that is there already changes nothing. */
  async add(entries: readonly LaneEntry[]): Promise<void> {
    for (let from = 0; from < entries.length; from += CHUNK)
      await this.#queue.addBulk(entries.slice(from, from + CHUNK).map(toJob))
  }

  /** A job under way cannot be removed, and need not be: it finds its operation ended. */
  async remove(jobIds: readonly string[]): Promise<void> {
    await Promise.all(jobIds.map((jobId) => this.#queue.remove(jobId).catch(() => 0)))
  }

  async waitingAt(priority: number): Promise<number> {
    return (await this.#queue.getCountsPerPriority([priority]))[priority] ?? 0
  }

  readJobs(): Promise<QueuedJobs> {
    return readJobs(this.#redis, this.#laneId)
  }

  async coolDown(forMs: number): Promise<void> {
    this.#coolsDownUntil = Math.max(this.#coolsDownUntil, Date.now() + forMs)
    await this.#queue.rateLimit(Math.max(1, Math.ceil(this.#coolsDownUntil - Date.now())))
  }

  forgetCooldown(): void {
    this.#coolsDownUntil = 0
  }

  close(): Promise<void> {
    return this.#queue.close()
  }
}

const toJob = ({ jobId, priority }: LaneEntry) => ({
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
})

/** Also of a lane that no process has open. */
export async function readJobs(redis: Redis, laneId: LaneId): Promise<QueuedJobs> {
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

/** Removes every key of a lane that has no subject any more. */
export async function obliterateLane(redis: Redis, laneId: LaneId): Promise<void> {
  const queue = new Queue(LANE_QUEUE, { connection: redis, prefix: lanePrefix(laneId), skipMetasUpdate: true })
  try {
    await queue.obliterate({ force: true })
    await redis.del(lastCallKey(laneId))
  } finally {
    await queue.close()
  }
}
