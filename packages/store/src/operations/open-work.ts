import { BoundReachedError, defaultLimits, type BoundName, type Limits } from '@muster/contracts/bounds'
import { keys } from '../redis/keys.ts'
import { defineScript, type Redis } from '../redis/connect.ts'

const MIB = 1024 * 1024
const DAY_MS = 86_400_000
/** Counting a tenant again, which has all it may, takes at most this share of the time, however often it asks. */
const RECOUNT_SHARE = 1 / 10
const RECOUNT_AT_LEAST_EVERY_MS = 50

/**
 * Of one account, in its own slot and so in the same step as the change itself. Scripts that open or end an operation
 * begin with this. A count that is derived from the index cannot drift; the bytes begin again at 0 whenever nothing is
 * open. Taken from 0, since -0 is no integer for Redis: an operation of an earlier version has no bytes.
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

/** KEYS work of an account, open operations. */
const figuresScript = defineScript(`${OPEN_WORK}
return figures(KEYS[1], KEYS[2])
`)

/**
 * What is being accepted is held beside the total until it is reported: for half a minute at least, a minute at most,
 * so that a process that dies in between takes no room for ever.
 */
const RESERVED = `
local work = KEYS[1]
local function reserved(slot)
  local at, count, bytes = string.match(redis.call('HGET', work, 'reserved:' .. slot % 2) or '', '(%d+) (%d+) (%d+)')
  if tonumber(at) == slot then return tonumber(count), tonumber(bytes), true end
  return 0, 0, false
end
local function reserve(slot, count, bytes)
  local before, bytesBefore = reserved(slot)
  redis.call('HSET', work, 'reserved:' .. slot % 2,
    string.format('%d %d %d', slot, math.max(0, before + count), math.max(0, bytesBefore + bytes)))
end
`

/**
 * KEYS work of the tenant
 * ARGV count, bytes, most, most bytes, days that something is kept, most bytes kept
 * Returns the slot of the reservation, or the name of the bound that has been reached.
 */
const reserveScript = defineScript(`${RESERVED}
local count, bytes, most, mostBytes, days, mostKept = unpack(ARGV)
local now = tonumber(redis.call('TIME')[1])
local slot, today = math.floor(now / 30), math.floor(now / 86400)
local open, openBytes, kept, day = unpack(redis.call('HMGET', work, 'count', 'bytes', 'kept', 'day'))
local one, oneBytes = reserved(slot)
local other, otherBytes = reserved(slot - 1)
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
reserve(slot, count, bytes)
return slot
`)

/**
 * KEYS work of the tenant
 * ARGV slot of a reservation, its count, its bytes, bytes of it that were not accepted, then account, count, bytes,
 *   changes of each account
 * Figures are whole and numbered, so that one that comes late, twice or never leaves no difference behind.
 */
const reportScript = defineScript(`${RESERVED}
local slot = tonumber(ARGV[1])
-- Unless its time was over.
if select(3, reserved(slot)) then reserve(slot, -ARGV[2], -ARGV[3]) end
if tonumber(ARGV[4]) > 0 then
  local day = 'day:' .. (redis.call('HGET', work, 'day') or 0)
  redis.call('HINCRBY', work, 'kept', -ARGV[4])
  redis.call('HINCRBY', work, day, -ARGV[4])
end
for index = 5, #ARGV, 4 do
  local account, count, bytes, changes = unpack(ARGV, index, index + 3)
  local before = redis.call('HGET', work, 'account:' .. account) or '0 0 0'
  local seen, countBefore, bytesBefore = string.match(before, '(%d+) (%d+) (%d+)')
  -- The same number is the same figures, but for what was open before there were any.
  if tonumber(changes) >= tonumber(seen) then
    redis.call('HSET', work, 'account:' .. account, changes .. ' ' .. count .. ' ' .. bytes)
    redis.call('HINCRBY', work, 'count', count - countBefore)
    redis.call('HINCRBY', work, 'bytes', bytes - bytesBefore)
  end
end
`)

/** KEYS work of the tenant. ARGV account. It was removed, and with it what it had. */
const forgetScript = defineScript(`
local _, count, bytes = string.match(redis.call('HGET', KEYS[1], 'account:' .. ARGV[1]) or '', '(%d+) (%d+) (%d+)')
if not count then return end
redis.call('HDEL', KEYS[1], 'account:' .. ARGV[1])
redis.call('HINCRBY', KEYS[1], 'count', 0 - count)
redis.call('HINCRBY', KEYS[1], 'bytes', 0 - bytes)
`)

/** Unfinished operations of an account, their bytes, and the number of the change that made it so. */
export type OpenFigures = [count: number, bytes: number, changes: number]

export interface Reservation {
  slot: number
  count: number
  bytes: number
}

export type OpenWork = ReturnType<typeof createOpenWork>

/**
 * How much unfinished work a tenant has. Its accounts lie in slots of their own, and each script counts there; the
 * total lies beside, made of what the accounts report. Accepting reserves first: of many creates at the same moment no
 * more get in than there is room for. An end is reported with the next acceptance at its account, or when the tenant
 * has all it may and is counted again.
 */
export function createOpenWork({
  redis,
  retentionMs,
  limits = defaultLimits,
}: {
  redis: Redis
  retentionMs: number
  limits?: Limits
}) {
  const recounts = new Map<string, Promise<void>>()
  const most = [limits.openOperations, limits.openMegabytes * MIB]
  const mostKept = [Math.ceil(retentionMs / DAY_MS), limits.keptMegabytes * MIB]

  async function report(
    tenantId: string,
    figures: ReadonlyMap<string, OpenFigures>,
    { slot, count, bytes }: Reservation = { slot: 0, count: 0, bytes: 0 },
    unusedBytes = 0,
  ): Promise<void> {
    const values = [...figures].flatMap(([accountId, figure]) => [accountId, ...figure])
    await reportScript(redis, [keys.tenantOpenWork(tenantId)], [slot, count, bytes, unusedBytes, ...values])
  }

  /** Every account of the tenant reports, and what is gone leaves the total. */
  async function recount(tenantId: string): Promise<void> {
    const [accountIds, fields] = await Promise.all([
      redis.smembers(keys.tenantAccounts(tenantId)),
      redis.hkeys(keys.tenantOpenWork(tenantId)),
    ])
    const calls = accountIds.map((id) => ({ keys: [keys.openWork(id), keys.openOperations(id)], values: [] }))
    const answers = (await figuresScript.pipelined(redis, calls)) as OpenFigures[]
    await report(tenantId, new Map(accountIds.flatMap((id, index) => (answers[index] ? [[id, answers[index]]] : []))))
    const present = new Set(accountIds)
    for (const field of fields) {
      const [, accountId] = /^account:(.*)$/.exec(field) ?? []
      if (accountId !== undefined && !present.has(accountId))
        await forgetScript(redis, [keys.tenantOpenWork(tenantId)], [accountId])
    }
  }

  function recountAtMostOften(tenantId: string): Promise<void> {
    const present = recounts.get(tenantId)
    if (present) return present
    const beganAt = performance.now()
    const counting = recount(tenantId).finally(() => {
      const pauseMs = Math.max(RECOUNT_AT_LEAST_EVERY_MS, (performance.now() - beganAt) / RECOUNT_SHARE)
      setTimeout(() => recounts.delete(tenantId), pauseMs).unref()
    })
    recounts.set(tenantId, counting)
    return counting
  }

  /**
   * What became of a reservation: the accounts it was used at, and how many of its bytes were not. Nothing waits for
   * it.
   */
  function settle(
    tenantId: string,
    reservation: Reservation,
    figures: ReadonlyMap<string, OpenFigures>,
    unusedBytes = figures.size === 0 ? reservation.bytes : 0,
  ): void {
    report(tenantId, figures, reservation, unusedBytes).catch(() => undefined)
  }

  /** Room for so many, of so many bytes, before they are accepted. @throws BoundReachedError */
  async function reserve(tenantId: string, count: number, bytes: number): Promise<Reservation> {
    const ask = (): Promise<unknown> =>
      reserveScript(redis, [keys.tenantOpenWork(tenantId)], [count, bytes, ...most, ...mostKept])
    let answer = await ask()
    if (typeof answer === 'string') {
      await recountAtMostOften(tenantId)
      answer = await ask()
    }
    if (typeof answer === 'string') throw new BoundReachedError(answer as BoundName, limits[answer as BoundName])
    return { slot: Number(answer), count, bytes }
  }

  return {
    recount,
    settle,
    reserve,
    /** So many bytes are written besides, that are kept as long as what is accepted. @throws BoundReachedError */
    async keep(tenantId: string, bytes: number): Promise<void> {
      settle(tenantId, await reserve(tenantId, 0, bytes), new Map(), 0)
    },

    /** Whether there is room for so many at the moment. @throws BoundReachedError */
    async check(tenantId: string, count = 1): Promise<void> {
      settle(tenantId, await reserve(tenantId, count, 0), new Map())
    },

    /** An account's figures as they are now, for the total. */
    async reportAccount(tenantId: string, accountId: string): Promise<void> {
      const figures = await figuresScript(redis, [keys.openWork(accountId), keys.openOperations(accountId)], [])
      await report(tenantId, new Map([[accountId, figures as OpenFigures]]))
    },
  }
}
