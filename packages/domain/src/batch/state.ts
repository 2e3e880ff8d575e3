import type { BatchStatus } from '@muster/contracts/batch'
import type { BatchHold, FailureCounts } from './counts.ts'
import { CHUNK_BYTES, type BatchRecord, type BatchWork } from './record.ts'

/** About a minute of progress, for the rate. */
const KEPT_SAMPLES = 12
export const PROGRESS_EVERY_MS = 5_000

/** Everything that can happen to a batch. Rows change its counts, never its record. */
export type BatchEvent =
  /** By hand. Its rows are not started. */
  | { type: 'pause' }
  /** By its failure limit. */
  | { type: 'stop'; reason: string }
  | { type: 'resume'; failureBaseline: FailureCounts }
  /** By hand. What was not sent is canceled. */
  | { type: 'cancel' }
  /** The last row has come in. */
  | { type: 'finish_upload' }
  /** The upload broke off and cannot be sent again: what came in is all there will be. */
  | { type: 'close_upload'; rows: number }
  /** The upload could be sent again, and never was. */
  | { type: 'abandon_upload' }
  /** No row is open any more. `reason`: why its failure limit would have stopped it. */
  | { type: 'end'; reason: string | null }
  /** Its failed rows run again. */
  | { type: 'retry'; failureBaseline: FailureCounts; expiresAt: number }
  /** One of its rows was retried by itself. */
  | { type: 'reopen'; failureBaseline: FailureCounts }
  /** Some chunks of `done` are done, and `next` is left. */
  | { type: 'advance_work'; done: BatchWork; next: BatchWork | null; skipped: number }
  | { type: 'record_progress'; ended: number }

export type BatchEventType = BatchEvent['type']
/** `moving`: `uploading` until the last row has come in, then `running`. */
type Target = BatchStatus | 'moving'

const everyOpenStatus = {
  uploading: 'uploading',
  running: 'running',
  paused: 'paused',
  stopped: 'stopped',
  canceling: 'canceling',
} as const

/**
 * Event, status before it, status after it. Where nothing stands, the event is refused. docs/batch-states.md shows the
 * same, and a test compares them.
 */
export const transitions: Readonly<Record<BatchEventType, Readonly<Partial<Record<BatchStatus, Target>>>>> = {
  pause: { uploading: 'paused', running: 'paused', paused: 'paused' },
  stop: { uploading: 'stopped', running: 'stopped' },
  resume: { paused: 'moving', stopped: 'moving' },
  cancel: {
    uploading: 'canceling',
    running: 'canceling',
    paused: 'canceling',
    stopped: 'canceling',
    canceling: 'canceling',
  },
  finish_upload: { ...everyOpenStatus, uploading: 'running', completed: 'completed', canceled: 'canceled' },
  close_upload: { uploading: 'running' },
  abandon_upload: { uploading: 'canceling' },
  end: { running: 'completed', paused: 'completed', stopped: 'completed', canceling: 'canceled' },
  retry: { completed: 'running' },
  reopen: { completed: 'running', canceled: 'running' },
  advance_work: { ...everyOpenStatus, completed: 'completed', canceled: 'canceled' },
  record_progress: everyOpenStatus,
}

export class RefusedBatchEventError extends Error {
  override readonly name = 'RefusedBatchEventError'
  readonly status: BatchStatus
  constructor(event: BatchEventType, status: BatchStatus) {
    super(`${event} is refused while the batch is ${status}`)
    this.status = status
  }
}

type Status = Pick<BatchRecord, 'status'>

/** Its rows are being started. */
export const isMoving = ({ status }: Status): boolean => status === 'running' || status === 'uploading'
export const isBatchFinished = ({ status }: Status): boolean => status === 'completed' || status === 'canceled'

/** What the accounts of the batch must know of its status. */
export const holdOf = ({ status }: Status): BatchHold | null =>
  status === 'paused' || status === 'stopped' ? 'paused' : status === 'canceling' ? 'canceled' : null

/** Canceled while rows were still coming in: no more of them are accepted. */
export const isUploadCanceled = (record: Pick<BatchRecord, 'status' | 'uploadedAt'>): boolean =>
  record.uploadedAt === null && (record.status === 'canceling' || isBatchFinished(record))

/** The event is allowed, and leads to another status. */
export function wouldMove({ status }: Status, type: BatchEventType): boolean {
  const target = transitions[type][status]
  return target !== undefined && target !== status
}

/** How a batch begins. */
export function startBatch(
  given: Pick<
    BatchRecord,
    | 'id'
    | 'tenantId'
    | 'mode'
    | 'reference'
    | 'requestId'
    | 'onInvalid'
    | 'maxFailures'
    | 'maxFailureRate'
    | 'hasCallback'
    | 'isResumable'
    | 'format'
  >,
  now: number,
): BatchRecord {
  return {
    ...given,
    status: 'uploading',
    statusReason: null,
    columns: null,
    chunkBytes: CHUNK_BYTES,
    accounts: [],
    failureBaseline: { failed: 0, ended: 0 },
    work: null,
    retrySkipped: 0,
    samples: [],
    progressAt: now,
    createdAt: now,
    updatedAt: now,
    uploadedAt: null,
    finishedAt: null,
  }
}

/**
 * The record after the event; the same object where the event has nothing left to change.
 * @throws RefusedBatchEventError
 */
export function applyEvent(record: BatchRecord, event: BatchEvent, now: number): BatchRecord {
  const target = transitions[event.type][record.status]
  if (target === undefined || !isAllowed(record, event)) throw new RefusedBatchEventError(event.type, record.status)
  if (hasHappened(record, event, now)) return record
  const status = target === 'moving' ? (record.uploadedAt === null ? 'uploading' : 'running') : target
  return { ...record, ...changesOf(record, event, now), status, updatedAt: now }
}

/** What the status alone does not say. */
function isAllowed({ status, work, uploadedAt }: BatchRecord, event: BatchEvent): boolean {
  return event.type !== 'end' || (work === null && (uploadedAt !== null || status === 'canceling'))
}

function hasHappened(record: BatchRecord, event: BatchEvent, now: number): boolean {
  switch (event.type) {
    case 'pause':
      return record.status === 'paused'
    case 'cancel':
      return record.status === 'canceling'
    case 'finish_upload':
      return record.uploadedAt !== null || isBatchFinished(record)
    case 'advance_work':
      // Another process has done the same, or something else is to be done now: a cancel must not be overwritten.
      return !isSameWork(record.work, event.done)
    case 'record_progress':
      return now - record.progressAt < PROGRESS_EVERY_MS
    default:
      return false
  }
}

export const isSameWork = (one: BatchWork | null, other: BatchWork): boolean =>
  one?.kind === other.kind && one.nextChunk === other.nextChunk && one.expiresAt === other.expiresAt

const cancelWork: BatchWork = { kind: 'cancel', nextChunk: 0, expiresAt: 0 }

/** What the event changes besides the status. */
function changesOf(record: BatchRecord, event: BatchEvent, now: number): Partial<BatchRecord> {
  switch (event.type) {
    case 'pause':
      return { statusReason: 'Paused by hand.' }
    case 'stop':
      return { statusReason: event.reason }
    case 'resume':
      return { ...countAgain(event), statusReason: null }
    case 'cancel':
      return { statusReason: 'Canceled by hand.', work: cancelWork }
    case 'finish_upload':
      // Rows that came in after the cancel have not been canceled yet.
      return record.status === 'canceling' ? { work: cancelWork } : { uploadedAt: now }
    case 'close_upload':
      return {
        statusReason:
          `The upload broke off after ${event.rows} rows; ` + 'without an Idempotency-Key nothing can be added to it.',
        uploadedAt: now,
      }
    case 'abandon_upload':
      return { statusReason: 'The upload was never finished.', work: cancelWork }
    case 'end':
      return { statusReason: record.statusReason ?? event.reason, finishedAt: now, progressAt: now }
    case 'retry':
      return {
        ...runAgain(event),
        work: { kind: 'retry', nextChunk: 0, expiresAt: event.expiresAt },
        retrySkipped: 0,
      }
    case 'reopen':
      return { ...runAgain(event), uploadedAt: record.uploadedAt ?? now }
    case 'advance_work':
      return { work: event.next, retrySkipped: record.retrySkipped + event.skipped }
    case 'record_progress':
      return { progressAt: now, samples: [...record.samples, { at: now, ended: event.ended }].slice(-KEPT_SAMPLES) }
  }
}

type Baseline = Pick<BatchRecord, 'failureBaseline'>
/** The failure limit and the rate count from here. */
const countAgain = ({ failureBaseline }: Baseline): Partial<BatchRecord> => ({ failureBaseline, samples: [] })
const runAgain = (baseline: Baseline): Partial<BatchRecord> => ({
  ...countAgain(baseline),
  statusReason: null,
  finishedAt: null,
})
