import type { BatchFormat, BatchStatus } from '@muster/contracts/batch'
import type { ProviderId } from '@muster/contracts/provider-ids'
import type { FailureCounts } from './counts.ts'

/**
 * At most. Larger chunks keep garbage collection and Redis busy for too long; smaller ones cost more calls than work.
 */
export const CHUNK_ROWS = 125
/** Closes a chunk early: sealing a larger one would block the event loop. Typical rows fill a third of it. */
export const CHUNK_BYTES = 128 * 1024

export interface BatchRecord {
  id: string
  tenantId: string
  /** Uploaded with a test key, so its accounts are of mode test. Absent: live. */
  mode?: 'test'
  /** As the request had it; null in the stored record, where it is sealed. */
  reference: string | null
  /** In base64; `readReference` opens it. */
  sealedReference?: string
  requestId: string
  status: BatchStatus
  statusReason: string | null
  format: BatchFormat
  /** The client's own columns, of CSV; known from the first row on. */
  columns: string[] | null
  /** An upload that is sent again must have the same chunks. Absent: they are closed by rows only. */
  chunkBytes?: number
  /** In the order of their first rows; of very many accounts only the first (batch-accounts.ts). */
  accounts: { id: string; provider: ProviderId }[]
  /** How many accounts there are; absent where `accounts` has all of them. */
  accountCount?: number
  onInvalid: 'continue' | 'reject_all'
  maxFailures: number | null
  /** From 0 to 1, of the rows that have ended. */
  maxFailureRate: number | null
  /** Failed and ended rows when it was last resumed or retried: the failure limit counts from there. */
  failureBaseline: FailureCounts
  work: BatchWork | null
  /** Failed rows that could not be retried, because their secrets were erased when they ended. */
  retrySkipped: number
  /** How many rows had ended at what time, for the rate; the latest last. */
  samples: { at: number; ended: number }[]
  progressAt: number
  hasCallback: boolean
  /** It came with an Idempotency-Key, so a broken upload can be continued. */
  isResumable: boolean
  createdAt: number
  updatedAt: number
  /** When the last row came in. */
  uploadedAt: number | null
  finishedAt: number | null
}

/** What is to be done to each of its operations, chunk by chunk. */
export interface BatchWork {
  kind: 'cancel' | 'retry'
  nextChunk: number
  /** Of the operations that are retried. */
  expiresAt: number
}

/** What is committed of the upload. */
export interface UploadProgress {
  rows: number
  rejected: number
  chunks: number
  /** Over all rows so far: another upload under the same key must have the same rows. */
  digest: string
}

/** A row as it is kept for the results. `account` is a position in the batch's accounts; null: rejected. */
export interface BatchRow {
  row: number
  line: number | null
  account: number | null
  problems?: { pointer: string; code: string; detail: string }[]
  reference?: string | null
  /** In the order of the batch's columns. */
  cells?: string[]
  /** The same by name, as an earlier version stored them. */
  columns?: Record<string, string>
}
