import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { endedOf, openOf, rowStatuses, sumCounts, toBatchCounts, toRowCounts, type RowCounts } from './counts.ts'
import type { BatchRecord } from './record.ts'
import { applyEvent, startBatch } from './state.ts'
import { dueEvent, failureLimitReason, stopEvent, type BatchObservation } from './supervision.ts'

const T0 = 1_750_000_000_000
const WEEK_MS = 7 * 86_400_000
const uploading = startBatch(
  {
    id: 'b',
    tenantId: 't',
    reference: null,
    requestId: 'r',
    format: 'csv',
    onInvalid: 'continue',
    maxFailures: null,
    maxFailureRate: null,
    hasCallback: false,
    isResumable: true,
  },
  T0,
)
const running = applyEvent(uploading, { type: 'finish_upload' }, T0)

function seen(more: Partial<RowCounts> = {}, isUploading = false): BatchObservation {
  const counts = toRowCounts((name) => more[name] ?? 0)
  const ended = endedOf(counts)
  return {
    counts: toBatchCounts(counts, { rows: ended + openOf(counts), rejected: 0 }),
    failures: { failed: counts.failed, ended },
    rows: ended + openOf(counts),
    isUploading,
  }
}

describe('the failure limit', () => {
  const reason = (more: Partial<BatchRecord>, failed: number, ended: number) =>
    failureLimitReason({ ...running, ...more }, { failed, ended })

  test('counts rows from its baseline on', () => {
    expect(reason({ maxFailures: 5 }, 4, 4)).toBeNull()
    expect(reason({ maxFailures: 5 }, 5, 9)).toBe('5 rows have failed, and max_failures is 5.')
    expect(reason({ maxFailures: 5, failureBaseline: { failed: 5, ended: 9 } }, 9, 20)).toBeNull()
  })

  test('needs 20 finished rows for a rate', () => {
    expect(reason({ maxFailureRate: 0.5 }, 19, 19)).toBeNull()
    expect(reason({ maxFailureRate: 0.5 }, 10, 20)).toBeNull()
    expect(reason({ maxFailureRate: 0.5 }, 11, 20)).toBe('11 of 20 rows have failed, and max_failure_rate is 0.5.')
  })

  test('stops only a batch whose rows are being started', () => {
    const limited = { ...running, maxFailures: 1 }
    expect(stopEvent(limited, { failed: 1, ended: 1 })?.type).toBe('stop')
    expect(stopEvent({ ...limited, status: 'paused' }, { failed: 1, ended: 1 })).toBeUndefined()
  })
})

describe('what is due', () => {
  const typeDue = (record: BatchRecord, observation: BatchObservation, afterMs: number) =>
    dueEvent(record, observation, T0 + afterMs)?.type

  test('is the end once no row is open', () => {
    expect(typeDue(running, seen({ succeeded: 3 }), 1)).toBe('end')
    expect(typeDue(running, seen({ succeeded: 3, queued: 1 }), 1)).toBeUndefined()
  })

  test('is not the end while rows may still come in', () => {
    expect(typeDue(uploading, seen({ succeeded: 3 }), 1)).toBeUndefined()
    const canceling = { ...applyEvent(uploading, { type: 'cancel' }, T0), work: null }
    expect(typeDue(canceling, seen({ canceled: 3 }, true), 1)).toBeUndefined()
    expect(typeDue(canceling, seen({ canceled: 3 }), 1)).toBe('end')
  })

  test('is to close an upload that broke off and cannot be sent again', () => {
    const broken = { ...uploading, isResumable: false }
    expect(typeDue(broken, seen({ queued: 1 }), 20_000)).toBe('record_progress')
    expect(typeDue(broken, seen({ queued: 1 }), 20_001)).toBe('close_upload')
    expect(typeDue(broken, seen({ queued: 1 }, true), 20_001)).toBe('record_progress')
  })

  test('is to abandon an upload that could be sent again and was not for a week', () => {
    expect(typeDue(uploading, seen({ queued: 1 }), WEEK_MS)).toBe('record_progress')
    expect(typeDue(uploading, seen({ queued: 1 }), WEEK_MS + 1)).toBe('abandon_upload')
  })

  test('is progress every five seconds, if there is any', () => {
    const sampled = { ...running, samples: [{ at: T0, ended: 3 }] }
    expect(typeDue(sampled, seen({ succeeded: 4, queued: 1 }), 4_999)).toBeUndefined()
    expect(typeDue(sampled, seen({ succeeded: 4, queued: 1 }), 5_000)).toBe('record_progress')
    expect(typeDue(sampled, seen({ succeeded: 3, queued: 1 }), 5_000)).toBeUndefined()
  })

  test('is nothing once the batch has ended', () => {
    const completed = applyEvent(running, { type: 'end', reason: null }, T0)
    expect(typeDue(completed, seen({ succeeded: 3 }), WEEK_MS)).toBeUndefined()
  })
})

test('counts of a batch add up, and no count exceeds the total', () => {
  const anyCounts = fc.array(fc.record(Object.fromEntries(rowStatuses.map((status) => [status, fc.nat(1_000)]))), {
    maxLength: 5,
  })
  fc.assert(
    fc.property(anyCounts, fc.nat(5_000), fc.nat(100), (accounts, rows, rejected) => {
      const all = accounts.map((account) => toRowCounts((name) => account[name] ?? 0))
      const counts = toBatchCounts(sumCounts(all), { rows, rejected })
      expect(counts.total).toBeGreaterThanOrEqual(openOf(counts) + endedOf(counts) + counts.rejected)
      for (const status of rowStatuses)
        expect(counts[status]).toBe(all.reduce((sum, account) => sum + account[status], 0))
    }),
  )
})
