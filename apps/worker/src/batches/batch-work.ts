import { BoundReachedError } from '@muster/contracts/bounds'
import { checkCreate } from '@muster/providers/engine/check-create'
import { providerOf } from '@muster/providers/registry'
import { itemIdOf } from '@muster/store/batches/batch-item-id'
import { CHUNK_ROWS, openOf, type BatchRecord } from '@muster/domain/batch/record'
import { hashNaturalKey } from '@muster/store/crypto/hash-key'
import type { OperationRecord } from '@muster/domain/operation/record'
import { cancel, isFinished, requeue } from '@muster/domain/operation/state'
import { StaleVersionError } from '@muster/store/operations/operations'
import type { RedisClock } from '@muster/store/redis/clock'
import type { Store } from '@muster/store/store'
import { UnreadableError } from '@muster/store/crypto/unreadable'

/** Writes on their way at once. */
const SIDE_BY_SIDE = 100
/** After which the rest is left to the next look, so that other batches get theirs. */
const BUDGET_MS = 3_000

/**
 * What was asked of every row, chunk by chunk; where a process dies, the next one goes on. Resolves with the record as
 * it is then.
 */
export async function workOnBatch(
  { store, clock }: { store: Store; clock: RedisClock },
  record: BatchRecord,
): Promise<BatchRecord | undefined> {
  const { work } = record
  if (!work) return record
  const { chunks, rows: committed } = await store.batches.readProgress(record.id)
  const accounts = await store.batches.readAccounts(record)
  const present = new Map(
    await Promise.all(accounts.map(async ({ id }) => [id, await store.accounts.read(id)] as const)),
  )
  const hash = await store.hasher()
  const until = performance.now() + BUDGET_MS
  let chunk = work.nextChunk
  let skipped = 0
  for (; chunk < chunks && performance.now() < until; chunk += 1) {
    const rows = await store.batches.readChunk(record.id, chunk)
    const skippedBefore = skipped
    const isDone = await doAll(
      rows.flatMap(({ row, account }) =>
        account === null ? [] : [{ accountId: accounts[account]?.id ?? '', operationId: itemIdOf(record.id, row) }],
      ),
    ).then(() => true, ifFull)
    if (isDone) continue
    skipped = skippedBefore
    break
  }
  if (chunk >= chunks && work.kind === 'cancel') await doAll(await uncommitted())
  const now = clock.now()
  return store.batches.update(record.id, (latest) => {
    // Another process has done the same meanwhile, or something else is to be done now: a cancel must not be written
    //   away.
    if (JSON.stringify(latest.work) !== JSON.stringify(work)) return undefined
    return {
      ...latest,
      work: chunk < chunks ? { ...work, nextChunk: chunk } : null,
      retrySkipped: latest.retrySkipped + (work.kind === 'retry' ? skipped : 0),
      updatedAt: now,
    }
  })

  async function doAll(located: { accountId: string; operationId: string }[]): Promise<void> {
    const operations = await store.operations.readMany(located)
    for (let from = 0; from < operations.length; from += SIDE_BY_SIDE) {
      const outcomes = await Promise.allSettled(
        operations
          .slice(from, from + SIDE_BY_SIDE)
          .map((operation) => (work?.kind === 'cancel' ? cancelOne(operation) : retryOne(operation))),
      )
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') throw outcome.reason
        if (!outcome.value) skipped += 1
      }
    }
  }

  /** What the API had accepted of the next chunk when it died. */
  async function uncommitted(): Promise<{ accountId: string; operationId: string }[]> {
    if (record.uploadedAt !== null) return []
    // At most accounts there is nothing open any more.
    const open = (await store.batches.readAccountCounts(record)).filter((part) => openOf(part) > 0)
    return open.flatMap(({ accountId }) =>
      Array.from({ length: CHUNK_ROWS }, (_, index) => ({
        accountId,
        operationId: itemIdOf(record.id, committed + index + 1),
      })),
    )
  }

  async function cancelOne(operation: OperationRecord): Promise<boolean> {
    const { state } = operation
    // What runs, or may have reached the provider, comes to its own end.
    if (isFinished(state) || state.status === 'running' || state.unknown !== null) return true
    await store.operations.save(operation, cancel(state, clock.now())).catch(ignoreStale)
    return true
  }

  /**
   * False when it cannot be run again: its secrets or its account are gone, its request does not open, the account as it
   * is now refuses it or would create another login, or another operation is creating the login meanwhile.
   */
  async function retryOne(operation: OperationRecord): Promise<boolean> {
    const { status, erasedAt } = operation.state
    if ((status !== 'failed' && status !== 'expired') || erasedAt !== undefined) return true
    const account = present.get(operation.head.accountId)
    if (!account) return false
    const opened = await store.operations
      .readRequest(operation.head.accountId, operation.head.id)
      .catch(ignoreUnreadable)
    if (!opened || opened.areSecretsErased) return false
    const now = clock.now()
    const { problems, naturalKey } = checkCreate(
      providerOf(account.provider),
      account,
      opened.request,
      {},
      { isStrict: false, now },
    )
    if (problems.length > 0) return false
    const { kind } = await store.operations.requeue(
      operation,
      requeue(operation.state, work?.expiresAt ?? 0, now),
      opened.request,
      hashNaturalKey(hash, account.id, naturalKey),
    )
    return kind === 'accepted' || kind === 'stale'
  }
}

/** A worker has just taken it up: it heeds the hold flag itself. */
function ignoreStale(error: unknown): undefined {
  if (error instanceof StaleVersionError) return undefined
  throw error
}

/** The tenant has all the open operations it may: the chunk is looked at again when some have ended. */
function ifFull(error: unknown): false {
  if (error instanceof BoundReachedError) return false
  throw error
}

function ignoreUnreadable(error: unknown): undefined {
  if (error instanceof UnreadableError) return undefined
  throw error
}
