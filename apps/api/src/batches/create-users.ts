import { accountLane } from '@muster/domain/lane-id'
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { BoundReachedError } from '@muster/contracts/bounds'
import type { BulkDryRun, BulkQuery } from '@muster/contracts/batch'
import { routes } from '@muster/contracts/routes'
import { createBatchId } from '@muster/store/batches/batch-item-id'
import type { BatchRecord } from '@muster/domain/batch/record'
import { isBatchFinished, startBatch } from '@muster/domain/batch/state'
import { toBatchResource } from './batch-resource.ts'
import { waitForBatch } from '../operations/wait-for-end.ts'
import { createCommitter } from './commit-rows.ts'
import { createRowValidator, type ValidatedRow } from './validate-rows.ts'
import { openSpool } from './spool.ts'
import { bytesOf, describeUpload, validateUpload, refuseSilence, untilAborted, type UploadedFile } from './upload.ts'
import { checkCallback } from '../webhooks/check-webhook-url.ts'
import { canonicalJson } from '../operations/create-input.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { estimateWaitSeconds } from '../operations/estimated-wait.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { toRequestError } from '../http/problem.ts'
import { invalid, RequestError } from '../http/request-error.ts'
import { modeOf, readOwnAccount, type Caller } from '../http/own-records.ts'

const MAX_REJECTED_SHOWN = 1_000
const MAX_ERRORS_SHOWN = 100
/** Longer than a chunk takes, shorter than the lease lasts. */
const RENEW_EVERY_MS = 4_000

export function createUsers(dependencies: ApiDependencies) {
  const { store, schedule, events, metrics, config, log } = dependencies

  return defineEndpoint(
    routes.createUsers,
    async ({ tenantId, caller, query, headers, prefer, requestId, signal, leaveTurn, stream: request }) => {
      if (!request) throw new RequestError('malformed_upload', 'The body is missing.')
      const now = Date.now()
      const hash = await store.hasher()
      if (query.integrated_account_id !== undefined) await readOwnAccount(store, caller, query.integrated_account_id)
      const file = await describeUpload(store, caller, request, query)
      const problems =
        query.callback_url === undefined
          ? []
          : await checkCallback(dependencies, tenantId, query.callback_url, modeOf(caller))
      if (problems.length > 0) throw invalid(problems)
      refuseSilence(request)
      const newValidator = () =>
        createRowValidator({ ...dependencies, hash, caller, query, isStrict: prefer.isStrict, now })
      if (query.dry_run)
        return {
          status: 200,
          body: await validateAll(validateUpload(bytesOf(request, signal), file, newValidator(), config)),
        }

      const key = headers['idempotency-key']
      const idempotencyHash =
        key === undefined ? null : hash('batch-idempotency-key', tenantId, key, ...(caller.isTest ? ['test'] : []))
      const fingerprint = hash('batch', file.format, canonicalJson(query))
      const present = await findBatch(tenantId, idempotencyHash, fingerprint)
      if (!present) await refuseTooMuch(tenantId)
      if (!present && query.callback_url !== undefined)
        await store.webhookEndpoints.ensureCallbackEndpoint(tenantId, query.callback_url, now, modeOf(caller))
      const isAllOrNothing = query.on_invalid === 'reject_all' && !present

      const spool = isAllOrNothing ? await openSpool(bytesOf(request, signal)) : undefined
      try {
        if (spool) refuseAnyInvalid(await validateAll(validateUpload(spool.first, file, newValidator(), config)))
        const stream = spool ? untilAborted(await spool.again(), signal) : bytesOf(request, signal)
        const record =
          present ?? (await openBatch({ caller, query, file, requestId, idempotencyHash, fingerprint, now }))
        const uploaded = await receive(record, stream, file, newValidator(), {
          hash,
          requestId,
          request,
          unwrite: async () => {
            if (present !== undefined) return
            await store.batches.remove(record)
            if (idempotencyHash !== null) await store.batches.letKeyGo(tenantId, idempotencyHash)
          },
        })
        log.info({ request_id: requestId, batch_id: record.id }, 'batch accepted')
        return {
          status: 202,
          headers: { location: `/batches/${record.id}` },
          body: await toBatchResource(
            dependencies,
            await waitForBatch(dependencies, uploaded, { waitMs: prefer.waitMs, signal, leaveTurn }),
          ),
        }
      } finally {
        await spool?.remove()
      }

      /** Nothing is written; what every row would come to. */
      async function validateAll(validated: AsyncIterable<ValidatedRow>): Promise<BulkDryRun> {
        const report: BulkDryRun = { dry_run: true, rows: 0, valid: 0, rejected: 0, rejected_rows: [], accounts: [] }
        const byAccount = new Map<string, BulkDryRun['accounts'][number]>()
        let page: ValidatedRow[] = []
        const count = async (): Promise<void> => {
          const busy = await findBusy(page)
          page.forEach((one, index) => {
            const errors = busy[index]
              ? [
                  {
                    pointer: '',
                    code: 'operation_in_progress',
                    detail: 'An unfinished operation is creating a user with this login.',
                  },
                ]
              : one.problems
            report.rows += 1
            if (errors.length > 0) {
              report.rejected += 1
              if (report.rejected_rows.length < MAX_REJECTED_SHOWN)
                report.rejected_rows.push({ row: one.row.number, line: one.row.line, errors })
              return
            }
            report.valid += 1
            const account = one.create?.account
            if (!account) return
            const entry = byAccount.get(account.id) ?? {
              integrated_account_id: account.id,
              provider: account.provider,
              rows: 0,
              estimated_wait_seconds: null,
            }
            entry.rows += 1
            byAccount.set(account.id, entry)
          })
          page = []
        }
        for await (const one of validated) if (page.push(one) >= 500) await count()
        await count()
        report.accounts = [...byAccount.values()]
        for (const entry of report.accounts) {
          const account = await store.accounts.read(entry.integrated_account_id)
          if (account)
            entry.estimated_wait_seconds = estimateWaitSeconds(
              account,
              (await store.operations.countOpen(account.id)) + entry.rows,
              await schedule.cooldownMs(accountLane(account.id)),
            )
        }
        return report
      }

      async function findBusy(page: readonly ValidatedRow[]): Promise<boolean[]> {
        const busy = page.map(() => false)
        for (const accountId of new Set(page.flatMap(({ create }) => create?.account.id ?? []))) {
          const positions = page.flatMap(({ create }, index) => (create?.account.id === accountId ? [index] : []))
          const live = await store.operations.findLiveLogins(
            accountId,
            positions.map((index) => page[index]?.create?.naturalKeyHash ?? ''),
          )
          positions.forEach((position, index) => (busy[position] = live[index] !== null))
        }
        return busy
      }
    },
  )

  async function findBatch(
    tenantId: string,
    idempotencyHash: string | null,
    fingerprint: string,
  ): Promise<BatchRecord | undefined> {
    const batchId =
      idempotencyHash === null ? null : await store.batches.findByIdempotencyKey(tenantId, idempotencyHash)
    const record = batchId === null ? undefined : await store.batches.read(batchId)
    if (record && (await store.batches.readFingerprint(record.id)) !== fingerprint) throw reusedBy(record.id)
    return record
  }

  function reusedBy(batchId: string): RequestError {
    return new RequestError('idempotency_key_reused', 'This Idempotency-Key came with another request before.', {
      extensions: { batch: `/batches/${batchId}`, batch_id: batchId },
    })
  }

  /** Before anything is read, so that a refusal costs nothing; the scripts that write look again. */
  async function refuseTooMuch(tenantId: string): Promise<void> {
    const limit = config.MUSTER_MAX_OPEN_BATCHES
    if ((await store.batches.countOpenOf(tenantId)) >= limit) throw new BoundReachedError('openBatches', limit)
    await store.openWork.check(tenantId)
  }

  async function openBatch({
    caller,
    query,
    file,
    requestId,
    idempotencyHash,
    fingerprint,
    now,
  }: {
    caller: Caller
    query: BulkQuery
    file: UploadedFile
    requestId: string
    idempotencyHash: string | null
    fingerprint: string
    now: number
  }): Promise<BatchRecord> {
    const { tenantId } = caller
    const id = createBatchId(now)
    const record = startBatch(
      {
        id: idempotencyHash === null ? id : await store.batches.reserveId(tenantId, idempotencyHash, id),
        tenantId,
        ...(caller.isTest ? { mode: modeOf(caller) } : {}),
        reference: query.reference ?? null,
        requestId,
        format: file.format,
        onInvalid: query.on_invalid ?? 'continue',
        maxFailures: query.max_failures ?? null,
        maxFailureRate: query.max_failure_rate ?? null,
        hasCallback: query.callback_url !== undefined,
        isResumable: idempotencyHash !== null,
      },
      now,
    )
    if (
      !(await store.batches.create(record, {
        fingerprint,
        ...(query.callback_url === undefined ? {} : { callbackUrl: query.callback_url }),
      }))
    )
      throw reusedBy(record.id)
    // Another request with this key may have written it at the same moment.
    return (await store.batches.read(record.id)) ?? record
  }

  /** The rows of an upload, from the first, whether they came before or not. */
  async function receive(
    found: BatchRecord,
    stream: AsyncIterable<Uint8Array>,
    file: UploadedFile,
    validator: ReturnType<typeof createRowValidator>,
    {
      hash,
      requestId,
      request,
      unwrite,
    }: {
      hash: Awaited<ReturnType<typeof store.hasher>>
      requestId: string
      request: IncomingMessage
      unwrite(): Promise<unknown>
    },
  ): Promise<BatchRecord> {
    const holder = randomUUID()
    const busy = (): RequestError =>
      new RequestError(
        'upload_in_progress',
        'Another request is uploading this batch: wait for it, or until it has been silent for 15 seconds.',
        { headers: { 'retry-after': '5' }, extensions: { batch: `/batches/${found.id}`, batch_id: found.id } },
      )
    if (!(await store.batches.takeUpload(found.id, holder))) throw busy()
    // As it is now that nobody else uploads: it may have been finished, or unwritten, since it was found.
    const record = await store.batches.read(found.id)
    if (!record) throw busy()
    if (record.uploadedAt === null && (isBatchFinished(record) || record.status === 'canceling')) {
      // Given up: nothing is added any more, and the answer is what became of it.
      request.resume()
      await store.batches.releaseUpload(record.id, holder)
      return record
    }
    let isLost = false
    const renewal = setInterval(
      () =>
        void store.batches.takeUpload(record.id, holder).then(
          (isOurs) => (isLost ||= !isOurs),
          () => undefined,
        ),
      RENEW_EVERY_MS,
    )
    const committer = await createCommitter({
      store,
      schedule,
      metrics,
      hash,
      record,
      requestId,
      defaultExpiryHours: config.MUSTER_DEFAULT_EXPIRY_HOURS,
      now: record.createdAt,
    })
    try {
      for await (const validated of validateUpload(stream, file, validator, config)) {
        await committer.add(validated)
        if (committer.isCanceled()) break
        if (isLost) throw busy()
      }
      await committer.finish()
      const now = Date.now()
      const done = await store.batches.apply(record.id, () => ({ type: 'finish_upload' }), now)
      if (done?.uploadedAt === null) request.resume()
      events.nudge({ kind: 'batch', id: record.id })
      return done ?? record
    } catch (error) {
      // Nothing of it came in: an empty batch would stand open for a week.
      if (!committer.hasWritten()) {
        await unwrite()
        throw error
      }
      // What came in stays and runs; the client is told where the rest belongs.
      const refusal = error instanceof BoundReachedError ? toRequestError(error).error : error
      throw refusal instanceof RequestError
        ? refusal.extendedBy({ batch: `/batches/${record.id}`, batch_id: record.id })
        : refusal
    } finally {
      clearInterval(renewal)
      await store.batches.releaseUpload(record.id, holder).catch(() => undefined)
    }
  }
}

function refuseAnyInvalid(report: BulkDryRun): void {
  if (report.rejected === 0) return
  const errors = report.rejected_rows.flatMap(({ row, errors: problems }) =>
    problems.map((problem) => ({ ...problem, pointer: `/items/${row - 1}${problem.pointer}` })),
  )
  throw new RequestError(
    'validation_failed',
    `${report.rejected} of ${report.rows} rows are not good, so none was accepted.`,
    {
      errors: errors.slice(0, MAX_ERRORS_SHOWN),
      extensions: {
        rows: report.rows,
        rejected: report.rejected,
        rejected_rows: report.rejected_rows.slice(0, MAX_ERRORS_SHOWN),
      },
    },
  )
}
