import { toLaneId, type LaneId } from '@muster/domain/lane-id'
import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { LaneOwner } from './lane-owner.ts'
import type { LaneSource } from './lane-source.ts'
import { createLaneSchedule } from './lane-schedule.ts'
import type { JobOutcome } from '@muster/domain/outcome'
import { LANE_QUEUE, lanePrefix, SCHEDULE_KEY } from './lane-keys.ts'
import { jobsAhead, type Pace } from './pace.ts'

const BULK = 10

/** What waits outside of one lane, in memory: rows of batches beside an outbox of single jobs. */
class Backlog {
  pace: Pace = { requests: 10, perSeconds: 1, concurrency: 2, callsPerJob: 1 }
  readonly rows: { batchId: string; entry: string; notBefore: number }[] = []
  readonly outbox: string[] = []
  readonly paused = new Set<string>()
  readonly runs: string[] = []
  /** What the lane was given at most, more than had run. */
  mostAhead = 0
  given = 0
  forgets = 0
  verdict: (jobId: string) => Promise<JobOutcome> | JobOutcome = () => ({ outcome: 'done' })
  #waiting = new Set<() => void>()
  readonly #laneId: LaneId
  constructor(laneId: LaneId) {
    this.#laneId = laneId
  }

  add(batchId: string, count: number, notBefore = 0): void {
    const from = this.rows.length
    for (let row = 1; row <= count; row += 1) this.rows.push({ batchId, entry: `+${batchId}-${from + row}`, notBefore })
  }

  async until(test: (runs: string[]) => boolean): Promise<string[]> {
    while (!test(this.runs)) await new Promise<void>((resolve) => this.#waiting.add(resolve))
    return this.runs
  }

  source(): LaneSource {
    const mine = (laneId: LaneId): boolean => laneId === this.#laneId
    const open = (): Backlog['rows'] => this.rows.filter(({ batchId }) => !this.paused.has(batchId))
    return {
      pace: async (laneId) => (mine(laneId) ? this.pace : undefined),
      readOutbox: async (laneId, limit) => (mine(laneId) ? this.outbox.slice(0, limit) : []),
      clearOutbox: async (_, entries) =>
        void this.outbox.splice(0, this.outbox.length, ...this.outbox.filter((entry) => !entries.includes(entry))),
      tenantOf: async () => undefined,
      priorityOf: async (_, jobIds) => jobIds.map(() => 0),
      backlog: {
        read: async (_, limit) =>
          open()
            .filter(({ notBefore }) => notBefore <= Date.now())
            .slice(0, limit),
        clear: async (_, given) => {
          if (this.forgets > 0) return void (this.forgets -= 1)
          const gone = new Set(given.map(({ entry }) => entry))
          this.given += gone.size
          this.mostAhead = Math.max(this.mostAhead, this.given - this.runs.length)
          this.rows.splice(0, this.rows.length, ...this.rows.filter(({ entry }) => !gone.has(entry)))
        },
        nextAt: async () =>
          open().reduce<number | null>((next, { notBefore }) => Math.min(next ?? Infinity, notBefore), null),
        priority: BULK,
      },
      run: async (_, jobId) => {
        this.runs.push(jobId)
        for (const tell of this.#waiting) tell()
        this.#waiting.clear()
        return this.verdict(jobId)
      },
    }
  }
}

describe('work that waits outside of the lane', () => {
  let redis: Redis
  let backlog: Backlog
  let laneId: LaneId
  const connections: Redis[] = []
  const owners: LaneOwner[] = []
  const errors: Error[] = []
  const connect = (): Redis => {
    const connection = new Redis(inject('redisUrl'), { maxRetriesPerRequest: null })
    connections.push(connection)
    return connection
  }
  async function startOwner(idleCloseMs = 15_000): Promise<LaneOwner> {
    const owner = new LaneOwner({
      redis: connect(),
      subscriber: connect(),
      ownerId: randomUUID(),
      maxLanes: 10,
      source: backlog.source(),
      onError: (error) => void errors.push(error),
      idleCloseMs,
    })
    owners.push(owner)
    owner.start()
    return owner
  }
  const wake = (): Promise<void> => createLaneSchedule(redis).wake(laneId)

  beforeEach(() => {
    redis = connect()
    laneId = toLaneId(randomUUID())
    backlog = new Backlog(laneId)
    errors.length = 0
  })
  afterEach(async () => {
    await Promise.all(owners.splice(0).map((owner) => owner.stop(100)))
    for (const connection of connections.splice(0)) connection.disconnect()
  })

  test('is given to it in order, a few seconds of it at a time, and never more', async () => {
    backlog.pace = { requests: 50, perSeconds: 1, concurrency: 2, callsPerJob: 1 }
    backlog.add('a', 260)
    await startOwner()
    await wake()
    const runs = await backlog.until((all) => all.length >= 260)
    expect(new Set(runs).size).toBe(260)
    expect(runs[0]).toBe('a-1')
    expect(backlog.mostAhead).toBeGreaterThan(50)
    // Four seconds at its pace, and what runs.
    expect(backlog.mostAhead).toBeLessThanOrEqual(4 * 50 + 2)
    expect(errors).toEqual([])
  })

  test('does not keep a single job waiting: it is next, whatever of the backlog is in the lane already', async () => {
    backlog.pace = { requests: 10, perSeconds: 1, concurrency: 1, callsPerJob: 1 }
    backlog.add('a', 200)
    await startOwner()
    await wake()
    await backlog.until((all) => all.length >= 3)
    const at = backlog.runs.length
    backlog.outbox.push('+single')
    await wake()
    const runs = await backlog.until((all) => all.includes('single'))
    // One may have been taken up before the lane heard of it.
    expect(runs.indexOf('single') - at).toBeLessThanOrEqual(2)
  })

  test('makes room for a single job when the lane is full, by a row that has not begun', async () => {
    backlog.pace = { requests: 10, perSeconds: 1, concurrency: 4, callsPerJob: 1 }
    const begun = jobsAhead(backlog.pace)
    expect(begun).toBeLessThan(4)
    let release = (): void => undefined
    const released = new Promise<JobOutcome>((resolve) => (release = () => resolve({ outcome: 'done' })))
    backlog.verdict = (jobId) => (jobId === 'single' ? { outcome: 'done' } : released)
    backlog.add('a', 6)
    await startOwner()
    await wake()
    while ((await redis.llen(`${lanePrefix(laneId)}:${LANE_QUEUE}:active`)) < 4);
    expect(backlog.runs).toHaveLength(begun)
    backlog.outbox.push('+single')
    await wake()
    expect(await backlog.until((all) => all.length > begun)).toEqual([...backlog.runs.slice(0, begun), 'single'])
    release()
    const all = await backlog.until((runs) => runs.length >= 7)
    expect(new Set(all).size).toBe(7)
  }, 20_000)

  test('of a paused batch nothing is given, while another continues; resumed, it continues by itself', async () => {
    backlog.add('paused', 5)
    backlog.add('open', 5)
    backlog.paused.add('paused')
    await startOwner()
    await wake()
    expect((await backlog.until((all) => all.length >= 5)).every((jobId) => jobId.startsWith('open'))).toBe(true)
    backlog.paused.clear()
    // Nothing wakes the lane: it polls.
    await backlog.until((all) => all.length >= 10)
  })

  test('given twice, since its owner died before it could say that it was given, it runs once', async () => {
    backlog.add('a', 8)
    backlog.forgets = 1
    let finish = (): void => undefined
    const held = new Promise<JobOutcome>((resolve) => (finish = () => resolve({ outcome: 'done' })))
    backlog.verdict = () => held
    await startOwner()
    await wake()
    await backlog.until((all) => all.length >= 2)
    while (backlog.rows.length > 0) await wake()
    finish()
    const runs = await backlog.until((all) => all.length >= 8)
    expect([...runs].sort()).toEqual(Array.from({ length: 8 }, (_, index) => `a-${index + 1}`))
  })

  test('that has to wait for its time lets the lane close, and opens it again when its time has come', async () => {
    const at = Date.now() + 2_500
    backlog.add('later', 2, at)
    backlog.add('now', 1)
    const owner = await startOwner(100)
    await wake()
    await backlog.until((all) => all.length >= 1)
    for (const until = Date.now() + 2_000; owner.openLanes() > 0; await new Promise((resolve) => setImmediate(resolve)))
      if (Date.now() > until) throw new Error('the lane stays open')
    await backlog.until((all) => all.length >= 3)
    expect(Date.now()).toBeGreaterThanOrEqual(at)
  })

  test('whose rows all wait for a day far away, opens no lane when it is woken; one of them that is due does', async () => {
    const at = Date.now() + 3_600_000
    backlog.add('later', 5, at)
    const owner = await startOwner()
    await wake()
    const scheduledAt = async (): Promise<number> => Number(await redis.zscore(SCHEDULE_KEY, laneId))
    for (const until = Date.now() + 5_000; (await scheduledAt()) < at - 1_000;)
      if (Date.now() > until) throw new Error('it is not expected at its time')
    // What BullMQ writes when a queue is opened.
    expect(await redis.exists(`${lanePrefix(laneId)}:${LANE_QUEUE}:meta`)).toBe(0)
    expect(owner.openLanes()).toBe(0)
    backlog.add('now', 1)
    await wake()
    expect(await backlog.until((all) => all.length >= 1)).toEqual(['now-6'])
  })
})
