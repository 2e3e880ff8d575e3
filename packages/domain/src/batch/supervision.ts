import type { BatchCounts } from '@muster/contracts/webhook-event'
import { endedOf, openOf, type FailureCounts } from './counts.ts'
import type { BatchRecord } from './record.ts'
import { isBatchFinished, isMoving, PROGRESS_EVERY_MS, type BatchEvent } from './state.ts'

/** Minimum finished rows before `max_failure_rate` applies. */
const MIN_ENDED_FOR_RATE = 20
/** Longer than the API takes from the batch to its first look at the rows. */
const BROKEN_AFTER_MS = 20_000
const ABANDONED_AFTER_MS = 7 * 86_400_000

/** What the supervisor has read of a batch besides its record. */
export interface BatchObservation {
  counts: BatchCounts
  failures: FailureCounts
  /** Committed of the upload. */
  rows: number
  /** A request holds the upload's lease. */
  isUploading: boolean
}

/** Why the failure limit stops the batch; null where it does not. */
export function failureLimitReason(
  { maxFailures, maxFailureRate, failureBaseline }: BatchRecord,
  failures: FailureCounts,
): string | null {
  const failed = failures.failed - failureBaseline.failed
  const ended = failures.ended - failureBaseline.ended
  if (maxFailures !== null && failed >= maxFailures)
    return `${failed} rows have failed, and max_failures is ${maxFailures}.`
  if (maxFailureRate !== null && ended >= MIN_ENDED_FOR_RATE && failed / ended > maxFailureRate)
    return `${failed} of ${ended} rows have failed, and max_failure_rate is ${maxFailureRate}.`
  return null
}

export const hasFailureLimit = ({ maxFailures, maxFailureRate }: BatchRecord): boolean =>
  maxFailures !== null || maxFailureRate !== null

/** Too many failures: no more of its rows are started. */
export function stopEvent(record: BatchRecord, failures: FailureCounts): BatchEvent | undefined {
  const reason = isMoving(record) ? failureLimitReason(record, failures) : null
  return reason === null ? undefined : { type: 'stop', reason }
}

/** What is due for a batch; undefined where it is to be left as it is. */
export function dueEvent(record: BatchRecord, seen: BatchObservation, now: number): BatchEvent | undefined {
  if (isBatchFinished(record)) return undefined
  const silentMs = record.status === 'uploading' && !seen.isUploading ? now - record.updatedAt : 0
  if (silentMs > BROKEN_AFTER_MS && !record.isResumable) return { type: 'close_upload', rows: seen.rows }
  if (isAtItsEnd(record, seen)) return { type: 'end', reason: failureLimitReason(record, seen.failures) }
  if (silentMs > ABANDONED_AFTER_MS) return { type: 'abandon_upload' }
  const ended = endedOf(seen.counts)
  if (now - record.progressAt < PROGRESS_EVERY_MS || record.samples.at(-1)?.ended === ended) return undefined
  return { type: 'record_progress', ended }
}

function isAtItsEnd(record: BatchRecord, { counts, isUploading }: BatchObservation): boolean {
  const isWhole = record.uploadedAt !== null || (record.status === 'canceling' && !isUploading)
  return isWhole && record.work === null && openOf(counts) === 0
}
