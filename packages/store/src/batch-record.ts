import type { BatchFormat, BatchStatus } from '@muster/contracts/batch'
import type { ProviderId } from '@muster/contracts/provider-ids'
import type { BatchCounts } from '@muster/contracts/webhook-event'

/**
 * Rows of one chunk; part of what is stored, since a row's number tells its chunk. What is held of more of them grows
 * old enough to be cleared away late, and has Redis keep others waiting; with fewer the system calls cost more than the
 * work.
 */
export const CHUNK_ROWS = 125
export interface BatchRecord {
  id: string
  tenantId: string
  reference: string | null
  requestId: string
  status: BatchStatus
  statusReason: string | null
  format: BatchFormat
  /** The client's own columns, of CSV. */
  columns: string[] | null
  /** Every account that a row names, in the order of their first rows. */
  accounts: { id: string; provider: ProviderId }[]
  onInvalid: 'continue' | 'reject_all'
  maxFailures: number | null
  /** From 0 to 1, of the rows that have ended. */
  maxFailureRate: number | null
  /** What had ever failed and ended when it was last resumed or run again: the brake counts from there. */
  brakeFrom: BrakeCounts
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
  columns?: Record<string, string>
}

export interface BatchPart {
  accountId: string
  provider: ProviderId
  queued: number
  running: number
  retrying: number
  succeeded: number
  failed: number
  canceled: number
  expired: number
  changes: number
  /** Ends that rows have come to, each as often as it was run. */
  everEnded: number
  everFailed: number
}

/** What a brake judges by. */
export interface BrakeCounts {
  failed: number
  ended: number
}

/** paused: its rows are not started. canceled: each is canceled when its turn comes, or before. */
export type BatchBrake = 'paused' | 'canceled'

export const brakeOf = ({ status }: Pick<BatchRecord, 'status'>): BatchBrake | null =>
  status === 'paused' || status === 'stopped' ? 'paused' : status === 'canceling' ? 'canceled' : null

/** Its rows are being started. */
export const isMoving = ({ status }: Pick<BatchRecord, 'status'>): boolean =>
  status === 'running' || status === 'uploading'

export const isBatchFinished = ({ status }: Pick<BatchRecord, 'status'>): boolean =>
  status === 'completed' || status === 'canceled'

export const statuses = ['queued', 'running', 'retrying', 'succeeded', 'failed', 'canceled', 'expired'] as const

export const partCounts = [...statuses, 'changes', 'everEnded', 'everFailed'] as const

export const brakeCountsOf = (parts: readonly BatchPart[]): BrakeCounts => ({
  failed: parts.reduce((sum, part) => sum + part.everFailed, 0),
  ended: parts.reduce((sum, part) => sum + part.everEnded, 0),
})

export function sumParts(
  parts: readonly BatchPart[],
  { rows, rejected }: Pick<UploadProgress, 'rows' | 'rejected'>,
): BatchCounts {
  const counts = Object.fromEntries(
    statuses.map((status) => [status, parts.reduce((sum, part) => sum + part[status], 0)]),
  ) as Record<(typeof statuses)[number], number>
  // Rows are accepted a little before the chunk that says so.
  return { total: Math.max(rows, rejected + openOf(counts) + endedOf(counts)), rejected, ...counts }
}
export const openOf = (counts: Pick<BatchCounts, 'queued' | 'running' | 'retrying'>): number =>
  counts.queued + counts.running + counts.retrying
export const endedOf = (counts: Pick<BatchCounts, 'succeeded' | 'failed' | 'canceled' | 'expired'>): number =>
  counts.succeeded + counts.failed + counts.canceled + counts.expired
