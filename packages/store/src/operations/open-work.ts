import { BoundReachedError, defaultLimits, type BoundName, type Limits } from '@muster/contracts/bounds'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'
import { defineScript } from '../redis/script.ts'

const MIB = 1024 * 1024
const DAY_MS = 86_400_000
/** Counting a tenant again, which has all it may, takes at most this share of the time, however often it asks. */
const RECOUNT_SHARE = 1 / 10
const RECOUNT_AT_LEAST_EVERY_MS = 50

/**
 * The counts of an account share its hash slot, so the script that makes a change also counts it. Scripts that open
 * or end an operation start with this. Their number is derived from the index and cannot drift; the bytes reset to 0
 * when nothing is open. Subtracting from 0 avoids -0, which Redis rejects: earlier versions stored no bytes.
 */
export const OPEN_WORK = `
local function opened(work, operation, bytes)
  redis.call('HSET', operation, 'bytes', bytes)
  redis.call('HINCRBY', work, 'bytes', bytes)
  redis.call('HINCRBY', work, 'changes', 1)
end
local function ended(work, open, operation)
  redis.call('HINCRBY', work, 'bytes', 0 - (tonumber(redis.call('HGET', operation, 'bytes')) or 0))
  if redis.call('ZCARD', open) == 0 then redis.call('HSET', work, 'bytes', 0) end
  redis.call('HDEL', operation, 'bytes')
  redis.call('HINCRBY', work, 'changes', 1)
end
local function figures(work, open)
  local bytes, changes = unpack(redis.call('HMGET', work, 'bytes', 'changes'))
  return {redis.call('ZCARD', open), tonumber(bytes) or 0, tonumber(changes) or 0}
end
`

/** Of one account: `OpenFigures`. */
const figuresScript = defineScript({ keys: ['work', 'open'], lua: `${OPEN_WORK}return figures(work, open)` })

/**
 * What is being accepted is held beside the total until it is reported: for half a minute at least, a minute at most,
 * so that a process that dies in between takes no room for ever.
 */
const RESERVED = `
local function reserved(period)
  local at, count, bytes = string.match(redis.call('HGET', work, 'reserved:' .. period % 2) or '', '(%d+) (%d+) (%d+)')
  if tonumber(at) == period then return tonumber(count), tonumber(bytes), true end
  return 0, 0, false
end
local function reserve(period, count, bytes)
  local before, bytesBefore = reserved(period)
  redis.call('HSET', work, 'reserved:' .. period % 2,
    string.format('%d %d %d', period, math.max(0, before + count), math.max(0, bytesBefore + bytes)))
end
`

/**
 * Of the tenant's work. Answers the half minute of the reservation, or the name of the bound that has been reached.
 * `days` is how long something is kept.
 */
const reserveScript = defineScript({
  keys: ['work'],
  args: ['count', 'bytes', 'most', 'mostBytes', 'days', 'mostKept'],
  lua: `${RESERVED}
local now = tonumber(redis.call('TIME')[1])
local period, today = math.floor(now / 30), math.floor(now / 86400)
local open, openBytes, kept, day = unpack(redis.call('HMGET', work, 'count', 'bytes', 'kept', 'day'))
local one, oneBytes = reserved(period)
local other, otherBytes = reserved(period - 1)
if (tonumber(open) or 0) + one + other + count > tonumber(most) then return 'openOperations' end
if (tonumber(openBytes) or 0) + oneBytes + otherBytes + bytes > tonumber(mostBytes) then return 'openMegabytes' end
kept = tonumber(kept) or 0
-- What was accepted so long ago has left.
for over = (tonumber(day) or today) - days, today - days - 1 do
  kept = kept - (tonumber(redis.call('HGET', work, 'day:' .. over)) or 0)
  redis.call('HDEL', work, 'day:' .. over)
end
if kept + bytes > tonumber(mostKept) then return 'keptMegabytes' end
redis.call('HSET', work, 'day', today, 'kept', kept + bytes)
redis.call('HINCRBY', work, 'day:' .. today, bytes)
reserve(period, count, bytes)
return period
`,
})

/**
 * What became of a reservation, and what each account has open. Figures are whole and numbered, so that a report that
 * comes late, twice or never leaves no difference behind.
 */
const reportScript = defineScript({
  keys: ['work'],
  args: ['reservedIn', 'reservedCount', 'reservedBytes', 'unusedBytes'],
  item: { args: ['account', 'count', 'bytes', 'changes'] },
  lua: (forEachItem) => `${RESERVED}
local period = tonumber(reservedIn)
-- Unless its time was over.
if select(3, reserved(period)) then reserve(period, -reservedCount, -reservedBytes) end
if tonumber(unusedBytes) > 0 then
  local day = 'day:' .. (redis.call('HGET', work, 'day') or 0)
  redis.call('HINCRBY', work, 'kept', -unusedBytes)
  redis.call('HINCRBY', work, day, -unusedBytes)
end
${forEachItem(`
  local before = redis.call('HGET', work, 'account:' .. account) or '0 0 0'
  local seen, countBefore, bytesBefore = string.match(before, '(%d+) (%d+) (%d+)')
  -- The same number is the same figures, but for what was open before there were any.
  if tonumber(changes) >= tonumber(seen) then
    redis.call('HSET', work, 'account:' .. account, changes .. ' ' .. count .. ' ' .. bytes)
    redis.call('HINCRBY', work, 'count', count - countBefore)
    redis.call('HINCRBY', work, 'bytes', bytes - bytesBefore)
  end
`)}
`,
})

/** The account was removed, and with it what it had open. */
const forgetScript = defineScript({
  keys: ['work'],
  args: ['account'],
  lua: `
local _, count, bytes = string.match(redis.call('HGET', work, 'account:' .. account) or '', '(%d+) (%d+) (%d+)')
if not count then return end
redis.call('HDEL', work, 'account:' .. account)
redis.call('HINCRBY', work, 'count', 0 - count)
redis.call('HINCRBY', work, 'bytes', 0 - bytes)
`,
})

/** Unfinished operations of an account, their bytes, and the number of the change that made it so. */
export type OpenFigures = [count: number, bytes: number, changes: number]

export interface Reservation {
  period: number
  count: number
  bytes: number
}

interface OpenWorkOptions {
  redis: Redis
  retentionMs: number
  limits?: Limits
}

/**
 * How much unfinished work a tenant has. Each account has a hash slot of its own, and each script counts there; the
 * total lies beside, made of what the accounts report. Accepting reserves first: of many creates at the same moment no
 * more get in than there is room for. An end is reported with the next acceptance at its account, or when the tenant
 * has all it may and is counted again.
 */
export class OpenWork {
  readonly #redis: Redis
  readonly #limits: Limits
  readonly #bounds: { most: number; mostBytes: number; days: number; mostKept: number }
  readonly #recounts = new Map<string, Promise<void>>()

  constructor({ redis, retentionMs, limits = defaultLimits }: OpenWorkOptions) {
    this.#redis = redis
    this.#limits = limits
    this.#bounds = {
      most: limits.openOperations,
      mostBytes: limits.openMegabytes * MIB,
      days: Math.ceil(retentionMs / DAY_MS),
      mostKept: limits.keptMegabytes * MIB,
    }
  }

  /** Room for so many, of so many bytes, before they are accepted. @throws BoundReachedError */
  async reserve(tenantId: string, count: number, bytes: number): Promise<Reservation> {
    const ask = (): Promise<unknown> =>
      reserveScript(this.#redis, { work: keys.tenantOpenWork(tenantId), count, bytes, ...this.#bounds })
    let answer = await ask()
    if (typeof answer === 'string') {
      await this.#recountAtMostOften(tenantId)
      answer = await ask()
    }
    if (typeof answer === 'string') throw new BoundReachedError(answer as BoundName, this.#limits[answer as BoundName])
    return { period: Number(answer), count, bytes }
  }

  /**
   * What became of a reservation: the accounts it was used at, and how many of its bytes were not. Nothing waits for
   * it.
   */
  settle(
    tenantId: string,
    reservation: Reservation,
    figures: ReadonlyMap<string, OpenFigures>,
    unusedBytes = figures.size === 0 ? reservation.bytes : 0,
  ): void {
    this.#report(tenantId, figures, reservation, unusedBytes).catch(() => undefined)
  }

  /** So many bytes are written besides, that are kept as long as what is accepted. @throws BoundReachedError */
  async keep(tenantId: string, bytes: number): Promise<void> {
    this.settle(tenantId, await this.reserve(tenantId, 0, bytes), new Map(), 0)
  }

  /** Whether there is room for so many at the moment. @throws BoundReachedError */
  async check(tenantId: string, count = 1): Promise<void> {
    this.settle(tenantId, await this.reserve(tenantId, count, 0), new Map())
  }

  /** An account's figures as they are now, for the total. */
  async reportAccount(tenantId: string, accountId: string): Promise<void> {
    const figures = await figuresScript(this.#redis, {
      work: keys.openWork(accountId),
      open: keys.openOperations(accountId),
    })
    await this.#report(tenantId, new Map([[accountId, figures as OpenFigures]]))
  }

  /** Every account of the tenant reports, and what is gone leaves the total. */
  async recount(tenantId: string): Promise<void> {
    const [accountIds, fields] = await Promise.all([
      this.#redis.smembers(keys.tenantAccounts(tenantId)),
      this.#redis.hkeys(keys.tenantOpenWork(tenantId)),
    ])
    const calls = accountIds.map((id) => ({ work: keys.openWork(id), open: keys.openOperations(id) }))
    const answers = (await figuresScript.pipelined(this.#redis, calls)) as OpenFigures[]
    const figures = new Map(accountIds.flatMap((id, index) => (answers[index] ? [[id, answers[index]]] : [])))
    await this.#report(tenantId, figures)
    const present = new Set(accountIds)
    for (const field of fields) {
      const [, accountId] = /^account:(.*)$/.exec(field) ?? []
      if (accountId !== undefined && !present.has(accountId))
        await forgetScript(this.#redis, { work: keys.tenantOpenWork(tenantId), account: accountId })
    }
  }

  #recountAtMostOften(tenantId: string): Promise<void> {
    const present = this.#recounts.get(tenantId)
    if (present) return present
    const beganAt = performance.now()
    const counting = this.recount(tenantId).finally(() => {
      const pauseMs = Math.max(RECOUNT_AT_LEAST_EVERY_MS, (performance.now() - beganAt) / RECOUNT_SHARE)
      setTimeout(() => this.#recounts.delete(tenantId), pauseMs).unref()
    })
    this.#recounts.set(tenantId, counting)
    return counting
  }

  async #report(
    tenantId: string,
    figures: ReadonlyMap<string, OpenFigures>,
    { period, count, bytes }: Reservation = { period: 0, count: 0, bytes: 0 },
    unusedBytes = 0,
  ): Promise<void> {
    await reportScript(this.#redis, {
      work: keys.tenantOpenWork(tenantId),
      reservedIn: period,
      reservedCount: count,
      reservedBytes: bytes,
      unusedBytes,
      items: [...figures].map(([account, [open, openBytes, changes]]) => ({
        account,
        count: open,
        bytes: openBytes,
        changes,
      })),
    })
  }
}
