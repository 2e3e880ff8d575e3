import { batchStatusSchema, type BatchStatus } from '@muster/contracts/batch'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { BatchRecord, BatchWork } from './record.ts'
import {
  applyEvent,
  holdOf,
  isBatchFinished,
  isUploadCanceled,
  RefusedBatchEventError,
  startBatch,
  transitions,
  type BatchEvent,
  type BatchEventType,
} from './state.ts'

const T0 = 1_750_000_000_000
const MINUTE_MS = 60_000
const started = startBatch(
  {
    id: 'b',
    tenantId: 't',
    reference: null,
    requestId: 'r',
    format: 'ndjson',
    onInvalid: 'continue',
    maxFailures: null,
    maxFailureRate: null,
    hasCallback: false,
    isResumable: true,
  },
  T0,
)
const baseline = { failed: 2, ended: 5 }
const retryWork: BatchWork = { kind: 'retry', nextChunk: 0, expiresAt: T0 + MINUTE_MS }

/** One of each kind. */
const events: Record<BatchEventType, BatchEvent> = {
  pause: { type: 'pause' },
  stop: { type: 'stop', reason: 'Too many failures.' },
  resume: { type: 'resume', failureBaseline: baseline },
  cancel: { type: 'cancel' },
  finish_upload: { type: 'finish_upload' },
  close_upload: { type: 'close_upload', rows: 7 },
  abandon_upload: { type: 'abandon_upload' },
  end: { type: 'end', reason: null },
  retry: { type: 'retry', failureBaseline: baseline, expiresAt: T0 + MINUTE_MS },
  reopen: { type: 'reopen', failureBaseline: baseline },
  advance_work: { type: 'advance_work', done: retryWork, next: null, skipped: 1 },
  record_progress: { type: 'record_progress', ended: 3 },
}
const eventTypes = Object.values(events).map(({ type }) => type)

const apply = (record: BatchRecord, types: readonly BatchEventType[]): BatchRecord =>
  types.reduce((latest, type, index) => applyEvent(latest, events[type], T0 + (index + 1) * MINUTE_MS), record)

/** How a batch comes to each status. */
const paths: Record<BatchStatus, BatchEventType[]> = {
  uploading: [],
  running: ['finish_upload'],
  paused: ['finish_upload', 'pause'],
  stopped: ['finish_upload', 'stop'],
  canceling: ['abandon_upload'],
  canceled: ['abandon_upload', 'advance_work', 'end'],
  completed: ['finish_upload', 'end'],
}
const cancelDone: BatchEvent = {
  type: 'advance_work',
  done: { kind: 'cancel', nextChunk: 0, expiresAt: 0 },
  next: null,
  skipped: 0,
}
const inStatus = (status: BatchStatus): BatchRecord =>
  paths[status].reduce(
    (latest, type) => applyEvent(latest, type === 'advance_work' ? cancelDone : events[type], T0 + 1),
    started,
  )

describe('every event in every status', () => {
  test.each(batchStatusSchema.options.flatMap((status) => eventTypes.map((type) => [type, status] as const)))(
    '%s while the batch is %s does what the table says',
    (type, status) => {
      const record = inStatus(status)
      expect(record.status).toBe(status)
      const target = transitions[type][status]
      const run = (): BatchRecord => applyEvent(record, events[type], T0 + MINUTE_MS)
      // A cancel is ended once it is done.
      const isEarly = type === 'end' && record.work !== null
      if (target === undefined || isEarly) expect(run).toThrow(RefusedBatchEventError)
      else expect(run().status).toBe(target === 'moving' ? 'running' : target)
    },
  )
})

describe('an event', () => {
  test('that has happened already changes nothing', () => {
    for (const [status, type] of [
      ['paused', 'pause'],
      ['canceling', 'cancel'],
      ['running', 'finish_upload'],
      ['completed', 'finish_upload'],
      ['running', 'advance_work'],
    ] as const) {
      const record = inStatus(status)
      expect(applyEvent(record, events[type], T0 + MINUTE_MS)).toBe(record)
    }
  })

  test('that says progress too soon changes nothing', () => {
    const running = inStatus('running')
    expect(applyEvent(running, events.record_progress, T0 + 4_000)).toBe(running)
    expect(applyEvent(running, events.record_progress, T0 + 6_000).samples).toEqual([{ at: T0 + 6_000, ended: 3 }])
  })

  test('of a resume leads back to the upload while rows are missing', () => {
    expect(apply(started, ['pause', 'resume']).status).toBe('uploading')
    expect(apply(started, ['pause', 'finish_upload', 'resume']).status).toBe('running')
  })

  test('of an upload that ends after a cancel has its last rows canceled too', () => {
    const canceling = applyEvent(inStatus('canceling'), cancelDone, T0 + 2)
    expect(canceling.work).toBeNull()
    const uploaded = applyEvent(canceling, events.finish_upload, T0 + 3)
    expect(uploaded).toMatchObject({ status: 'canceling', uploadedAt: null, work: { kind: 'cancel', nextChunk: 0 } })
    expect(isUploadCanceled(uploaded)).toBe(true)
  })

  test('of the end waits until what was asked of all rows is done', () => {
    const retried = apply(started, ['finish_upload', 'end', 'retry'])
    expect(() => applyEvent(retried, events.end, T0)).toThrow(RefusedBatchEventError)
    expect(apply(retried, ['advance_work', 'end'])).toMatchObject({ status: 'completed', retrySkipped: 1 })
  })

  test('of a paused batch does not end it before its upload has ended', () => {
    expect(() => apply(started, ['pause', 'end'])).toThrow(RefusedBatchEventError)
  })

  test('of work that a cancel has replaced is not written over it', () => {
    const canceled = apply(started, ['finish_upload', 'end', 'retry', 'cancel'])
    expect(applyEvent(canceled, events.advance_work, T0)).toBe(canceled)
  })
})

test('whatever happens in whatever order, a batch stays consistent', () => {
  const anyEvent = fc.oneof(
    fc.constantFrom(...Object.values(events), cancelDone),
    fc.record({ type: fc.constant('record_progress' as const), ended: fc.nat(1_000) }),
  )
  const step = fc.tuple(anyEvent, fc.integer({ min: 1, max: 10_000 }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let record = started
      let now = T0
      for (const [event, elapsedMs] of steps) {
        now += elapsedMs
        const before = structuredClone(record)
        const next = applyOrKeep(record, event, now)
        expect(record).toEqual(before)
        checkStep(record, next, event)
        checkRecord(next)
        record = next
      }
    }),
    { numRuns: 500 },
  )
})

function applyOrKeep(record: BatchRecord, event: BatchEvent, now: number): BatchRecord {
  try {
    return applyEvent(record, event, now)
  } catch (error) {
    expect(error).toBeInstanceOf(RefusedBatchEventError)
    return record
  }
}

function checkStep(before: BatchRecord, after: BatchRecord, { type }: BatchEvent): void {
  // The end is final but for rows that run again.
  if (isBatchFinished(before) && type !== 'retry' && type !== 'reopen') expect(after).toBe(before)
  // Only a batch that is being canceled ends as canceled.
  if (after.status === 'canceled' && before.status !== 'canceled') expect(before.status).toBe('canceling')
  // A cancel is never taken back.
  if (before.status === 'canceling') expect(['canceling', 'canceled']).toContain(after.status)
  if (before.uploadedAt !== null) expect(after.uploadedAt).toBe(before.uploadedAt)
  expect(after.updatedAt).toBeGreaterThanOrEqual(before.updatedAt)
  expect(after.progressAt).toBeGreaterThanOrEqual(before.progressAt)
  expect(after.createdAt).toBe(before.createdAt)
}

function checkRecord(record: BatchRecord): void {
  const { status, uploadedAt, finishedAt, work, samples } = record
  expect(finishedAt !== null).toBe(isBatchFinished(record))
  if (isBatchFinished(record)) expect(work).toBeNull()
  if (status === 'uploading') expect(uploadedAt).toBeNull()
  if (status === 'running' || status === 'completed') expect(uploadedAt).not.toBeNull()
  if (status === 'paused' || status === 'stopped' || status === 'canceling') expect(record.statusReason).not.toBeNull()
  expect(holdOf(record)).toBe(
    status === 'canceling' ? 'canceled' : status === 'paused' || status === 'stopped' ? 'paused' : null,
  )
  expect(samples.length).toBeLessThanOrEqual(12)
  expect(samples.map(({ at }) => at)).toEqual(samples.map(({ at }) => at).toSorted((one, other) => one - other))
  for (const at of [uploadedAt, finishedAt, record.progressAt])
    if (at !== null) expect(at).toBeLessThanOrEqual(record.updatedAt)
}
