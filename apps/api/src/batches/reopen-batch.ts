import { brakeCountsOf, isBatchFinished } from '@muster/domain/batch/record'
import type { Store } from '@muster/store/store'

/**
 * One of its rows was queued again by itself: of a batch that has ended, lanes are given nothing, what is kept of it
 * leaves, and its brake may be on.
 */
export async function reopenBatch(store: Store, batchId: string, now: number): Promise<void> {
  const present = await store.batches.read(batchId)
  if (!present || !isBatchFinished(present)) return
  const brakeFrom = brakeCountsOf(await store.batches.countParts(present))
  const record = await store.batches.update(batchId, (latest) =>
    isBatchFinished(latest)
      ? {
          ...latest,
          status: 'running',
          statusReason: null,
          finishedAt: null,
          uploadedAt: latest.uploadedAt ?? now,
          samples: [],
          brakeFrom,
          updatedAt: now,
        }
      : undefined,
  )
  if (!record) return
  await store.batches.reopen(record, now)
  await store.batches.syncBrake(record.id)
}
