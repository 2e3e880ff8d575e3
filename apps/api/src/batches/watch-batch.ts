import { setTimeout as pause } from 'node:timers/promises'
import { isBatchFinished } from '@muster/domain/batch/state'
import { toBatchResource } from './batch-resource.ts'
import type { ApiDependencies } from '../dependencies.ts'

const EVERY_MS = 1_000
/** Proxies cut off what is silent. */
const COMMENT_EVERY_MS = 15_000

/**
 * Server-sent events (HTML Living Standard, 9.2). Each tells the whole as it is, under an id that only grows with its
 * changes; who comes back with Last-Event-ID is told what is newer, or nothing when nothing is. Ends after `completed`,
 * and when the process stops.
 */
export async function* watchBatch(
  { store, schedule, isStopping }: Pick<ApiDependencies, 'store' | 'schedule' | 'isStopping'>,
  batchId: string,
  lastEventId: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  let told = /^\d{1,15}$/.test(lastEventId ?? '') ? Number(lastEventId) : -1
  let spokenAt = performance.now()
  yield 'retry: 2000\n\n'
  while (!signal.aborted && !isStopping()) {
    const present = await store.batches.readVersioned(batchId)
    if (!present) return
    const { record, version } = present
    const [{ totals }, { rows }] = await Promise.all([
      store.batches.readCounts(record),
      store.batches.readProgress(batchId),
    ])
    const isFinished = isBatchFinished(record)
    // Every one of these only grows; the version tells of a pause, which changes no count.
    const id = totals.changes + rows + Number(version)
    if (id > told || isFinished) {
      yield `id: ${id}\nevent: ${isFinished ? 'completed' : 'progress'}\ndata: ${JSON.stringify(await toBatchResource({ store, schedule }, record))}\n\n`
      told = id
      spokenAt = performance.now()
    } else if (performance.now() - spokenAt > COMMENT_EVERY_MS) {
      yield ': still here\n\n'
      spokenAt = performance.now()
    }
    if (isFinished) return
    await pause(EVERY_MS, undefined, { signal }).catch(() => undefined)
  }
}
