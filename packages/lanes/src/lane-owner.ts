import { toLaneId, type LaneId } from '@muster/domain/lane-id'
import type { Redis } from 'ioredis'
import { RELOAD_CHANNEL, WAKE_CHANNEL } from './lane-keys.ts'
import { createLaneLeases, LEASE_MS } from './lane-lease.ts'
import { createLaneSchedule } from './lane-schedule.ts'
import { obliterateLane, openLane, readJobs, type Backlog, type Lane, type RunJob } from './lane.ts'
import { readLaneWait } from './lane-cooldown.ts'
import { dueAtOf, FIRST_PATIENCE_MS, lanesToClose, lanesToOpen, type OpenLaneView } from './lane-turns.ts'
import { createWaitingLanes } from './waiting-lanes.ts'
import { onceAtATime } from './once-at-a-time.ts'
import type { Pace } from './pace.ts'

const RENEW_EVERY_MS = 1_000
const LOOK_EVERY_MS = 500
/** A lane with nothing to do for so long is closed: it costs half a megabyte and a connection. */
const IDLE_CLOSE_MS = 15_000
const OUTBOX_CHUNK = 1_000
const FEED_SECONDS = 4
const MIN_FEED = 10
/** More than lanes of a few tenants: what is due of another must not lie behind them unseen. */
const LOOK_AT_MOST = 10_000
/** Under the cap, so long at least a lane keeps its place before another gets it. */
const TURN_MS = 5_000
const OPEN_AT_ONCE = 16
/** What operations cut off at the end of the grace time get to write their state. */
const CUT_OFF_MS = 3_000

/** Where the lane hears of its work. */
export interface LaneSource {
  /** The lane's pace, or undefined while the account is on hold or gone: then it is not opened. */
  pace(laneId: LaneId): Promise<Pace | undefined>
  /** Under the cap, tenants share the places. */
  tenantOf(laneId: LaneId): Promise<string | undefined>
  /** Whose lane it is exists no more: nothing of the lane is kept. */
  isGone?(laneId: LaneId): Promise<boolean>
  /** Entries of the outbox, most urgent first: `+job` to add, `-job` to remove. */
  readOutbox(laneId: LaneId, limit: number): Promise<string[]>
  clearOutbox(laneId: LaneId, entries: readonly string[]): Promise<void>
  priorityOf(laneId: LaneId, jobIds: readonly string[]): Promise<number[]>
  /**
   * Work that waits outside the lane, and is given to it bit by bit: 100,000 rows are then no 100,000 jobs. Entries are
   * `+job`.
   */
  backlog?: {
    read(laneId: LaneId, limit: number): Promise<{ batchId: string; entry: string }[]>
    clear(laneId: LaneId, given: readonly { batchId: string; entry: string }[]): Promise<void>
    /** When the next of it may start, by the clock of `now`; null when there is none. */
    nextAt(laneId: LaneId): Promise<number | null>
    priority: number
  }
  run: RunJob
}

export interface LaneOwnerOptions {
  redis: Redis
  subscriber: Redis
  /** Names this process among all workers. */
  ownerId: string
  maxLanes: number
  source: LaneSource
  onError(error: Error, laneId?: LaneId): void
  /** Unix milliseconds by the clock that all workers share: the schedule is kept by it. */
  now?(): number
  /** Milliseconds; shorter in tests. */
  idleCloseMs?: number
  turnMs?: number
}

interface Lease {
  /** Monotonic milliseconds: it lasts at least LEASE_MS longer. */
  renewedAt: number
  isLost: boolean
}

interface OpenLane {
  lane: Lane
  lease: Lease
  isClosing: boolean
  closed: Promise<void> | null
  openedAt: number
  /** Unix milliseconds at which it can do its next work, when last looked. */
  dueAt: number
  /** Jobs of the backlog that may wait in the lane. */
  feedAtMost: number
  drain(): Promise<void>
  tend(): Promise<void>
}

export type LaneOwner = ReturnType<typeof createLaneOwner>

/**
 * Takes leases on lanes that have work, opens them, and gives them back when they are idle, on hold, or when the
 * process stops.
 */
export function createLaneOwner({
  redis,
  subscriber,
  ownerId,
  maxLanes,
  source,
  onError,
  now = Date.now,
  idleCloseMs = IDLE_CLOSE_MS,
  turnMs = TURN_MS,
}: LaneOwnerOptions) {
  const leases = createLaneLeases(redis, ownerId)
  const schedule = createLaneSchedule(redis)
  const lanes = new Map<LaneId, OpenLane>()
  const waiting = createWaitingLanes(source)
  const openings = new Map<LaneId, { run(): Promise<void>; done: Promise<void> }>()
  const timers: NodeJS.Timeout[] = []
  let isStopping = false

  const guard = (work: Promise<unknown>, laneId?: LaneId): Promise<void> =>
    work.then(
      () => undefined,
      (error: unknown) => onError(error instanceof Error ? error : new Error(String(error)), laneId),
    )

  /** A lane of ours is looked at; any other is opened, if it is nobody's. */
  async function attend(laneId: LaneId): Promise<void> {
    const open = lanes.get(laneId)
    if (open) return open.drain()
    const opening = openings.get(laneId)
    if (opening) return opening.run()
    if (isStopping || lanes.size + openings.size >= maxLanes) return
    const run = onceAtATime(() => tryOpen(laneId))
    const done = guard(run(), laneId).finally(() => openings.delete(laneId))
    openings.set(laneId, { run, done })
    await done
  }

  async function tryOpen(laneId: LaneId): Promise<void> {
    if (isStopping || lanes.has(laneId)) return
    const lease: Lease = { renewedAt: performance.now(), isLost: false }
    const takenForMs = await leases.take(laneId)
    if (takenForMs > 0) return schedule.defer(laneId, now() + takenForMs)
    const pace = isStopping ? undefined : await source.pace(laneId)
    if (!pace) return letGo(laneId, null)
    const wait = await readLaneWait(redis, laneId, pace, now())
    // Nothing could leave it for long: its work waits as well outside.
    if (Math.max(wait.cooldownMs, wait.callInMs) > idleCloseMs) return letGo(laneId, null)
    const laterOnly = await findLaterOnly(laneId)
    if (laterOnly) return letGo(laneId, laterOnly)
    const lane = await openLane({
      redis,
      laneId,
      pace,
      run: source.run,
      isOurs: () => !lease.isLost && performance.now() - lease.renewedAt < LEASE_MS,
      onHold: () => beginClose(laneId),
      onError: (error) => onError(error, laneId),
      wait,
      now,
    }).catch(async (error: unknown) => {
      await leases.release(laneId)
      throw error
    })
    const open: OpenLane = {
      lane,
      lease,
      isClosing: false,
      closed: null,
      openedAt: performance.now(),
      dueAt: 0,
      feedAtMost: feedOf(pace),
      drain: onceAtATime(() => drain(laneId, open)),
      tend: onceAtATime(createTending(laneId, pace, () => open)),
    }
    lanes.set(laneId, open)
    // Not waited for: a long outbox must not keep other lanes from being opened.
    void guard(open.tend(), laneId)
  }

  /**
   * What a lane has whose rows all wait for a time far away, and nothing else: hundreds of them are woken by one upload,
   * and none needs a place. Undefined for any other, one without anything included: its work is about to be written.
   */
  async function findLaterOnly(laneId: LaneId): Promise<Backlog | undefined> {
    const outsideAt = await backlogAt(laneId)
    if (outsideAt === Infinity || outsideAt - Date.now() <= idleCloseMs) return undefined
    const [pending, jobs] = await Promise.all([source.readOutbox(laneId, 1), readJobs(redis, laneId)])
    const left = { ...jobs, opensAt: 0, isAtWork: false }
    return pending.length === 0 && dueAtOf(left, outsideAt, Date.now()) - Date.now() > idleCloseMs ? left : undefined
  }

  /**
   * Renews the lease and looks whether the lane is still as it should be. Never waits for the lane to close, since the
   * lease is needed until then.
   */
  function createTending(laneId: LaneId, pace: Pace, self: () => OpenLane): () => Promise<void> {
    let idleSince: number | null = null
    return async () => {
      const open = self()
      // Given back meanwhile: to renew the lease would be to take it again.
      if (lanes.get(laneId) !== open) return
      const askedAt = performance.now()
      if (!(await leases.renew(laneId))) return lose(laneId, open)
      open.lease.renewedAt = askedAt
      if (open.isClosing) return
      await schedule.defer(laneId, now() + LEASE_MS)
      const present = await source.pace(laneId)
      // On hold, or with other limits: closed, and opened anew if it may.
      if (!present || !isSamePace(present, pace)) return beginClose(laneId)
      await open.drain()
      open.dueAt = dueAtOf(await open.lane.backlog(), await backlogAt(laneId), Date.now())
      const isIdle = open.dueAt - Date.now() > idleCloseMs
      if (!isIdle) idleSince = null
      else if (idleSince === null) idleSince = performance.now()
      else if (performance.now() - idleSince >= idleCloseMs) beginClose(laneId)
    }
  }

  /**
   * Outbox → BullMQ. An entry goes only once its job is there; a crash between leaves it, and adding twice is adding
   * once.
   */
  async function drain(laneId: LaneId, open: OpenLane): Promise<void> {
    // One that is closing looks for work once more at its end.
    while (!open.isClosing) {
      const entries = await source.readOutbox(laneId, OUTBOX_CHUNK)
      if (entries.length === 0) return feed(laneId, open)
      const added = entries.filter((entry) => entry.startsWith('+')).map((entry) => entry.slice(1))
      const removed = entries.filter((entry) => entry.startsWith('-')).map((entry) => entry.slice(1))
      const priorities = await source.priorityOf(laneId, added)
      await open.lane.add(added.map((jobId, index) => ({ jobId, priority: priorities[index] ?? 0 })))
      open.dueAt = 0
      await open.lane.remove(removed)
      await source.clearOutbox(laneId, entries)
    }
  }

  /**
   * Keeps the lane in work for a few seconds: less, and a busy process would be late with more; more, and a pause or a
   * cancel would come too late for it.
   */
  async function feed(laneId: LaneId, open: OpenLane): Promise<void> {
    const { backlog } = source
    if (!backlog || open.isClosing) return
    const room = open.feedAtMost - (await open.lane.waitingAt(backlog.priority))
    if (room <= 0) return
    const given = await backlog.read(laneId, Math.min(room, OUTBOX_CHUNK))
    if (given.length === 0) return
    await open.lane.add(given.map(({ entry }) => ({ jobId: entry.slice(1), priority: backlog.priority })))
    await backlog.clear(laneId, given)
  }

  /** By this machine's clock, as a lane's delays are. */
  const backlogAt = async (laneId: LaneId): Promise<number> =>
    ((await source.backlog?.nextAt(laneId)) ?? Infinity) - now() + Date.now()

  function beginClose(laneId: LaneId): void {
    const open = lanes.get(laneId)
    if (open) void guard(close(laneId, open), laneId)
  }

  function close(laneId: LaneId, open: OpenLane): Promise<void> {
    open.isClosing = true
    open.lane.stopTaking()
    open.closed ??= (async () => {
      try {
        // A drain that waits for an absent Redis must not keep a lost lane from being cut off.
        if (!open.lease.isLost) await open.drain().catch(() => undefined)
        const left = await open.lane.close(open.lease.isLost)
        if (!open.lease.isLost) await letGo(laneId, left)
      } finally {
        lanes.delete(laneId)
        if (waiting.size > 0) void guard(lookOnce())
      }
    })()
    return open.closed
  }

  /** Somebody else may own the lane by now: nothing more is sent, and nothing of it is touched. */
  function lose(laneId: LaneId, open: OpenLane): void {
    open.lease.isLost = true
    open.lane.abandon()
    beginClose(laneId)
  }

  /**
   * The next owner finds the lane free before it hears of it, and on the schedule if there is anything to do. @param
   * left null: not known.
   */
  async function letGo(laneId: LaneId, left: Backlog | null): Promise<void> {
    await schedule.remove(laneId)
    if (await source.isGone?.(laneId)) await obliterateLane(redis, laneId)
    lanes.delete(laneId)
    await leases.release(laneId)
    // Asked only now: work or a resumption that came before has been taken off the schedule, and what comes later
    //   puts itself there.
    const [pace, pending, outsideAt] = await Promise.all([
      source.pace(laneId),
      source.readOutbox(laneId, 1),
      backlogAt(laneId),
    ])
    if (!pace) return
    const { cooldownMs, callInMs } = await readLaneWait(redis, laneId, pace, now())
    const opensAt = Date.now() + Math.max(cooldownMs, callInMs)
    const isDue = left === null || pending.length > 0
    const dueAt = isDue ? opensAt : dueAtOf({ ...left, opensAt, isAtWork: false }, outsideAt, Date.now())
    if (dueAt <= Date.now()) await schedule.wake(laneId)
    else if (dueAt < Infinity) await schedule.expect(laneId, Math.max(0, dueAt - Date.now() + now()))
  }

  /** Messages get lost while a connection is away; the schedule does not. */
  async function look(): Promise<void> {
    if (isStopping) return
    const due = await schedule.due(now(), LOOK_AT_MOST)
    const isOurs = (laneId: LaneId): boolean => lanes.has(laneId) || openings.has(laneId)
    await attendAll(due.filter(isOurs))
    const others = due.filter((laneId) => !isOurs(laneId))
    const free = maxLanes - lanes.size - openings.size
    waiting.note(others.length <= free ? [] : others)
    if (others.length <= free) return attendAll(others)
    const [lanesWaiting, lanesOpen] = [await waiting.view(), await viewOpen()]
    const chosen = lanesToOpen(lanesWaiting, lanesOpen, free)
    await attendAll(chosen)
    const left = lanesWaiting.filter(({ laneId }) => !chosen.includes(laneId))
    const closing = [...lanes.values()].filter(({ isClosing }) => isClosing).length
    for (const laneId of lanesToClose(left, lanesOpen, { closing, turnMs })) beginClose(laneId)
  }
  const lookOnce = onceAtATime(look)

  async function attendAll(laneIds: readonly LaneId[]): Promise<void> {
    for (let from = 0; from < laneIds.length; from += OPEN_AT_ONCE) {
      const group = laneIds.slice(from, from + OPEN_AT_ONCE)
      await Promise.all(group.map((laneId) => guard(attend(laneId), laneId)))
    }
  }

  async function viewOpen(): Promise<OpenLaneView[]> {
    const open = [...lanes].filter(([, { isClosing }]) => !isClosing)
    return Promise.all(
      open.map(async ([laneId, { lane, openedAt, dueAt }]) => ({
        laneId,
        tenantId: await waiting.tenantOf(laneId),
        openForMs: performance.now() - openedAt,
        dueInMs: lane.isAtWork() ? 0 : Math.max(0, dueAt - Date.now()),
      })),
    )
  }

  function hear(channel: string, message: string): void {
    if (isStopping) return
    const laneId = toLaneId(message)
    const open = lanes.get(laneId)
    if (channel === RELOAD_CHANNEL && open)
      void guard(
        open.lane.noticeEndOfCooldown().then(() => open.tend()),
        laneId,
      )
    // The least busy process gets there first.
    else if (channel === WAKE_CHANNEL)
      setTimeout(
        () => void guard(open || waiting.size === 0 ? attend(laneId) : takeTurn(laneId), laneId),
        open ? 0 : Math.min(lanes.size, 100),
      )
  }

  /** Others wait for a place already. A look costs more then: it is not hurried for a tenant that has lanes. */
  async function takeTurn(laneId: LaneId): Promise<void> {
    waiting.add(laneId)
    const tenantId = await waiting.tenantOf(laneId)
    const holders = await Promise.all([...lanes.keys()].map((laneId) => waiting.tenantOf(laneId)))
    if (!holders.includes(tenantId)) setTimeout(() => void guard(lookOnce()), FIRST_PATIENCE_MS)
  }

  return {
    async start(): Promise<void> {
      subscriber.on('message', hear)
      void guard(subscriber.subscribe(WAKE_CHANNEL, RELOAD_CHANNEL))
      timers.push(setInterval(() => void guard(lookOnce()), LOOK_EVERY_MS))
      timers.push(
        setInterval(() => {
          for (const [laneId, open] of lanes) void guard(open.tend(), laneId)
        }, RENEW_EVERY_MS),
      )
      timers.push(
        setInterval(() => {
          // Redis could not be asked for too long.
          for (const [laneId, open] of lanes)
            if (!open.lease.isLost && performance.now() - open.lease.renewedAt > LEASE_MS) lose(laneId, open)
        }, 1_000),
      )
      void guard(lookOnce())
    },
    openLanes: (): number => lanes.size,
    /**
     * Gives every lane back. Operations under way get `graceMs`; what is not done by then is cut off and left to the
     * next owner.
     */
    async stop(graceMs: number): Promise<void> {
      isStopping = true
      subscriber.off('message', hear)
      const graceful = (async () => {
        await Promise.all([...openings.values()].map(({ done }) => done))
        await Promise.all([...lanes].map(([laneId, open]) => guard(close(laneId, open), laneId)))
      })()
      if (!(await isDoneWithin(graceful, graceMs))) {
        for (const open of lanes.values()) open.lane.abandon()
        await isDoneWithin(graceful, CUT_OFF_MS)
      }
      // Until here, since leases are kept while operations end.
      timers.forEach(clearInterval)
    },
  }
}

/** A few seconds of work. */
const feedOf = (pace: Pace): number =>
  Math.max(
    MIN_FEED,
    2 * pace.concurrency,
    Math.ceil((FEED_SECONDS * pace.requests) / pace.perSeconds / pace.callsPerJob),
  )

const isSamePace = (a: Pace, b: Pace): boolean =>
  a.requests === b.requests &&
  a.perSeconds === b.perSeconds &&
  a.concurrency === b.concurrency &&
  a.callsPerJob === b.callsPerJob

async function isDoneWithin(work: Promise<void>, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds)
  })
  const isDone = await Promise.race([work.then(() => true), late])
  clearTimeout(timer)
  return isDone
}
