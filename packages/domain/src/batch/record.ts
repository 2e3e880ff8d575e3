import type { BatchFormat, BatchStatus } from '@muster/contracts/batch'
import type { ProviderId } from '@muster/contracts/provider-ids'
import type { BatchCounts } from '@muster/contracts/webhook-event'

/**
 * Rows of one chunk, at most. What is held of more of them grows old enough to be cleared away late, and has Redis keep
 * others waiting; with fewer the system calls cost more than the work.
 */
export const CHUNK_ROWS = 125
/** After so much of them a chunk is closed earlier: sealing it must not hold up others. Typical rows have a third. */
export const CHUNK_BYTES = 128 * 1024
export interface BatchRecord {
  id: string
  tenantId: string
  /** It came with a test key, and so names accounts of mode test alone. Absent: live. */
  mode?: 'test'
  /** As the request had it: null in what is kept, where it is sealed. */
  reference: string | null
  /** In base64. Read it by `readReference`. */
  sealedReference?: string
  requestId: string
  status: BatchStatus
  statusReason: string | null
  format: BatchFormat
  /** The client's own columns, of CSV; known from the first row on. */
  columns: string[] | null
  /** Where its chunks are closed, since an upload that is sent again must have the same ones; absent: by rows only. */
  chunkBytes?: number
  /** The accounts that rows name, in the order of their first rows; of very many only the first (batch-accounts.ts). */
  accounts: { id: string; provider: ProviderId }[]
  /** How many there are; absent where `accounts` are all. */
  accountCount?: number
  onInvalid: 'continue' | 'reject_all'
  maxFailures: number | null
  /** From 0 to 1, of the rows that have ended. */
  maxFailureRate: number | null
  /** Failed and ended rows when it was last resumed or retried: the failure limit counts from there. */
  failureBaseline: FailureCounts
  /** What is to be done to its operations, and how far it has come: the next chunk. */
  work: { kind: 'cancel' | 'retry'; nextChunk: number; expiresAt: number } | null
  /** Failed rows that could not be run again, since their secrets were erased with their end. */
  retrySkipped: number
  /** How many had ended when, for the rate; the latest last. */
  samples: { at: number; ended: number }[]
  progressAt: number
  hasCallback: boolean
  /** It came with an Idempotency-Key, so a broken upload can be gone on with. */
  isResumable: boolean
  createdAt: number
  updatedAt: number
  /** When the last row had come in. */
  uploadedAt: number | null
  finishedAt: number | null
}

/** What is committed of the upload. */
export interface UploadProgress {
  rows: number
  rejected: number
  chunks: number
  /** Over all rows so far: another upload under the same key must have the same ones. */
  digest: string
}

/** One row as it is kept for the results. `account` is a position in the batch's accounts; null: rejected. */
export interface BatchRow {
  row: number
  line: number | null
  account: number | null
  problems?: { pointer: string; code: string; detail: string }[]
  reference?: string | null
  /** In the order of the batch's columns. */
  cells?: string[]
  /** The same by name, as an earlier version kept them. */
  columns?: Record<string, string>
}

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

/** paused: its rows are not started. canceled: each is canceled when its turn comes, or before. */
export type BatchHold = 'paused' | 'canceled'

export const holdOf = ({ status }: Pick<BatchRecord, 'status'>): BatchHold | null =>
  status === 'paused' || status === 'stopped' ? 'paused' : status === 'canceling' ? 'canceled' : null

/** Its rows are being started. */
export const isMoving = ({ status }: Pick<BatchRecord, 'status'>): boolean =>
  status === 'running' || status === 'uploading'

export const isBatchFinished = ({ status }: Pick<BatchRecord, 'status'>): boolean =>
  status === 'completed' || status === 'canceled'

export const statuses = ['queued', 'running', 'retrying', 'succeeded', 'failed', 'canceled', 'expired'] as const

/** The last three only ever grow; rows that are run again end, and may fail, again. */
const rowCounts = [...statuses, 'changes', 'everEnded', 'everFailed'] as const
export type RowCounts = Record<(typeof rowCounts)[number], number>

export const toRowCounts = (countOf: (name: keyof RowCounts) => number): RowCounts =>
  Object.fromEntries(rowCounts.map((name) => [name, countOf(name)])) as RowCounts

export const sumCounts = (parts: readonly RowCounts[]): RowCounts =>
  toRowCounts((name) => parts.reduce((sum, part) => sum + part[name], 0))

export function failureCountsOf(parts: readonly RowCounts[]): FailureCounts {
  const { everFailed, everEnded } = sumCounts(parts)
  return { failed: everFailed, ended: everEnded }
}

export function toBatchCounts(
  parts: readonly RowCounts[],
  { rows, rejected }: Pick<UploadProgress, 'rows' | 'rejected'>,
): BatchCounts {
  const { changes: _changes, everEnded: _ended, everFailed: _failed, ...counts } = sumCounts(parts)
  // Rows are accepted a little before the chunk that says so.
  return { total: Math.max(rows, rejected + openOf(counts) + endedOf(counts)), rejected, ...counts }
}
export const openOf = (counts: Pick<BatchCounts, 'queued' | 'running' | 'retrying'>): number =>
  counts.queued + counts.running + counts.retrying
export const endedOf = (counts: Pick<BatchCounts, 'succeeded' | 'failed' | 'canceled' | 'expired'>): number =>
  counts.succeeded + counts.failed + counts.canceled + counts.expired
