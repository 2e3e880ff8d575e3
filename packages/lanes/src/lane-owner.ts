import type { Redis } from 'ioredis'
import { RELOAD_CHANNEL, WAKE_CHANNEL } from './lane-keys.ts'
import { createLaneLeases, LEASE_MS } from './lane-lease.ts'
import { createLaneSchedule } from './lane-schedule.ts'
import { openLane, type Lane, type RunJob } from './lane.ts'
import type { Pace } from './pace.ts'

const RENEW_EVERY_MS = 3_000
const LOOK_EVERY_MS = 500
/** A lane with nothing to do for so long is closed: it costs half a megabyte and a connection. */
const IDLE_CLOSE_MS = 15_000
const OUTBOX_CHUNK = 1_000
const LOOK_AT_MOST = 200
/** What operations cut off at the end of the grace time get to write their state. */
const CUT_OFF_MS = 3_000

/** Where the lane hears of its work. */
export interface LaneSource {
  /** The lane's pace, or undefined while the account is on hold or gone: then it is not opened. */
  pace(accountId: string): Promise<Pace | undefined>
  /** Entries of the outbox, most urgent first: `+job` to add, `-job` to remove. */
  readOutbox(accountId: string, limit: number): Promise<string[]>
  clearOutbox(accountId: string, entries: readonly string[]): Promise<void>
  priorityOf(accountId: string, jobIds: readonly string[]): Promise<number[]>
  run: RunJob
}

export interface LaneOwnerOptions {
  redis: Redis
  subscriber: Redis
  /** Names this process among all workers. */
  ownerId: string
  maxLanes: number
  source: LaneSource
  onError(error: Error, accountId?: string): void
}

interface OpenLane {
  lane: Lane
  idleSince: number | null
  draining: Promise<void> | null
  drainAgain: boolean
  closing: boolean
  renewedAt: number
}

export type LaneOwner = ReturnType<typeof createLaneOwner>

/** Takes leases on lanes that have work, opens them, and gives them back when they are idle, on hold, or when the process stops. */
export function createLaneOwner({ redis, subscriber, ownerId, maxLanes, source, onError }: LaneOwnerOptions) {
  const leases = createLaneLeases(redis, ownerId)
  const schedule = createLaneSchedule(redis)
  const lanes = new Map<string, OpenLane>()
  const opening = new Set<string>()
  let isStopping = false
  let looking = false
  const timers: NodeJS.Timeout[] = []

  const guard = (work: Promise<unknown>, accountId?: string): void => {
    work.catch((error: unknown) => onError(error instanceof Error ? error : new Error(String(error)), accountId))
  }

  async function tryOpen(accountId: string): Promise<void> {
    if (isStopping || lanes.has(accountId) || opening.has(accountId) || lanes.size >= maxLanes) return
    opening.add(accountId)
    try {
      if (!(await leases.take(accountId))) return await schedule.defer(accountId, Date.now() + LEASE_MS / 2)
      const pace = await source.pace(accountId)
      if (!pace || isStopping) {
        // On hold: whoever resumes the account wakes the lane.
        if (!pace) await schedule.remove(accountId)
        return await leases.release(accountId)
      }
      const lane = await openLane({ redis, accountId, pace, run: source.run, onHold: () => guard(close(accountId, 'hold'), accountId), onError: (error) => onError(error, accountId) })
      lanes.set(accountId, { lane, idleSince: null, draining: null, drainAgain: false, closing: false, renewedAt: Date.now() })
      await schedule.defer(accountId, Date.now() + LEASE_MS)
      await drain(accountId)
    } finally {
      opening.delete(accountId)
    }
  }

  /** Outbox → BullMQ. An entry goes only once its job is there; a crash between leaves it, and adding twice is adding once. */
  function drain(accountId: string): Promise<void> {
    const open = lanes.get(accountId)
    if (!open || open.closing) return Promise.resolve()
    if (open.draining) {
      open.drainAgain = true
      return open.draining
    }
    const work = async (): Promise<void> => {
      do {
        open.drainAgain = false
        const entries = await source.readOutbox(accountId, OUTBOX_CHUNK)
        if (entries.length === 0) continue
        const added = entries.filter((entry) => entry.startsWith('+')).map((entry) => entry.slice(1))
        const removed = entries.filter((entry) => entry.startsWith('-')).map((entry) => entry.slice(1))
        const priorities = await source.priorityOf(accountId, added)
        await open.lane.add(added.map((jobId, index) => ({ jobId, priority: priorities[index] ?? 0 })))
        await open.lane.remove(removed)
        await source.clearOutbox(accountId, entries)
        open.idleSince = null
        open.drainAgain = true
      } while (open.drainAgain && !open.closing)
    }
    open.draining = work().finally(() => {
      open.draining = null
    })
    return open.draining
  }

  async function close(accountId: string, reason: 'hold' | 'idle' | 'lost' | 'reload' | 'stop', nextAt: number | null = null): Promise<void> {
    const open = lanes.get(accountId)
    if (!open || open.closing) return
    open.closing = true
    await open.draining?.catch(() => undefined)
    await open.lane.close(reason === 'lost').catch((error: unknown) => onError(error as Error, accountId))
    lanes.delete(accountId)
    if (reason === 'lost') return
    if (reason === 'stop') await schedule.wake(accountId)
    else if (nextAt === null) await schedule.remove(accountId)
    else await schedule.defer(accountId, nextAt)
    await leases.release(accountId)
    if (reason === 'stop') return
    // Work or a resumption that came in between has been taken off the schedule just now.
    const [pending, pace] = await Promise.all([source.readOutbox(accountId, 1), source.pace(accountId)])
    if (pace && (pending.length > 0 || reason === 'hold' || reason === 'reload')) await schedule.wake(accountId)
  }

  async function tend(accountId: string, open: OpenLane): Promise<void> {
    const askedAt = Date.now()
    const isOurs = await leases.renew(accountId)
    if (!isOurs) return close(accountId, 'lost')
    open.renewedAt = askedAt
    await schedule.defer(accountId, askedAt + LEASE_MS)
    await drain(accountId)
    const backlog = await open.lane.backlog()
    const now = Date.now()
    const isIdle = backlog.ready === 0 && backlog.active === 0 && (backlog.nextAt === null || backlog.nextAt - now > IDLE_CLOSE_MS)
    if (!isIdle) open.idleSince = null
    else if (open.idleSince === null) open.idleSince = now
    else if (now - open.idleSince >= IDLE_CLOSE_MS) await close(accountId, 'idle', backlog.nextAt)
  }

  async function look(): Promise<void> {
    if (looking || isStopping) return
    looking = true
    try {
      for (const accountId of await schedule.due(Date.now(), LOOK_AT_MOST)) await tryOpen(accountId)
    } finally {
      looking = false
    }
  }

  return {
    async start(): Promise<void> {
      subscriber.on('message', (channel: string, accountId: string) => {
        if (isStopping) return
        if (channel === RELOAD_CHANNEL) return guard(close(accountId, 'reload'), accountId)
        if (channel !== WAKE_CHANNEL) return
        if (lanes.has(accountId)) return guard(drain(accountId), accountId)
        // The least busy process gets there first.
        setTimeout(() => guard(tryOpen(accountId), accountId), Math.min(lanes.size, 100))
      })
      guard(subscriber.subscribe(WAKE_CHANNEL, RELOAD_CHANNEL))
      timers.push(setInterval(() => guard(look()), LOOK_EVERY_MS))
      timers.push(
        setInterval(() => {
          for (const [accountId, open] of lanes) if (!open.closing) guard(tend(accountId, open), accountId)
        }, RENEW_EVERY_MS),
      )
      timers.push(
        setInterval(() => {
          // Redis could not be asked for too long: somebody else may own the lane, so nothing more is sent.
          for (const [accountId, open] of lanes) if (!open.closing && Date.now() - open.renewedAt > LEASE_MS) guard(close(accountId, 'lost'), accountId)
        }, 1_000),
      )
      guard(look())
    },
    openLanes: (): number => lanes.size,
    /** Gives every lane back. Operations under way get `graceMs`; what is not done by then is left to the next owner. */
    async stop(graceMs: number): Promise<void> {
      isStopping = true
      timers.forEach(clearInterval)
      const renewing = setInterval(() => {
        for (const accountId of lanes.keys()) guard(leases.renew(accountId), accountId)
      }, RENEW_EVERY_MS)
      const graceful = Promise.all([...lanes.keys()].map((accountId) => close(accountId, 'stop')))
      let timer: NodeJS.Timeout | undefined
      const deadline = new Promise<'late'>((resolve) => {
        timer = setTimeout(() => resolve('late'), graceMs)
      })
      if ((await Promise.race([graceful, deadline])) === 'late') {
        // Cuts off what is under way, which then hands itself back; what was sent is looked up by the next owner.
        for (const open of lanes.values()) guard(open.lane.close(true))
        await Promise.race([graceful, new Promise((resolve) => setTimeout(resolve, CUT_OFF_MS).unref())])
      }
      clearTimeout(timer)
      clearInterval(renewing)
    },
  }
}
