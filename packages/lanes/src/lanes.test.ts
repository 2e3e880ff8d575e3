import { toLaneId, type LaneId } from '@muster/domain/lane-id'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { LaneOwner } from './lane-owner.ts'
import { leaseKey, limiterKey, RELOAD_CHANNEL } from './lane-keys.ts'
import { LEASE_MS } from './lane-lease.ts'
import { createLaneSchedule } from './lane-schedule.ts'
import type { JobOutcome } from '@muster/domain/outcome'
import type { RunContext } from './lane.ts'
import type { Pace } from './pace.ts'

interface Run {
  owner: string
  jobId: string
  at: number
  context: RunContext
}

const pace: Pace = { requests: 1_000, perSeconds: 1, concurrency: 4, callsPerJob: 1 }

/** A store in memory behind real lanes over a real Redis: outboxes, and what each job shall come to. */
class Source {
  readonly outboxes = new Map<string, string[]>()
  /** Lanes of other tests may still be on the schedule. */
  readonly known = new Set<string>()
  readonly held = new Set<string>()
  /** Runs once, when an account was just read as held and its reader does not know that yet. */
  whileReadAsHeld: (() => Promise<void>) | undefined
  readonly paces = new Map<string, Pace>()
  readonly tenants = new Map<string, string>()
  readonly runs: Run[] = []
  verdict: (run: Run) => Promise<JobOutcome> | JobOutcome = () => ({ outcome: 'done' })
  #waiting = new Set<() => void>()

  /** Resolves when the runs fit. */
  async until(test: (runs: Run[]) => boolean): Promise<Run[]> {
    while (!test(this.runs)) await new Promise<void>((resolve) => this.#waiting.add(resolve))
    return this.runs
  }

  of(owner: string) {
    return {
      pace: async (laneId: LaneId) => {
        if (!this.known.has(laneId)) return undefined
        if (!this.held.has(laneId)) return this.paces.get(laneId) ?? pace
        const meanwhile = this.whileReadAsHeld
        this.whileReadAsHeld = undefined
        await meanwhile?.()
        return undefined
      },
      readOutbox: async (laneId: LaneId, limit: number) => (this.outboxes.get(laneId) ?? []).slice(0, limit),
      clearOutbox: async (laneId: LaneId, entries: readonly string[]) =>
        void this.outboxes.set(
          laneId,
          (this.outboxes.get(laneId) ?? []).filter((entry) => !entries.includes(entry)),
        ),
      tenantOf: async (laneId: LaneId) => this.tenants.get(laneId) ?? 'a tenant',
      priorityOf: async (_: string, jobIds: readonly string[]) => jobIds.map(() => 0),
      run: async (_: string, jobId: string, context: RunContext) => {
        const run = { owner, jobId, at: Date.now(), context }
        this.runs.push(run)
        for (const tell of this.#waiting) tell()
        this.#waiting.clear()
        return this.verdict(run)
      },
    }
  }

  put(laneId: LaneId, ...entries: string[]): void {
    this.known.add(laneId)
    this.outboxes.set(laneId, [...(this.outboxes.get(laneId) ?? []), ...entries])
  }
}

describe('lanes and their owners', () => {
  let redis: Redis
  let source: Source
  let laneId: LaneId
  const connections: Redis[] = []
  const owners: LaneOwner[] = []
  const errors: Error[] = []
  const connect = (): Redis => {
    const connection = new Redis(inject('redisUrl'), { maxRetriesPerRequest: null })
    connections.push(connection)
    return connection
  }

  async function startOwner(
    name: string,
    idleCloseMs = 15_000,
    { maxLanes = 100, turnMs = 5_000 } = {},
  ): Promise<{ owner: LaneOwner; redis: Redis }> {
    const own = connect()
    const owner = new LaneOwner({
      redis: own,
      subscriber: connect(),
      ownerId: name,
      maxLanes,
      turnMs,
      source: source.of(name),
      onError: (error) => void errors.push(error),
      idleCloseMs,
    })
    owner.start()
    owners.push(owner)
    return { owner, redis: own }
  }
  const wake = (): Promise<void> => createLaneSchedule(redis).wake(laneId)
  const reload = (): Promise<void> => createLaneSchedule(redis).reload(laneId)
  async function eventually<T>(ask: () => Promise<T> | T, test: (answer: T) => boolean): Promise<void> {
    for (const until = Date.now() + 15_000; !test(await ask()); await new Promise((resolve) => setImmediate(resolve)))
      if (Date.now() > until) throw new Error('it did not come so far')
  }

  beforeEach(() => {
    redis = connect()
    source = new Source()
    laneId = toLaneId(randomUUID())
    errors.length = 0
  })
  afterEach(async () => {
    await Promise.all(owners.splice(0).map((owner) => owner.stop(100)))
    for (const connection of connections.splice(0)) connection.disconnect()
  })

  test('a lane is opened by work, closed when it is idle, and opened by work again', async () => {
    const { owner } = await startOwner('a', 200)
    source.put(laneId, '+job-1')
    await wake()
    await source.until((runs) => runs.length >= 1)
    await eventually(
      () => owner.openLanes(),
      (count) => count === 0,
    )
    expect(await redis.get(leaseKey(laneId))).toBeNull()
    source.put(laneId, '+job-2')
    await wake()
    await source.until((runs) => runs.length >= 2)
    expect(errors).toEqual([])
  })

  test('two workers share the lanes; each lane has one owner, and each job runs once', async () => {
    await Promise.all([startOwner('a'), startOwner('b')])
    const laneIds = Array.from({ length: 20 }, () => toLaneId(randomUUID()))
    for (const [index, id] of laneIds.entries()) {
      source.put(id, `+${index}-1`, `+${index}-2`, `+${index}-3`)
      await createLaneSchedule(redis).wake(id)
    }
    await source.until((runs) => runs.length >= 60)
    for (const index of laneIds.keys())
      expect(
        new Set(source.runs.filter((run) => run.jobId.startsWith(`${index}-`)).map((run) => run.owner)).size,
        `lane ${index}`,
      ).toBe(1)
    expect(new Set(source.runs.map((run) => run.jobId)).size).toBe(60)
    expect(new Set(source.runs.map((run) => run.owner))).toEqual(new Set(['a', 'b']))
  })

  test('work that is announced while the lane closes is not forgotten', async () => {
    const { owner } = await startOwner('a', 1)
    for (let round = 0; round < 5; round += 1) {
      source.put(laneId, `+job-${round}`)
      await wake()
      await source.until((runs) => runs.length >= round + 1)
      // Closed by the next look, a lane without work is in the middle of it at some point of these.
      await eventually(
        () => owner.openLanes(),
        (count) => count === 0 || round % 2 === 1,
      )
    }
    expect(errors).toEqual([])
  }, 30_000)

  test("an owner whose lease is another's sends nothing more and closes the lane", async () => {
    const { owner } = await startOwner('a')
    const lease = leaseKey(laneId)
    let permit: Promise<unknown> = Promise.resolve()
    source.verdict = async ({ context }) => {
      await redis.set(lease, 'another', 'PX', 60_000)
      await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve(), { once: true }))
      permit = context.waitForPermit().then(
        () => 'sent',
        () => 'refused',
      )
      expect(context.throwIfStale).toThrow()
      return { outcome: 'retrying', at: Date.now() }
    }
    source.put(laneId, '+job')
    await wake()
    await eventually(
      () => owner.openLanes(),
      (count) => count === 0 && source.runs.length === 1,
    )
    expect(await permit).toBe('refused')
    expect(await redis.get(lease)).toBe('another')
  })

  test('a job that is to run later, and a cooldown of the lane, survive a change of owner', async () => {
    const { owner } = await startOwner('a')
    const laterAt = Date.now() + 2_500
    source.verdict = ({ jobId, owner: name }) =>
      name === 'b'
        ? { outcome: 'done' }
        : jobId === 'later'
          ? { outcome: 'retrying', at: laterAt }
          : { outcome: 'rate_limited', cooldownMs: 1_500 }
    source.put(laneId, '+later', '+throttled')
    await wake()
    const before = await source.until((runs) => runs.length >= 2)
    // The cooldown began after its run: the clock of now would measure how busy this process is.
    const pausedAt = before.find(({ jobId }) => jobId === 'throttled')?.at ?? NaN
    await owner.stop(5_000)
    owners.length = 0
    await startOwner('b')
    const runs = await source.until((all) => all.filter((run) => run.owner === 'b').length >= 2)
    const second = (jobId: string): number => runs.find((run) => run.owner === 'b' && run.jobId === jobId)?.at ?? 0
    expect(second('throttled')).toBeGreaterThanOrEqual(pausedAt + 1_400)
    expect(second('later')).toBeGreaterThanOrEqual(laterAt - 20)
  })

  test('anyone can ask how long a lane cools down, and a lane at work does not', async () => {
    const cooldownMs = (): Promise<number> => createLaneSchedule(redis).cooldownMs(laneId)
    // One job in a window of two seconds, which BullMQ counts under the same key.
    source.paces.set(laneId, { ...pace, requests: 1, perSeconds: 4 })
    await startOwner('a')
    source.verdict = ({ jobId }) =>
      jobId === 'throttled' ? { outcome: 'rate_limited', cooldownMs: 30_000 } : { outcome: 'done' }
    source.put(laneId, '+job')
    await wake()
    await source.until((runs) => runs.length >= 1)
    expect(await redis.pttl(limiterKey(laneId))).toBeGreaterThan(0)
    expect(await cooldownMs()).toBe(0)
    const putAt = Date.now()
    source.put(laneId, '+throttled')
    await wake()
    await eventually(cooldownMs, (milliseconds) => milliseconds > 0)
    const leftMs = await cooldownMs()
    expect(leftMs).toBeGreaterThanOrEqual(30_000 - (Date.now() - putAt))
    expect(leftMs).toBeLessThanOrEqual(30_000)
  })

  test('a lane that never called does not wait, and a new owner waits only what the last call left', async () => {
    const intervalMs = 4_000
    source.paces.set(laneId, { requests: 1, perSeconds: intervalMs / 1_000, concurrency: 1, callsPerJob: 1 })
    const permits: { at: number; waitedMs: number }[] = []
    source.verdict = async ({ at: startedAt, context }) => {
      const permit = await context.waitForPermit()
      const at = Date.now()
      permits.push({ at, waitedMs: at - startedAt })
      permit.ended()
      return { outcome: 'done' }
    }
    const { owner } = await startOwner('a')
    source.put(laneId, '+one')
    await wake()
    await eventually(
      () => permits.length,
      (count) => count === 1,
    )
    expect(permits[0]?.waitedMs).toBeLessThan(intervalMs)
    await owner.stop(1_000)
    owners.length = 0
    // Half of the interval is over: a new owner that counted from its own start would wait for all of it.
    await new Promise((resolve) => setTimeout(resolve, intervalMs / 2))
    source.put(laneId, '+two')
    await startOwner('b')
    await wake()
    await eventually(
      () => permits.length,
      (count) => count === 2,
    )
    expect((permits[1]?.at ?? 0) - (permits[0]?.at ?? 0)).toBeGreaterThanOrEqual(intervalMs + 100)
    expect(permits[1]?.waitedMs).toBeLessThan(intervalMs)
  })

  async function fillLanes(count: number, verdict: (run: Run) => JobOutcome): Promise<string[]> {
    const greedy = Array.from({ length: count }, () => toLaneId(randomUUID()))
    source.verdict = (run) => (run.jobId.startsWith('greedy') ? verdict(run) : { outcome: 'done' })
    for (const [index, id] of greedy.entries()) {
      source.tenants.set(id, 'greedy')
      source.put(id, `+greedy-${index}`)
      await createLaneSchedule(redis).wake(id)
    }
    return greedy
  }

  test.each<[string, JobOutcome]>([
    ['is due in 30 days', { outcome: 'retrying', at: Date.now() + 30 * 86_400_000 }],
    ['waits for a retry in minutes', { outcome: 'retrying', at: Date.now() + 120_000 }],
    ['cools down with its lane', { outcome: 'rate_limited', cooldownMs: 120_000 }],
  ])('lanes whose work %s close for one that has work', async (_, verdict) => {
    const { owner } = await startOwner('a', 15_000, { maxLanes: 4 })
    await fillLanes(8, () => verdict)
    await source.until((runs) => runs.length >= 8)
    source.put(laneId, '+job')
    await wake()
    const runs = await source.until((all) => all.some(({ jobId }) => jobId === 'job'))
    expect(owner.openLanes()).toBeLessThanOrEqual(4)
    expect(runs.filter(({ jobId }) => jobId !== 'job')).toHaveLength(8)
  })

  test('a lane with a long cooldown is not opened for new work, and is once the cooldown has been ended', async () => {
    const { owner } = await startOwner('a', 300)
    source.verdict = ({ jobId }) =>
      jobId === 'first' ? { outcome: 'rate_limited', cooldownMs: 60_000 } : { outcome: 'done' }
    source.put(laneId, '+first')
    await wake()
    await eventually(
      () => owner.openLanes(),
      (count) => count === 0 && source.runs.length === 1,
    )
    source.put(laneId, '+second')
    await wake()
    await eventually(
      () => redis.zscore('muster:lane-schedule', laneId),
      (at) => Number(at) > Date.now() + 30_000,
    )
    expect(owner.openLanes()).toBe(0)
    await redis.del(limiterKey(laneId))
    await reload()
    source.verdict = () => ({ outcome: 'done' })
    await source.until((runs) => runs.length >= 3)
  })

  test('under the cap tenants share: one with a single lane gets its turn beside one with many that are never idle', async () => {
    await startOwner('a', 15_000, { maxLanes: 4, turnMs: 500 })
    const greedy = await fillLanes(12, () => ({ outcome: 'retrying', at: Date.now() }))
    await source.until((runs) => new Set(runs.map(({ jobId }) => jobId)).size >= 4)
    const runsBefore = source.runs.length
    source.tenants.set(laneId, 'modest')
    source.put(laneId, '+job')
    await wake()
    const runs = await source.until((all) => all.some(({ jobId }) => jobId === 'job'))
    // The lanes that were open, and those whose turn came meanwhile: not all.
    expect(new Set(runs.slice(runsBefore, -1).map(({ jobId }) => jobId)).size).toBeLessThan(greedy.length)
    // And among the lanes of one tenant each gets its turn.
    await source.until((all) => new Set(all.map(({ jobId }) => jobId)).size >= greedy.length + 1)
  }, 30_000)

  test('a long cooldown is not cut off by a short one', async () => {
    await startOwner('a')
    source.verdict = async ({ jobId }) => {
      if (source.runs.length > 2) return { outcome: 'done' }
      // Both are under way when the first cools the lane down, and the second ends when it cools down already.
      await source.until((runs) => runs.length >= 2)
      if (jobId === 'short')
        await eventually(
          () => createLaneSchedule(redis).cooldownMs(laneId),
          (cooldownMs) => cooldownMs > 0,
        )
      return { outcome: 'rate_limited', cooldownMs: jobId === 'long' ? 1_500 : 1 }
    }
    source.put(laneId, '+long', '+short')
    await wake()
    const runs = await source.until((all) => all.length >= 4)
    expect(Math.min(...runs.slice(2).map((run) => run.at)) - (runs[0]?.at ?? 0)).toBeGreaterThanOrEqual(1_450)
  })

  test('a stop waits for what is under way, and the next owner continues at once', async () => {
    const { owner } = await startOwner('a')
    let finish = (): void => undefined
    source.verdict = ({ owner: name }) =>
      name === 'a'
        ? new Promise<JobOutcome>((resolve) => (finish = () => resolve({ outcome: 'done' })))
        : { outcome: 'done' }
    source.paces.set(laneId, { ...pace, concurrency: 1 })
    source.put(laneId, '+one', '+two')
    await wake()
    await source.until((runs) => runs.length >= 1)
    await startOwner('b')
    const stopped = owner.stop(10_000)
    finish()
    await stopped
    const stoppedAt = Date.now()
    const runs = await source.until((all) => all.some((run) => run.owner === 'b'))
    expect(runs.map((run) => [run.owner, run.jobId])).toEqual([
      ['a', 'one'],
      ['b', 'two'],
    ])
    // Long before the lease of the first would have run out.
    expect((runs[1]?.at ?? 0) - stoppedAt).toBeLessThan(LEASE_MS / 2)
  })

  test('what is not done when the grace time is over is cut off, and run by the next owner', async () => {
    const { owner } = await startOwner('a')
    source.verdict = ({ owner: name, context }) =>
      name === 'b'
        ? { outcome: 'done' }
        : new Promise<JobOutcome>((resolve) =>
            context.signal.addEventListener('abort', () => resolve({ outcome: 'retrying', at: Date.now() }), {
              once: true,
            }),
          )
    source.put(laneId, '+stuck')
    await wake()
    await source.until((runs) => runs.length >= 1)
    // Only the cut ends the run, and so the stop.
    await owner.stop(300)
    expect(source.runs[0]?.context.signal.aborted).toBe(true)
    await startOwner('b')
    await source.until((runs) => runs.some((run) => run.owner === 'b'))
  })

  test('a hold closes the lane, a resumption opens it again', async () => {
    const { owner } = await startOwner('a')
    source.verdict = async () => {
      if (source.runs.length > 1) return { outcome: 'done' }
      source.held.add(laneId)
      return { outcome: 'held' }
    }
    source.put(laneId, '+job')
    await wake()
    await source.until((runs) => runs.length >= 1)
    await eventually(
      () => owner.openLanes(),
      (count) => count === 0,
    )
    expect(source.runs).toHaveLength(1)
    source.held.delete(laneId)
    await reload()
    await source.until((runs) => runs.length >= 2)
  })

  test.each(['when it is to be opened', 'when it is to be closed'])(
    'a resumption in the very moment in which the lane is read as held is not lost: %s',
    async (when) => {
      const { owner } = await startOwner('a')
      if (when === 'when it is to be closed') {
        source.put(laneId)
        await wake()
        await eventually(
          () => owner.openLanes(),
          (count) => count === 1,
        )
      }
      source.held.add(laneId)
      const listener = connect()
      await listener.subscribe(RELOAD_CHANNEL)
      source.whileReadAsHeld = async () => {
        source.held.delete(laneId)
        const heard = once(listener, 'message')
        await reload()
        // Heard by the owner as well before it continues: its message was written before ours or right after.
        await heard
        await redis.ping()
      }
      source.put(laneId, '+job')
      await (when === 'when it is to be closed' ? reload() : wake())
      await source.until((runs) => runs.length >= 1)
    },
  )

  test('a lane that opens again before its release has ended is kept', async () => {
    const { owner } = await startOwner('a')
    source.put(laneId, '+first')
    await wake()
    await source.until((runs) => runs.length >= 1)
    source.held.add(laneId)
    // Read as held twice: by the look that closes it, and after its lease was given back.
    source.whileReadAsHeld = async () => {
      source.whileReadAsHeld = async () => {
        source.held.delete(laneId)
        source.put(laneId, '+second')
        await wake()
        await source.until((runs) => runs.length >= 2)
      }
    }
    await reload()
    await source.until((runs) => runs.length >= 2)
    // More than a turn of the loop: the release ends meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(owner.openLanes()).toBe(1)
  })

  test('a changed limit counts from the next look on', async () => {
    await startOwner('a')
    source.paces.set(laneId, { ...pace, requests: 1, perSeconds: 60 })
    source.put(laneId, '+one')
    await wake()
    await source.until((runs) => runs.length >= 1)
    source.put(laneId, ...Array.from({ length: 20 }, (_, index) => `+more-${index}`))
    source.paces.set(laneId, pace)
    await reload()
    await source.until((runs) => runs.length >= 21)
  })

  test('adding a job twice is adding it once; a second run of it under another id is another job; a removed job does not run', async () => {
    await startOwner('a')
    source.paces.set(laneId, { ...pace, concurrency: 1 })
    let finish = (): void => undefined
    source.verdict = ({ jobId }) =>
      jobId === 'first'
        ? new Promise<JobOutcome>((resolve) => (finish = () => resolve({ outcome: 'done' })))
        : { outcome: 'done' }
    source.put(laneId, '+first')
    await wake()
    await source.until((runs) => runs.length >= 1)
    source.put(laneId, '+first', '+first-1', '+gone')
    await wake()
    await eventually(
      () => source.outboxes.get(laneId)?.length,
      (left) => left === 0,
    )
    source.put(laneId, '-gone', '+last')
    await wake()
    await eventually(
      () => source.outboxes.get(laneId)?.length,
      (left) => left === 0,
    )
    finish()
    const runs = await source.until((all) => all.some((run) => run.jobId === 'last'))
    expect(runs.map((run) => run.jobId)).toEqual(['first', 'first-1', 'last'])
  })

  test('a message that was lost is made up for by the schedule', async () => {
    await startOwner('a')
    source.put(laneId, '+unheard')
    await redis.zadd('muster:lane-schedule', Date.now(), laneId)
    await source.until((runs) => runs.length >= 1)
    // And for a lane that is open already.
    source.put(laneId, '+unheard-too')
    await redis.zadd('muster:lane-schedule', 'LT', Date.now(), laneId)
    await source.until((runs) => runs.length >= 2)
    expect(errors).toEqual([])
  })

  test('nothing but ids is in the keys of a lane', async () => {
    await startOwner('a')
    source.verdict = () => ({ outcome: 'retrying', at: Date.now() + 60_000 })
    source.put(laneId, '+job-of-mine')
    await wake()
    await source.until((runs) => runs.length >= 1)
    const key = `muster:{${laneId}}:lane:job-of-mine`
    await eventually(
      () => redis.hget(key, 'delay'),
      (delay) => Number(delay) > 0,
    )
    const job = await redis.hgetall(key)
    expect(JSON.parse(job.data ?? '')).toEqual({})
    expect(Object.keys(job).filter((field) => ['returnvalue', 'stacktrace', 'failedReason'].includes(field))).toEqual(
      [],
    )
  })
})
