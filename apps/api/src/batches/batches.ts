import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { createResultWriter } from '@muster/bulk/write-results'
import { batchResultFields } from '@muster/contracts/batch'
import { routes } from '@muster/contracts/routes'
import type { UnreadableRecord } from '@muster/contracts/unreadable-record'
import type { BatchRecord } from '@muster/domain/batch/record'
import { isBatchFinished } from '@muster/domain/batch/state'
import { accountCountOf } from '@muster/store/batches/batch-accounts'
import { UnreadableError } from '@muster/store/crypto/unreadable'
import type { Store } from '@muster/store/store'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { isOwn, readOwnBatch } from '../http/own-records.ts'
import { fitPage } from '../http/page.ts'
import { toUnreadable, withUnreadable } from '../http/unreadable-records.ts'
import { waitForBatch } from '../operations/wait-for-end.ts'
import { toAccountProgress, toBatchResource } from './batch-resource.ts'
import { readBatchResults } from './batch-results.ts'
import { refuseLayout, toEndMark, toFilter, toLayout } from './results-layout.ts'
import { changeBatchRoutes } from './change-batch.ts'
import { watchBatch } from './watch-batch.ts'

const LIST_PAGE = 100

export const batchRoutes = (dependencies: ApiDependencies) => [
  listBatches(dependencies),
  readBatch(dependencies),
  listBatchAccounts(dependencies),
  readResults(dependencies),
  watch(dependencies),
  ...changeBatchRoutes(dependencies),
]

const listBatches = ({ store, schedule }: ApiDependencies) =>
  defineEndpoint(routes.listBatches, async ({ tenantId, caller, query }) => {
    const unreadable: UnreadableRecord[] = []
    const matches = (record: BatchRecord): boolean =>
      isOwn(caller, record) && (query.status === undefined || record.status === query.status)
    // One more than is shown says whether there is another page.
    const found = await findBatches(store, tenantId, query.cursor ?? null, query.limit + 1, matches, unreadable)
    const shown = found.slice(0, query.limit)
    const resources = await Promise.all(shown.map((record) => toBatchResource({ store, schedule }, record)))
    const next = found.length > shown.length ? (shown.at(-1)?.id ?? null) : null
    return {
      status: 200,
      body: withUnreadable(
        fitPage(resources, next, ({ id }) => id),
        unreadable,
      ),
    }
  })

/** Newest first, older than `before`. Records that do not open are added to `unreadable`. */
async function findBatches(
  store: Store,
  tenantId: string,
  before: string | null,
  count: number,
  matches: (record: BatchRecord) => boolean,
  unreadable: UnreadableRecord[],
): Promise<BatchRecord[]> {
  const found: BatchRecord[] = []
  for (let from = before; ;) {
    const ids = await store.batches.listIds(tenantId, from, LIST_PAGE)
    for (const id of ids) {
      const record = await store.batches.read(id).catch((error: unknown) => {
        if (!(error instanceof UnreadableError)) throw error
        unreadable.push(toUnreadable(id, error))
        return undefined
      })
      if (record && matches(record) && found.push(record) === count) return found
    }
    from = ids.at(-1) ?? null
    if (ids.length < LIST_PAGE) return found
  }
}

const readBatch = ({ store, schedule, finished }: ApiDependencies) =>
  defineEndpoint(routes.readBatch, async ({ caller, params, prefer, signal, leaveTurn }) => {
    const present = await readOwnBatch(store, caller, params.id)
    const record = await waitForBatch({ store, finished }, present, { waitMs: prefer.waitMs, signal, leaveTurn })
    const headers: Record<string, string> = isBatchFinished(record) ? {} : { 'retry-after': '2' }
    return { status: 200, headers, body: await toBatchResource({ store, schedule }, record) }
  })

const listBatchAccounts = ({ store, schedule }: ApiDependencies) =>
  defineEndpoint(routes.listBatchAccounts, async ({ caller, params, query }) => {
    const record = await readOwnBatch(store, caller, params.id)
    const from = Number(query.cursor ?? 0)
    const to = Math.min(from + query.limit, accountCountOf(record))
    const counts = await store.batches.readCountsOf(record.id, await store.batches.readAccounts(record, from, to))
    const next = from + counts.length
    return {
      status: 200,
      body: {
        result: await Promise.all(counts.map((account) => toAccountProgress({ store, schedule }, record, account))),
        next_cursor: next < accountCountOf(record) ? String(next) : null,
      },
    }
  })

const readResults = ({ store }: ApiDependencies) =>
  defineEndpoint(routes.readBatchResults, async ({ caller, params, query, signal }) => {
    const record = await readOwnBatch(store, caller, params.id)
    refuseLayout(query, record)
    const format = query.format ?? 'ndjson'
    const rows = Readable.from(readBatchResults(store, record, toFilter(query)))
    const endMark = query.end_mark ? toEndMark : undefined
    const fields = query.shape === 'upload' ? [] : [...batchResultFields]
    const writer = createResultWriter(format, record.columns ?? [], fields, endMark, toLayout(query))
    rows.once('error', (error) => writer.destroy(error))
    signal.addEventListener('abort', () => void (rows.destroy(), writer.destroy()), { once: true })
    const progress = await store.batches.readProgress(record.id)
    const headers = headersOf(record, format)
    // Behind a proxy that speaks HTTP/1.0 a truncated file looks complete; this says how many rows it must have.
    if (record.uploadedAt !== null && query.status === undefined && query.shape !== 'upload')
      headers['x-total-rows'] = String(progress.rows)
    const file = rows.pipe(writer)
    // A short file is sent whole, with its length, which says the same to every client.
    return { status: 200, headers, body: progress.chunks > 1 ? file : await buffer(file) }
  })

const headersOf = ({ id }: BatchRecord, format: 'ndjson' | 'csv'): Record<string, string> =>
  format === 'csv'
    ? {
        'content-type': 'text/csv; charset=utf-8',
        'content-disposition': `attachment; filename="batch-${id}.csv"`,
      }
    : { 'content-type': 'application/x-ndjson; charset=utf-8' }

const watch = ({ store, schedule, isStopping }: ApiDependencies) =>
  defineEndpoint(routes.watchBatch, async ({ caller, params, headers, signal }) => {
    const record = await readOwnBatch(store, caller, params.id)
    return {
      status: 200,
      headers: { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' },
      body: Readable.from(watchBatch({ store, schedule, isStopping }, record.id, headers['last-event-id'], signal)),
    }
  })
