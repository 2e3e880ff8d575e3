import { failureCountsOf, isBatchFinished } from '@muster/domain/batch/record'
import type { Store } from '@muster/store/store'

/**
 * One of its rows was queued again by itself: of a batch that has ended, lanes are given nothing, what is kept of it
 * leaves, and its rows may be on hold.
 */
export async function reopenBatch(store: Store, batchId: string, now: number): Promise<void> {
  const present = await store.batches.read(batchId)
  if (!present || !isBatchFinished(present)) return
  const failureBaseline = failureCountsOf(await store.batches.readAccountCounts(present))
  const record = await store.batches.update(batchId, (latest) =>
    isBatchFinished(latest)
      ? {
          ...latest,
          status: 'running',
          statusReason: null,
          finishedAt: null,
          uploadedAt: latest.uploadedAt ?? now,
          samples: [],
          failureBaseline,
          updatedAt: now,
        }
      : undefined,
  )
  if (!record) return
  await store.batches.reopen(record, now)
  await store.batches.syncHold(record.id)
}
