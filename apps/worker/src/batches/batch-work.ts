import { BoundReachedError } from '@muster/contracts/bounds'
import { openOf } from '@muster/domain/batch/counts'
import { CHUNK_ROWS, type BatchRecord, type BatchRow, type BatchWork } from '@muster/domain/batch/record'
import type { OperationRecord } from '@muster/domain/operation/record'
import { cancel, isFinished, requeue } from '@muster/domain/operation/state'
import { checkCreate } from '@muster/providers/engine/check-create'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/domain/account/record'
import type { BatchAccount } from '@muster/store/batches/batch-accounts'
import { itemIdOf } from '@muster/store/batches/batch-item-id'
import { hashNaturalKey, type Hasher } from '@muster/store/crypto/hash-key'
import { UnreadableError } from '@muster/store/crypto/unreadable'
import { StaleVersionError } from '@muster/store/operations/operations'
import type { RedisClock } from '@muster/store/redis/clock'
import type { Store } from '@muster/store/store'

/** Operations written concurrently. */
const CONCURRENT_WRITES = 100
/** After this the rest is left to the next look, so that other batches get theirs. */
const BUDGET_MS = 3_000

/** What every row of one round needs. */
interface WorkRound {
  store: Store
  clock: RedisClock
  record: BatchRecord
  work: BatchWork
  batchAccounts: readonly BatchAccount[]
  /** undefined: deleted. */
  accounts: ReadonlyMap<string, AccountRecord | undefined>
  hash: Hasher
}

interface RowLocation {
  accountId: string
  operationId: string
}

/**
 * Cancels or retries the rows of a batch, chunk by chunk; where a process dies, the next one continues. Resolves with
 * the record as it is then.
 */
export async function workOnBatch(
  { store, clock }: { store: Store; clock: RedisClock },
  record: BatchRecord,
): Promise<BatchRecord | undefined> {
  const { work } = record
  if (!work) return record
  const round = await startRound(store, clock, record, work)
  const { chunks, rows } = await store.batches.readProgress(record.id)
  const { nextChunk, skipped } = await workOnChunks(round, chunks)
  const isDone = nextChunk >= chunks
  if (!isDone && nextChunk === work.nextChunk) return record
  if (isDone && work.kind === 'cancel') await workOnRows(round, await locateUncommitted(round, rows))
  const next = isDone ? null : { ...work, nextChunk }
  return store.batches.apply(record.id, () => ({ type: 'advance_work', done: work, next, skipped }), clock.now())
}

async function startRound(store: Store, clock: RedisClock, record: BatchRecord, work: BatchWork): Promise<WorkRound> {
  const batchAccounts = await store.batches.readAccounts(record)
  const accounts = await Promise.all(batchAccounts.map(async ({ id }) => [id, await store.accounts.read(id)] as const))
  const hash = await store.hasher()
  return { store, clock, record, work, batchAccounts, accounts: new Map(accounts), hash }
}

/** As many chunks as the budget allows, and as there is room for. */
async function workOnChunks(round: WorkRound, chunks: number): Promise<{ nextChunk: number; skipped: number }> {
  const { store, record, work } = round
  const until = performance.now() + BUDGET_MS
  let skipped = 0
  let nextChunk = work.nextChunk
  for (; nextChunk < chunks && performance.now() < until; nextChunk += 1) {
    const rows = await store.batches.readChunk(record.id, nextChunk)
    const skippedInChunk = await workOnRows(round, locate(round, rows)).catch(undefinedIfFull)
    if (skippedInChunk === undefined) break
    skipped += skippedInChunk
  }
  return { nextChunk, skipped }
}

const locate = ({ record, batchAccounts }: WorkRound, rows: readonly BatchRow[]): RowLocation[] =>
  rows.flatMap(({ row, account }) =>
    account === null ? [] : [{ accountId: batchAccounts[account]?.id ?? '', operationId: itemIdOf(record.id, row) }],
  )

/** Rows that the API accepted of the next chunk before it died. */
async function locateUncommitted({ store, record }: WorkRound, committed: number): Promise<RowLocation[]> {
  if (record.uploadedAt !== null) return []
  // At most accounts nothing is open any more.
  const open = (await store.batches.readAccountCounts(record)).filter((counts) => openOf(counts) > 0)
  return open.flatMap(({ accountId }) =>
    Array.from({ length: CHUNK_ROWS }, (_, index) => ({
      accountId,
      operationId: itemIdOf(record.id, committed + index + 1),
    })),
  )
}

/** Resolves with how many cannot be retried. @throws BoundReachedError */
async function workOnRows(round: WorkRound, rows: RowLocation[]): Promise<number> {
  const operations = await round.store.operations.readMany(rows)
  const workOnRow = round.work.kind === 'cancel' ? cancelRow : retryRow
  let skipped = 0
  for (let from = 0; from < operations.length; from += CONCURRENT_WRITES) {
    const group = operations.slice(from, from + CONCURRENT_WRITES)
    const outcomes = await Promise.allSettled(group.map((operation) => workOnRow(round, operation)))
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') throw outcome.reason
      if (outcome.value === 'skipped') skipped += 1
    }
  }
  return skipped
}

type RowOutcome = 'done' | 'skipped'

async function cancelRow({ store, clock }: WorkRound, operation: OperationRecord): Promise<RowOutcome> {
  const { state } = operation
  // What runs, or may have reached the provider, comes to its own end.
  if (isFinished(state) || state.status === 'running' || state.unknown !== null) return 'done'
  await store.operations.save(operation, cancel(state, clock.now())).catch(ignoreStale)
  return 'done'
}

/**
 * Skipped where it cannot be retried: its secrets or its account are gone, its request does not open, the account as it
 * is now refuses it or would create another login, or another operation is creating the login meanwhile.
 */
async function retryRow(round: WorkRound, operation: OperationRecord): Promise<RowOutcome> {
  const { store, clock, work, hash } = round
  const { head, state } = operation
  if ((state.status !== 'failed' && state.status !== 'expired') || state.erasedAt !== undefined) return 'done'
  const account = round.accounts.get(head.accountId)
  if (!account) return 'skipped'
  const opened = await store.operations.readRequest(head.accountId, head.id).catch(ignoreUnreadable)
  if (!opened || opened.areSecretsErased) return 'skipped'
  const now = clock.now()
  const check = { isStrict: false, now }
  const { problems, naturalKey } = checkCreate(providerOf(account.provider), account, opened.request, {}, check)
  if (problems.length > 0) return 'skipped'
  const naturalKeyHash = hashNaturalKey(hash, account.id, naturalKey)
  const next = requeue(state, work.expiresAt, now)
  const { kind } = await store.operations.requeue(operation, next, opened.request, naturalKeyHash)
  return kind === 'accepted' || kind === 'stale' ? 'done' : 'skipped'
}

/** A worker has just started it, and reads the hold flag itself. */
function ignoreStale(error: unknown): undefined {
  if (error instanceof StaleVersionError) return undefined
  throw error
}

/** The tenant has all the open operations it may have: the chunk is tried again when some have ended. */
function undefinedIfFull(error: unknown): undefined {
  if (error instanceof BoundReachedError) return undefined
  throw error
}

function ignoreUnreadable(error: unknown): undefined {
  if (error instanceof UnreadableError) return undefined
  throw error
}
