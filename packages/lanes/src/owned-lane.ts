import type { LaneId } from '@muster/domain/lane-id'
import type { LaneWait } from './lane-cooldown.ts'
import { LEASE_MS } from './lane-lease.ts'
import { readBacklogAt, releaseLane, type LaneContext } from './lane-release.ts'
import { dueAtOf } from './lane-turns.ts'
import { Lane } from './lane.ts'
import { onceAtATime } from './once-at-a-time.ts'
import type { Pace } from './pace.ts'

const OUTBOX_CHUNK = 1_000
const FEED_SECONDS = 4
const MIN_FEED = 10

/** A lease as its holder knows it without asking. */
export class HeldLease {
  /** Monotonic milliseconds: it lasts at least LEASE_MS longer. */
  renewedAt = performance.now()
  isLost = false

  get isOurs(): boolean {
    return !this.isLost && !this.isOverdue
  }

  /** Redis could not be asked for too long. */
  get isOverdue(): boolean {
    return performance.now() - this.renewedAt >= LEASE_MS
  }
}

export interface OwnedLaneOptions {
  laneId: LaneId
  pace: Pace
  wait: LaneWait
  lease: HeldLease
  /** The lane is not ours any more. */
  onGone(): void
  /** It has closed. */
  onClosed(): void
}

/** A lane that this process has the lease of: fed from its outbox and backlog, renewed, and given back. */
export class OwnedLane {
  readonly lease: HeldLease
  readonly openedAt = performance.now()
  /** Unix milliseconds at which it can do its next work, when last looked. */
  dueAt = 0
  readonly #context: LaneContext
  readonly #options: OwnedLaneOptions
  readonly #lane: Lane
  #isClosing = false
  #isGone = false
  #closed: Promise<void> | null = null
  #idleSince: number | null = null

  /** Moves work into the lane. */
  readonly drain: () => Promise<void> = onceAtATime(() => this.#drain())
  /** Renews the lease, and closes the lane where it is idle, on hold, or has another pace. */
  readonly maintain: () => Promise<void> = onceAtATime(() => this.#maintain())

  static async open(context: LaneContext, options: OwnedLaneOptions): Promise<OwnedLane> {
    const { laneId, pace, wait, lease } = options
    const { redis, source, now, onError } = context
    let owned: OwnedLane | undefined
    const lane = await Lane.open({
      redis,
      laneId,
      pace,
      run: source.run,
      isOurs: () => lease.isOurs,
      onHold: () => owned?.beginClose(),
      onError: (error) => onError(error, laneId),
      wait,
      now,
    })
    owned = new OwnedLane(context, options, lane)
    return owned
  }

  private constructor(context: LaneContext, options: OwnedLaneOptions, lane: Lane) {
    this.#context = context
    this.#options = options
    this.#lane = lane
    this.lease = options.lease
  }

  get isClosing(): boolean {
    return this.#isClosing
  }

  get isAtWork(): boolean {
    return this.#lane.isAtWork
  }

  /** Never waits for the lane to close, since the lease is needed until then. */
  async #maintain(): Promise<void> {
    const { laneId, pace } = this.#options
    const { leases, schedule, source, now } = this.#context
    // Given back meanwhile: renewing the lease would take it again.
    if (this.#isGone) return
    const askedAt = performance.now()
    if (!(await leases.renew(laneId))) return this.lose()
    this.lease.renewedAt = askedAt
    if (this.#isClosing) return
    await schedule.defer(laneId, now() + LEASE_MS)
    const present = await source.pace(laneId)
    // On hold, or with other limits: closed, and opened again if it may.
    if (!present || !isSamePace(present, pace)) return this.beginClose()
    await this.drain()
    await this.#closeWhenIdle()
  }

  async #closeWhenIdle(): Promise<void> {
    const { idleCloseMs } = this.#context
    const outsideAt = await readBacklogAt(this.#context, this.#options.laneId)
    this.dueAt = dueAtOf(await this.#lane.backlog(), outsideAt, Date.now())
    if (this.dueAt - Date.now() <= idleCloseMs) this.#idleSince = null
    else if (this.#idleSince === null) this.#idleSince = performance.now()
    else if (performance.now() - this.#idleSince >= idleCloseMs) this.beginClose()
  }

  /** An entry leaves the outbox only once its job is there: a crash between repeats it, and adding twice adds once. */
  async #drain(): Promise<void> {
    const { laneId } = this.#options
    const { source } = this.#context
    // A lane that closes looks for work once more at its end.
    while (!this.#isClosing) {
      const entries = await source.readOutbox(laneId, OUTBOX_CHUNK)
      if (entries.length === 0) return this.#feed()
      const added = entries.filter((entry) => entry.startsWith('+')).map((entry) => entry.slice(1))
      const removed = entries.filter((entry) => entry.startsWith('-')).map((entry) => entry.slice(1))
      const priorities = await source.priorityOf(laneId, added)
      await this.#lane.add(added.map((jobId, index) => ({ jobId, priority: priorities[index] ?? 0 })))
      this.dueAt = 0
      await this.#lane.remove(removed)
      await source.clearOutbox(laneId, entries)
    }
  }

  /**
   * Keeps a few seconds of work in the lane. With less, a busy process would be late with more; with more, a pause or a
   * cancel would come too late for it.
   */
  async #feed(): Promise<void> {
    const { laneId, pace } = this.#options
    const { backlog } = this.#context.source
    if (!backlog || this.#isClosing) return
    const room = feedOf(pace) - (await this.#lane.waitingAt(backlog.priority))
    if (room <= 0) return
    const given = await backlog.read(laneId, Math.min(room, OUTBOX_CHUNK))
    if (given.length === 0) return
    await this.#lane.add(given.map(({ entry }) => ({ jobId: entry.slice(1), priority: backlog.priority })))
    await backlog.clear(laneId, given)
  }

  /** Its pace or status may have changed, or its cooldown was ended. */
  async reload(): Promise<void> {
    await this.#lane.noticeEndOfCooldown()
    await this.maintain()
  }

  beginClose(): void {
    this.close().catch((error: unknown) => this.#context.onError(error, this.#options.laneId))
  }

  close(): Promise<void> {
    this.#isClosing = true
    this.#lane.stopTaking()
    this.#closed ??= this.#close().finally(() => {
      this.#leave()
      this.#options.onClosed()
    })
    return this.#closed
  }

  async #close(): Promise<void> {
    // A drain that waits for an absent Redis must not keep a lost lane from being cut off.
    if (!this.lease.isLost) await this.drain().catch(() => undefined)
    const left = await this.#lane.close(this.lease.isLost)
    if (!this.lease.isLost) await releaseLane(this.#context, this.#options.laneId, left, () => this.#leave())
  }

  /** Once: the lane may have been opened again before its release ends. */
  #leave(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#options.onGone()
  }

  abandon(): void {
    this.#lane.abandon()
  }

  /** Another process may own the lane by now: nothing more is sent, and nothing of it is touched. */
  lose(): void {
    this.lease.isLost = true
    this.abandon()
    this.beginClose()
  }
}

/** A few seconds of work. */
function feedOf({ requests, perSeconds, concurrency, callsPerJob }: Pace): number {
  const jobs = Math.ceil((FEED_SECONDS * requests) / perSeconds / callsPerJob)
  return Math.max(MIN_FEED, 2 * concurrency, jobs)
}

const isSamePace = (a: Pace, b: Pace): boolean =>
  a.requests === b.requests &&
  a.perSeconds === b.perSeconds &&
  a.concurrency === b.concurrency &&
  a.callsPerJob === b.callsPerJob
