import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { createResultWriter, type EndMark } from '@muster/bulk/write-results'
import { batchResultFields, type BatchResource } from '@muster/contracts/batch'
import { routes } from '@muster/contracts/routes'
import type { UnreadableRecord } from '@muster/contracts/unreadable-record'
import { accountCountOf } from '@muster/store/batches/batch-accounts'
import { failureCountsOf, isBatchFinished, isMoving, type BatchRecord } from '@muster/domain/batch/record'
import { accountLane } from '@muster/domain/lane-id'
import { UnreadableError } from '@muster/store/crypto/unreadable'
import { toAccountProgress, toBatchResource } from './batch-resource.ts'
import { readBatchResults } from './batch-results.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { fitPage } from '../http/page.ts'
import { notFound, RequestError } from '../http/request-error.ts'
import { isOwn, readOwnBatch, type Caller } from '../http/own-records.ts'
import { toUnreadable, withUnreadable } from '../http/unreadable-records.ts'
import { waitForBatch } from '../operations/wait-for-end.ts'
import { watchBatch } from './watch-batch.ts'

const LIST_PAGE = 100

export function batchRoutes({ store, schedule, events, finished, config, isStopping }: ApiDependencies) {
  const toResource = (record: BatchRecord): Promise<BatchResource> => toBatchResource({ store, schedule }, record)
  const conflict = (record: BatchRecord, what: string): RequestError =>
    new RequestError('conflict', `The batch is ${record.status}: ${what}`)

  /** @param change throws where the state does not allow it. */
  async function change(
    caller: Caller,
    batchId: string,
    next: (record: BatchRecord) => BatchRecord,
  ): Promise<BatchRecord> {
    await readOwnBatch(store, caller, batchId)
    const written = await store.batches.update(batchId, next)
    if (!written) throw notFound('batch')
    return written
  }

  async function goOn(record: BatchRecord): Promise<void> {
    await Promise.all((await store.batches.readAccounts(record)).map(({ id }) => schedule.wake(accountLane(id))))
    events.nudge({ kind: 'batch', id: record.id })
  }

  const list = defineEndpoint(routes.listBatches, async ({ tenantId, caller, query }) => {
    const found: BatchRecord[] = []
    const unreadable: UnreadableRecord[] = []
    let before = query.cursor ?? null
    for (;;) {
      const ids = await store.batches.listIds(tenantId, before, LIST_PAGE)
      for (const id of ids) {
        const record = await readOr(id, unreadable)
        if (!record || !isOwn(caller, record) || (query.status !== undefined && record.status !== query.status))
          continue
        if (found.length === query.limit)
          return { status: 200, body: await toPage(found, unreadable, found.at(-1)?.id ?? null) }
        found.push(record)
      }
      before = ids.at(-1) ?? null
      if (ids.length < LIST_PAGE) return { status: 200, body: await toPage(found, unreadable, null) }
    }
  })

  async function readOr(id: string, unreadable: UnreadableRecord[]): Promise<BatchRecord | undefined> {
    try {
      return await store.batches.read(id)
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error
      unreadable.push(toUnreadable(id, error))
      return undefined
    }
  }

  const toPage = async (found: BatchRecord[], unreadable: UnreadableRecord[], nextCursor: string | null) =>
    withUnreadable(
      fitPage(await Promise.all(found.map(toResource)), nextCursor, ({ id }) => id),
      unreadable,
    )

  const read = defineEndpoint(routes.readBatch, async ({ caller, params, prefer, signal, leaveTurn }) => {
    const record = await waitForBatch({ store, finished }, await readOwnBatch(store, caller, params.id), {
      waitMs: prefer.waitMs,
      signal,
      leaveTurn,
    })
    const headers: Record<string, string> = isBatchFinished(record) ? {} : { 'retry-after': '2' }
    return { status: 200, headers, body: await toResource(record) }
  })

  const accounts = defineEndpoint(routes.listBatchAccounts, async ({ caller, params, query }) => {
    const record = await readOwnBatch(store, caller, params.id)
    const from = Number(query.cursor ?? 0)
    const parts = await store.batches.readCountsOf(
      record.id,
      await store.batches.readAccounts(record, from, Math.min(from + query.limit, accountCountOf(record))),
    )
    const next = from + parts.length
    return {
      status: 200,
      body: {
        result: await Promise.all(parts.map((part) => toAccountProgress({ store, schedule }, record, part))),
        next_cursor: next < accountCountOf(record) ? String(next) : null,
      },
    }
  })

  const results = defineEndpoint(routes.readBatchResults, async ({ caller, params, query, signal }) => {
    const record = await readOwnBatch(store, caller, params.id)
    const format = query.format ?? 'ndjson'
    const rows = Readable.from(readBatchResults(store, record, query.status))
    const endMark = query.end_mark ? toEndMark : undefined
    const writer = createResultWriter(format, record.columns ?? [], [...batchResultFields], endMark)
    rows.once('error', (error) => writer.destroy(error))
    const leave = (): void => void (rows.destroy(), writer.destroy())
    signal.addEventListener('abort', leave, { once: true })
    const headers: Record<string, string> =
      format === 'csv'
        ? {
            'content-type': 'text/csv; charset=utf-8',
            'content-disposition': `attachment; filename="batch-${record.id}.csv"`,
          }
        : { 'content-type': 'application/x-ndjson; charset=utf-8' }
    // Behind a proxy that speaks HTTP/1.0, a file that was cut off looks whole: this many rows are to be in it.
    const progress = await store.batches.readProgress(record.id)
    if (record.uploadedAt !== null && query.status === undefined) headers['x-total-rows'] = String(progress.rows)
    const file = rows.pipe(writer)
    // A short file goes out whole, with its length, which tells the same to every client.
    return { status: 200, headers, body: progress.chunks > 1 ? file : await buffer(file) }
  })

  const watch = defineEndpoint(routes.watchBatch, async ({ caller, params, headers, signal }) => {
    const record = await readOwnBatch(store, caller, params.id)
    return {
      status: 200,
      headers: { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' },
      body: Readable.from(watchBatch({ store, schedule, isStopping }, record.id, headers['last-event-id'], signal)),
    }
  })

  const pause = defineEndpoint(routes.pauseBatch, async ({ caller, params }) => {
    const record = await change(caller, params.id, (latest) => {
      if (latest.status === 'paused') return latest
      if (!isMoving(latest)) throw conflict(latest, 'only one that runs can be paused.')
      return { ...latest, status: 'paused', statusReason: 'Paused by hand.', updatedAt: Date.now() }
    })
    await store.batches.syncHold(record.id)
    return { status: 200, body: await toResource(record) }
  })

  const resume = defineEndpoint(routes.resumeBatch, async ({ caller, params }) => {
    const present = await readOwnBatch(store, caller, params.id)
    const failureBaseline = failureCountsOf(await store.batches.readAccountCounts(present))
    const record = await change(caller, params.id, (latest) => {
      if (latest.status !== 'paused' && latest.status !== 'stopped')
        throw conflict(latest, 'only one that is paused or stopped can be resumed.')
      return {
        ...latest,
        status: latest.uploadedAt === null ? 'uploading' : 'running',
        statusReason: null,
        failureBaseline,
        samples: [],
        updatedAt: Date.now(),
      }
    })
    await store.batches.syncHold(record.id)
    await goOn(record)
    return { status: 200, body: await toResource(record) }
  })

  const cancel = defineEndpoint(routes.cancelBatch, async ({ caller, params }) => {
    const record = await change(caller, params.id, (latest) => {
      if (latest.status === 'canceling') return latest
      if (isBatchFinished(latest)) throw conflict(latest, 'there is nothing left to cancel.')
      return {
        ...latest,
        status: 'canceling',
        statusReason: 'Canceled by hand.',
        work: { kind: 'cancel', nextChunk: 0, expiresAt: 0 },
        updatedAt: Date.now(),
      }
    })
    await store.batches.syncHold(record.id)
    await goOn(record)
    return { status: 202, headers: { location: `/batches/${record.id}` }, body: await toResource(record) }
  })

  const retry = defineEndpoint(routes.retryBatch, async ({ caller, params }) => {
    const now = Date.now()
    const expiresAt = now + config.MUSTER_DEFAULT_EXPIRY_HOURS * 3_600_000
    const present = await readOwnBatch(store, caller, params.id)
    const parts = await store.batches.readAccountCounts(present)
    if (present.status === 'completed' && parts.every(({ failed, expired }) => failed + expired === 0))
      throw conflict(present, 'no row of it has failed.')
    // Kept first: between the two, what is kept of it could leave.
    if (present.status === 'completed') {
      await store.openWork.check(
        present.tenantId,
        parts.reduce((sum, { failed, expired }) => sum + failed + expired, 0),
      )
      await store.batches.admit(present)
      await store.batches.reopen(present, now)
    }
    const record = await change(caller, params.id, (latest) => {
      if (latest.status !== 'completed')
        throw conflict(latest, 'its failed rows can be run again when it is completed.')
      return {
        ...latest,
        status: 'running',
        statusReason: null,
        finishedAt: null,
        work: { kind: 'retry', nextChunk: 0, expiresAt },
        retrySkipped: 0,
        samples: [],
        updatedAt: now,
        progressAt: latest.progressAt,
        failureBaseline: failureCountsOf(parts),
      }
    })
    await store.batches.reopen(record, now)
    await store.batches.syncHold(record.id)
    await goOn(record)
    return { status: 202, headers: { location: `/batches/${record.id}` }, body: await toResource(record) }
  })

  return [list, read, accounts, results, watch, pause, resume, cancel, retry]
}

const toEndMark: EndMark = (rows, sha256) => ({ row: rows, status: 'end', reference: `sha256:${sha256}` })
