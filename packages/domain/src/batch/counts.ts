import type { BatchOutcome } from '@muster/contracts/batch'
import type { ProviderId } from '@muster/contracts/provider-ids'
import type { BatchCounts } from '@muster/contracts/webhook-event'

export const rowStatuses = ['queued', 'running', 'retrying', 'succeeded', 'failed', 'canceled', 'expired'] as const

/** The last three only grow: a row that is retried ends again, and may fail again. */
const rowCounts = [...rowStatuses, 'changes', 'everEnded', 'everFailed'] as const
export type RowCounts = Record<(typeof rowCounts)[number], number>

/** paused: its rows are not started. canceled: each is canceled when its turn comes, or before. */
export type BatchHold = 'paused' | 'canceled'

/** The rows of a batch at one account. */
export interface AccountCounts extends RowCounts {
  accountId: string
  provider: ProviderId
  hold: BatchHold | null
}

/** What the failure limit compares. */
export interface FailureCounts {
  failed: number
  ended: number
}

export const toRowCounts = (countOf: (name: keyof RowCounts) => number): RowCounts =>
  Object.fromEntries(rowCounts.map((name) => [name, countOf(name)])) as RowCounts

export const sumCounts = (counts: readonly RowCounts[]): RowCounts =>
  toRowCounts((name) => counts.reduce((sum, one) => sum + one[name], 0))

export function failureCountsOf(counts: readonly RowCounts[]): FailureCounts {
  const { everFailed, everEnded } = sumCounts(counts)
  return { failed: everFailed, ended: everEnded }
}

export function toBatchCounts(
  { changes: _changes, everEnded: _ended, everFailed: _failed, ...counts }: RowCounts,
  { rows, rejected }: { rows: number; rejected: number },
): BatchCounts {
  // Rows are accepted a little before the chunk that says so.
  return { total: Math.max(rows, rejected + openOf(counts) + endedOf(counts)), rejected, ...counts }
}

/** How a completed batch has ended: whatever is no user at its end has failed. */
export function outcomeOf({ total, succeeded }: Pick<BatchCounts, 'total' | 'succeeded'>): BatchOutcome {
  if (succeeded === total) return 'all_succeeded'
  return succeeded === 0 ? 'all_failed' : 'some_failed'
}

export const openOf = (counts: Pick<BatchCounts, 'queued' | 'running' | 'retrying'>): number =>
  counts.queued + counts.running + counts.retrying
export const endedOf = (counts: Pick<BatchCounts, 'succeeded' | 'failed' | 'canceled' | 'expired'>): number =>
  counts.succeeded + counts.failed + counts.canceled + counts.expired
