import { toLaneId, type LaneId } from '@muster/domain/lane-id'
import type { Redis } from 'ioredis'
import { readLaneWait } from './lane-cooldown.ts'
import { RELOAD_CHANNEL, WAKE_CHANNEL } from './lane-keys.ts'
import { createLaneLeases } from './lane-lease.ts'
import { findLaterOnly, releaseLane, type LaneContext } from './lane-release.ts'
import { createLaneSchedule } from './lane-schedule.ts'
import type { LaneSource } from './lane-source.ts'
import { FIRST_PATIENCE_MS, lanesToClose, lanesToOpen, type OpenLaneView } from './lane-turns.ts'
import { onceAtATime } from './once-at-a-time.ts'
import { HeldLease, OwnedLane } from './owned-lane.ts'
import { createWaitingLanes, type WaitingLanes } from './waiting-lanes.ts'

const MAINTAIN_EVERY_MS = 1_000
const LOOK_EVERY_MS = 500
/** A lane with nothing to do for so long is closed: it costs half a megabyte and a connection. */
const IDLE_CLOSE_MS = 15_000
/** More than the lanes of a few tenants, so that due lanes of others are not hidden behind them. */
const LOOK_AT_MOST = 10_000
/** Under the cap, a lane stays open at least this long before another gets its turn. */
const TURN_MS = 5_000
const OPEN_AT_ONCE = 16
/** For operations that the end of the grace time cuts off to write their state. */
const CUT_OFF_MS = 3_000

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

interface Opening {
  run(): Promise<void>
  done: Promise<void>
}

/**
 * Takes leases on lanes that have work, opens them, and gives them back when they are idle, on hold, or when the
 * process stops.
 */
export class LaneOwner {
  readonly #subscriber: Redis
  readonly #maxLanes: number
  readonly #turnMs: number
  readonly #context: LaneContext
  readonly #lanes = new Map<LaneId, OwnedLane>()
  readonly #openings = new Map<LaneId, Opening>()
  readonly #waiting: WaitingLanes
  readonly #timers: NodeJS.Timeout[] = []
  /** Messages are lost while a connection is away; the schedule is not. */
  readonly #look: () => Promise<void> = onceAtATime(() => this.#lookOnce())
  #isStopping = false

  constructor(options: LaneOwnerOptions) {
    const { redis, source, onError } = options
    this.#subscriber = options.subscriber
    this.#maxLanes = options.maxLanes
    this.#turnMs = options.turnMs ?? TURN_MS
    this.#waiting = createWaitingLanes(source)
    this.#context = {
      redis,
      leases: createLaneLeases(redis, options.ownerId),
      schedule: createLaneSchedule(redis),
      source,
      now: options.now ?? Date.now,
      idleCloseMs: options.idleCloseMs ?? IDLE_CLOSE_MS,
      onError: (error, laneId) => onError(error instanceof Error ? error : new Error(String(error)), laneId),
    }
  }

  start(): void {
    this.#subscriber.on('message', this.#hear)
    void this.#guard(this.#subscriber.subscribe(WAKE_CHANNEL, RELOAD_CHANNEL))
    this.#timers.push(
      setInterval(() => void this.#guard(this.#look()), LOOK_EVERY_MS),
      setInterval(() => this.#maintain(), MAINTAIN_EVERY_MS),
    )
    void this.#guard(this.#look())
  }

  openLanes(): number {
    return this.#lanes.size
  }

  /**
   * Gives every lane back. Operations under way get `graceMs`; what is not done by then is cut off and left to the next
   * owner.
   */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true
    this.#subscriber.off('message', this.#hear)
    const graceful = this.#closeAll()
    if (!(await isDoneWithin(graceful, graceMs))) {
      for (const owned of this.#lanes.values()) owned.abandon()
      await isDoneWithin(graceful, CUT_OFF_MS)
    }
    // Until here, since leases are kept while operations end.
    this.#timers.forEach(clearInterval)
  }

  async #closeAll(): Promise<void> {
    await Promise.all([...this.#openings.values()].map(({ done }) => done))
    await Promise.all([...this.#lanes].map(([laneId, owned]) => this.#guard(owned.close(), laneId)))
  }

  #guard(work: Promise<unknown>, laneId?: LaneId): Promise<void> {
    return work.then(
      () => undefined,
      (error: unknown) => this.#context.onError(error, laneId),
    )
  }

  #maintain(): void {
    for (const [laneId, owned] of this.#lanes) {
      if (!owned.lease.isLost && owned.lease.isOverdue) owned.lose()
      else void this.#guard(owned.maintain(), laneId)
    }
  }

  /** A lane of ours is drained; any other is opened, if no other process has it. */
  async #attend(laneId: LaneId): Promise<void> {
    const owned = this.#lanes.get(laneId)
    if (owned) return owned.drain()
    const opening = this.#openings.get(laneId)
    if (opening) return opening.run()
    if (this.#isStopping || this.#lanes.size + this.#openings.size >= this.#maxLanes) return
    const run = onceAtATime(() => this.#tryOpen(laneId))
    const done = this.#guard(run(), laneId).finally(() => this.#openings.delete(laneId))
    this.#openings.set(laneId, { run, done })
    await done
  }

  async #tryOpen(laneId: LaneId): Promise<void> {
    const { redis, leases, schedule, source, now, idleCloseMs } = this.#context
    if (this.#isStopping || this.#lanes.has(laneId)) return
    const lease = new HeldLease()
    const takenForMs = await leases.take(laneId)
    if (takenForMs > 0) return schedule.defer(laneId, now() + takenForMs)
    const pace = this.#isStopping ? undefined : await source.pace(laneId)
    if (!pace) return releaseLane(this.#context, laneId, null)
    const wait = await readLaneWait(redis, laneId, pace, now())
    // Nothing could leave it for long: its work can wait outside.
    if (Math.max(wait.cooldownMs, wait.callInMs) > idleCloseMs) return releaseLane(this.#context, laneId, null)
    const laterOnly = await findLaterOnly(this.#context, laneId)
    if (laterOnly) return releaseLane(this.#context, laneId, laterOnly)
    const options = {
      laneId,
      pace,
      wait,
      lease,
      onGone: () => void this.#lanes.delete(laneId),
      onClosed: () => this.#offerTurn(),
    }
    const owned = await OwnedLane.open(this.#context, options).catch(async (error: unknown) => {
      await leases.release(laneId)
      throw error
    })
    this.#lanes.set(laneId, owned)
    // Not awaited: a long outbox must not keep other lanes from being opened.
    void this.#guard(owned.maintain(), laneId)
  }

  async #lookOnce(): Promise<void> {
    if (this.#isStopping) return
    const due = await this.#context.schedule.due(this.#context.now(), LOOK_AT_MOST)
    const isOurs = (laneId: LaneId): boolean => this.#lanes.has(laneId) || this.#openings.has(laneId)
    await this.#attendAll(due.filter(isOurs))
    const others = due.filter((laneId) => !isOurs(laneId))
    const free = this.#maxLanes - this.#lanes.size - this.#openings.size
    this.#waiting.note(others.length <= free ? [] : others)
    if (others.length <= free) return this.#attendAll(others)
    await this.#shareTurns(free)
  }

  /** More lanes are due than may be open. */
  async #shareTurns(free: number): Promise<void> {
    const [waiting, open] = [await this.#waiting.view(), await this.#viewOpen()]
    const chosen = lanesToOpen(waiting, open, free)
    await this.#attendAll(chosen)
    const left = waiting.filter(({ laneId }) => !chosen.includes(laneId))
    const closing = [...this.#lanes.values()].filter(({ isClosing }) => isClosing).length
    for (const laneId of lanesToClose(left, open, { closing, turnMs: this.#turnMs }))
      this.#lanes.get(laneId)?.beginClose()
  }

  async #attendAll(laneIds: readonly LaneId[]): Promise<void> {
    for (let from = 0; from < laneIds.length; from += OPEN_AT_ONCE) {
      const group = laneIds.slice(from, from + OPEN_AT_ONCE)
      await Promise.all(group.map((laneId) => this.#guard(this.#attend(laneId), laneId)))
    }
  }

  #viewOpen(): Promise<OpenLaneView[]> {
    const open = [...this.#lanes].filter(([, { isClosing }]) => !isClosing)
    return Promise.all(
      open.map(async ([laneId, owned]) => ({
        laneId,
        tenantId: await this.#waiting.tenantOf(laneId),
        openForMs: performance.now() - owned.openedAt,
        dueInMs: owned.isAtWork ? 0 : Math.max(0, owned.dueAt - Date.now()),
      })),
    )
  }

  readonly #hear = (channel: string, message: string): void => {
    if (this.#isStopping) return
    const laneId = toLaneId(message)
    const owned = this.#lanes.get(laneId)
    if (channel === RELOAD_CHANNEL && owned) void this.#guard(owned.reload(), laneId)
    else if (channel === WAKE_CHANNEL) {
      // The least busy process gets there first.
      const delayMs = owned ? 0 : Math.min(this.#lanes.size, 100)
      setTimeout(() => void this.#guard(this.#wake(laneId, owned !== undefined), laneId), delayMs)
    }
  }

  #wake(laneId: LaneId, wasOurs: boolean): Promise<void> {
    return wasOurs || this.#waiting.size === 0 ? this.#attend(laneId) : this.#waitForTurn(laneId)
  }

  /** Other lanes wait already, and a look is expensive then: only for a tenant that has no lane it is made early. */
  async #waitForTurn(laneId: LaneId): Promise<void> {
    this.#waiting.add(laneId)
    const tenantId = await this.#waiting.tenantOf(laneId)
    const holders = await Promise.all([...this.#lanes.keys()].map((open) => this.#waiting.tenantOf(open)))
    if (!holders.includes(tenantId)) setTimeout(() => void this.#guard(this.#look()), FIRST_PATIENCE_MS)
  }

  /** A lane has closed. */
  #offerTurn(): void {
    if (this.#waiting.size > 0) void this.#guard(this.#look())
  }
}

async function isDoneWithin(work: Promise<void>, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds)
  })
  const isDone = await Promise.race([work.then(() => true), late])
  clearTimeout(timer)
  return isDone
}
