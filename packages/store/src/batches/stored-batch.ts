import type { FailureCounts } from '@muster/domain/batch/counts'
import type { BatchRecord } from '@muster/domain/batch/record'

/** Field of a batch's counts at an account. The hold flag is stored under its first name. */
export const HOLD_FIELD = 'brake'

/** The failure baseline is stored under its first name, which processes of an earlier version read. */
type StoredBatch = Omit<BatchRecord, 'failureBaseline'> & { brakeFrom: FailureCounts }

export function encodeBatch({ failureBaseline, ...record }: BatchRecord): string {
  return JSON.stringify({ ...record, brakeFrom: failureBaseline } satisfies StoredBatch)
}

export function decodeBatch(text: string): BatchRecord {
  const { brakeFrom, ...record } = JSON.parse(text) as StoredBatch
  return { ...record, failureBaseline: brakeFrom }
}
