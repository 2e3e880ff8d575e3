import { ACCOUNTS_SHOWN } from '@muster/contracts/batch'
import type { ProviderId } from '@muster/contracts/provider-ids'
import {
  sumCounts,
  openOf,
  endedOf,
  toRowCounts,
  type AccountCounts,
  type RowCounts,
} from '@muster/domain/batch/counts'
import type { BatchRecord, BatchRow } from '@muster/domain/batch/record'
import { decodeBatch, encodeBatch, HOLD_FIELD } from './stored-batch.ts'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'
import { defineScript } from '../redis/script.ts'

/**
 * So many accounts stand in the record of a batch, those that are shown with it. Further ones have a key of their own,
 * so that neither a write of the record nor an answer grows with them.
 */
const ACCOUNTS_IN_RECORD = ACCOUNTS_SHOWN

export interface BatchAccount {
  id: string
  provider: ProviderId
}
type WithAccounts = Pick<BatchRecord, 'id' | 'accounts' | 'accountCount'>

/** A batch of an earlier version has all of them in its record. */
export const accountCountOf = ({ accounts, accountCount }: WithAccounts): number => accountCount ?? accounts.length

const encode = ({ id, provider }: BatchAccount): string => `${provider}:${id}`
function decode(text: string): BatchAccount {
  const [provider = '', id = ''] = text.split(':')
  return { id, provider: provider as ProviderId }
}

/** In the order of their first rows, by which rows name them; without a range, all of them. */
export async function readBatchAccounts(
  redis: Redis,
  record: WithAccounts,
  from = 0,
  to = accountCountOf(record),
): Promise<BatchAccount[]> {
  const first = Math.max(from, record.accounts.length)
  const positions = Array.from({ length: Math.max(0, to - first) }, (_, index) => String(first + index))
  const further = positions.length === 0 ? [] : await redis.hmget(keys.batchAccounts(record.id), ...positions)
  return [...record.accounts.slice(from, to), ...further.flatMap((text) => (text === null ? [] : decode(text)))]
}

/** Three bytes a row, which say at which account it is: its position and one. */
const ROW_BYTES = 3
export function toRowAccounts(rows: readonly BatchRow[]): { offset: number; bytes: Buffer } {
  const bytes = Buffer.alloc(rows.length * ROW_BYTES)
  rows.forEach(({ account }, index) =>
    bytes.writeUIntBE(account === null ? 0 : account + 1, index * ROW_BYTES, ROW_BYTES),
  )
  return { offset: ((rows[0]?.row ?? 1) - 1) * ROW_BYTES, bytes }
}

/** For each row, the ids of the accounts that may hold it: one, or all where its chunk has not been committed. */
export async function accountsOfRows(redis: Redis, batchId: string, rows: readonly number[]): Promise<string[][]> {
  const kept = await redis.hget(keys.batch(batchId), 'record')
  if (!kept) return rows.map(() => [])
  const record = decodeBatch(kept)
  const pipeline = redis.pipeline()
  for (const row of rows)
    pipeline.getrangeBuffer(keys.batchRowAccounts(batchId), (row - 1) * ROW_BYTES, row * ROW_BYTES - 1)
  const answers = (await pipeline.exec()) ?? []
  const positions = answers.map(([, bytes]) =>
    Buffer.isBuffer(bytes) && bytes.length === ROW_BYTES ? bytes.readUIntBE(0, ROW_BYTES) - 1 : -1,
  )
  // All accounts, where that of a row is unknown.
  const [from, to] = positions.includes(-1)
    ? [0, accountCountOf(record)]
    : [Math.min(...positions), Math.max(...positions) + 1]
  const accounts = await readBatchAccounts(redis, record, from, to)
  return positions.map((position) => {
    const account = position < 0 ? undefined : accounts[position - from]
    return account ? [account.id] : accounts.map(({ id }) => id)
  })
}

/** `further` is position and account of each that the record has no room for. */
const addAccountsScript = defineScript({
  keys: ['batch', 'accounts'],
  args: ['version', 'record'],
  argList: 'further',
  lua: `
if redis.call('HGET', batch, 'version') ~= version then return 0 end
redis.call('HINCRBY', batch, 'version', 1)
redis.call('HSET', batch, 'record', record)
if #further > 0 then redis.call('HSET', accounts, unpack(further)) end
return 1
`,
})

/** Resolves with the record as written; undefined when it was written since it was read. */
export async function writeBatchAccounts(
  redis: Redis,
  { record, version }: { record: BatchRecord; version: string },
  added: readonly BatchAccount[],
  now: number,
): Promise<BatchRecord | undefined> {
  const count = accountCountOf(record)
  const room = count > record.accounts.length ? 0 : Math.max(0, ACCOUNTS_IN_RECORD - count)
  const further = added.slice(room).flatMap((account, index) => [count + room + index, encode(account)])
  const next = {
    ...record,
    accounts: [...record.accounts, ...added.slice(0, room)],
    accountCount: count + added.length,
    updatedAt: now,
  }
  const written = await addAccountsScript(redis, {
    batch: keys.batch(record.id),
    accounts: keys.batchAccounts(record.id),
    version,
    record: encodeBatch(next),
    further,
  })
  return written === 1 ? next : undefined
}

/** Of two processes that count, the one that has seen more changes wins; a batch that was removed stays so. */
const keepTotalsScript = defineScript({
  keys: ['batch'],
  args: ['totals', 'changes'],
  lua: `
local before = redis.call('HMGET', batch, 'version', 'totals-changes')
if not before[1] or tonumber(before[2] or '0') > tonumber(changes) then return 0 end
redis.call('HSET', batch, 'totals', totals, 'totals-changes', changes)
return 1
`,
})

export function createBatchCounts({ redis }: { redis: Redis }) {
  async function readCountsOf(batchId: string, accounts: readonly BatchAccount[]): Promise<AccountCounts[]> {
    const pipeline = redis.pipeline()
    for (const { id } of accounts) pipeline.hgetall(keys.batchCounts(id, batchId))
    const rows = (await pipeline.exec()) ?? []
    return accounts.map(({ id, provider }, index) => {
      const fields = (rows[index]?.[1] ?? {}) as Record<string, string>
      const hold = (fields[HOLD_FIELD] as AccountCounts['hold']) ?? null
      return { accountId: id, provider, hold, ...toRowCounts((name) => Number(fields[name] ?? 0)) }
    })
  }

  return {
    readCountsOf,

    /** Of every account, as they are now. Costs a command for each: for the batch supervisor. */
    async readAccountCounts(record: WithAccounts): Promise<AccountCounts[]> {
      const accounts = await readCountsOf(record.id, await readBatchAccounts(redis, record))
      const totals = sumCounts(accounts)
      if (accounts.length > ACCOUNTS_IN_RECORD)
        await keepTotalsScript(redis, {
          batch: keys.batch(record.id),
          totals: JSON.stringify(totals),
          changes: totals.changes,
        })
      return accounts
    },

    /**
     * Of the accounts that are shown with the batch, and the sum of all accounts: exact where those are all, else as
     * last counted.
     */
    async readCounts(record: WithAccounts): Promise<{ accounts: AccountCounts[]; totals: RowCounts }> {
      const accounts = await readCountsOf(record.id, record.accounts.slice(0, ACCOUNTS_IN_RECORD))
      if (accountCountOf(record) <= accounts.length) return { accounts, totals: sumCounts(accounts) }
      const [kept, rows, rejected] = await redis.hmget(keys.batch(record.id), 'totals', 'rows', 'rejected')
      const totals = kept ? (JSON.parse(kept) as RowCounts) : sumCounts([])
      // What came in since then waits, as far as is known.
      const uncounted = Number(rows ?? 0) - Number(rejected ?? 0) - openOf(totals) - endedOf(totals)
      return { accounts, totals: { ...totals, queued: totals.queued + Math.max(0, uncounted) } }
    },
  }
}
