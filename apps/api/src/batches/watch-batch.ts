import { setTimeout as pause } from 'node:timers/promises'
import type { BatchRecord } from '@muster/domain/batch/record'
import { isBatchFinished } from '@muster/domain/batch/state'
import type { Store } from '@muster/store/store'
import { toBatchResource } from './batch-resource.ts'
import type { ApiDependencies } from '../dependencies.ts'

const EVERY_MS = 1_000
/** Proxies cut off a silent stream. */
const COMMENT_EVERY_MS = 15_000

/**
 * Server-sent events (HTML Living Standard, 9.2). Each holds the whole batch, under an id that only grows with its
 * changes; a client that returns with Last-Event-ID gets what is newer, if anything is. Ends after `completed`, and
 * when the process stops.
 */
export async function* watchBatch(
  { store, schedule, isStopping }: Pick<ApiDependencies, 'store' | 'schedule' | 'isStopping'>,
  batchId: string,
  lastEventId: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  let reported = /^\d{1,15}$/.test(lastEventId ?? '') ? Number(lastEventId) : -1
  let sentAt = performance.now()
  yield 'retry: 2000\n\n'
  while (!signal.aborted && !isStopping()) {
    const present = await readForEvent(store, batchId)
    if (!present) return
    const { record, eventId } = present
    const isFinished = isBatchFinished(record)
    if (eventId > reported || isFinished) {
      const data = JSON.stringify(await toBatchResource({ store, schedule }, record))
      yield `id: ${eventId}\nevent: ${isFinished ? 'completed' : 'progress'}\ndata: ${data}\n\n`
      reported = eventId
      sentAt = performance.now()
    } else if (performance.now() - sentAt > COMMENT_EVERY_MS) {
      yield ': still here\n\n'
      sentAt = performance.now()
    }
    if (isFinished) return
    await pause(EVERY_MS, undefined, { signal }).catch(() => undefined)
  }
}

async function readForEvent(
  store: Store,
  batchId: string,
): Promise<{ record: BatchRecord; eventId: number } | undefined> {
  const present = await store.batches.readVersioned(batchId)
  if (!present) return undefined
  const [{ totals }, { rows }] = await Promise.all([
    store.batches.readCounts(present.record),
    store.batches.readProgress(batchId),
  ])
  // Each of these only grows; the version grows with a pause, which changes no count.
  return { record: present.record, eventId: totals.changes + rows + Number(present.version) }
}
