import type { IncomingMessage } from 'node:http'
import { routes } from '@muster/contracts/routes'
import type { BatchRecord } from '@muster/domain/batch/record'
import type { Hasher } from '@muster/store/crypto/hash-key'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint, type ApiRequest, type ApiResponse } from '../http/endpoint.ts'
import { modeOf, readOwnAccount } from '../http/own-records.ts'
import { invalid, RequestError } from '../http/request-error.ts'
import { waitForBatch } from '../operations/wait-for-end.ts'
import { checkCallback } from '../webhooks/check-webhook-url.ts'
import { toBatchResource } from './batch-resource.ts'
import { refuseRejected, reportDryRun } from './dry-run.ts'
import { checkRoom, findBatch, identifyBatch, openBatch, removeBatch } from './open-batch.ts'
import { receiveUpload } from './receive-upload.ts'
import { Spool } from './spool.ts'
import { bytesOf, describeUpload, refuseSilence, untilAborted, validateUpload, type UploadedFile } from './upload.ts'
import { UploadReport, type UploadedRows } from './upload-report.ts'
import { RowValidator } from './validate-rows.ts'

type BulkRequest = ApiRequest<typeof routes.createUsers>

/** A request whose key, parameters and headers are good; no byte of its body has been read. */
interface CheckedUpload extends BulkRequest {
  stream: IncomingMessage
  file: UploadedFile
  hash: Hasher
  now: number
}

export const createUsers = (dependencies: ApiDependencies) =>
  defineEndpoint(routes.createUsers, async (request) => {
    const upload = await checkUpload(dependencies, request)
    refuseSilence(upload.stream)
    if (!upload.query.dry_run) return acceptUpload(dependencies, upload)
    const rows = toRows(dependencies, upload, bytesOf(upload.stream, upload.signal))
    return { status: 200, body: await reportDryRun(dependencies, rows) }
  })

async function checkUpload(dependencies: ApiDependencies, request: BulkRequest): Promise<CheckedUpload> {
  const { store } = dependencies
  const { caller, query, stream } = request
  if (!stream) throw new RequestError('malformed_upload', 'The body is missing.')
  if (query.integrated_account_id !== undefined) await readOwnAccount(store, caller, query.integrated_account_id)
  const file = await describeUpload(store, caller, stream, query)
  if (query.callback_url !== undefined) {
    const problems = await checkCallback(dependencies, caller.tenantId, query.callback_url, modeOf(caller))
    if (problems.length > 0) throw invalid(problems)
  }
  return { ...request, stream, file, hash: await store.hasher(), now: Date.now() }
}

/** Each call starts again with the first row: duplicates are found within one reading. */
function toRows(
  dependencies: ApiDependencies,
  { hash, caller, query, prefer, now, file }: CheckedUpload,
  bytes: AsyncIterable<Uint8Array>,
): UploadedRows {
  const validator = new RowValidator({ ...dependencies, hash, caller, query, isStrict: prefer.isStrict, now })
  const report = new UploadReport()
  const rows = validateUpload(bytes, { ...file, onColumns: report.setColumns }, validator, dependencies.config)
  return { rows: report.reading(rows), report }
}

async function acceptUpload(dependencies: ApiDependencies, upload: CheckedUpload): Promise<ApiResponse> {
  const { store } = dependencies
  const { caller, query, headers, file, hash, stream, signal } = upload
  const identity = identifyBatch(hash, caller, headers['idempotency-key'], file, query)
  const present = await findBatch(store, caller.tenantId, identity)
  if (!present) await makeRoom(dependencies, upload)
  const isAllOrNothing = query.on_invalid === 'reject_all' && !present
  const spool = isAllOrNothing ? await Spool.open(bytesOf(stream, signal)) : undefined
  try {
    if (spool) refuseRejected(await reportDryRun(dependencies, toRows(dependencies, upload, spool.first)))
    const bytes = spool ? untilAborted(await spool.again(), signal) : bytesOf(stream, signal)
    const { rows, report } = toRows(dependencies, upload, bytes)
    const record = present ?? (await openBatch(store, { ...upload, ...identity }))
    const received = await receiveUpload(dependencies, {
      ...upload,
      record,
      request: stream,
      rows,
      onNothingAccepted: async () => (present ? undefined : removeBatch(store, record, identity)),
    })
    return await answerAccepted(dependencies, upload, received, report)
  } finally {
    await spool?.remove()
  }
}

async function makeRoom(dependencies: ApiDependencies, { caller, query, now }: CheckedUpload): Promise<void> {
  await checkRoom(dependencies, caller.tenantId)
  if (query.callback_url === undefined) return
  const { webhookEndpoints } = dependencies.store
  await webhookEndpoints.ensureCallbackEndpoint(caller.tenantId, query.callback_url, now, modeOf(caller))
}

async function answerAccepted(
  dependencies: ApiDependencies,
  { requestId, prefer, signal, leaveTurn }: CheckedUpload,
  record: BatchRecord,
  report: UploadReport,
): Promise<ApiResponse> {
  dependencies.log.info({ request_id: requestId, batch_id: record.id }, 'batch accepted')
  const latest = await waitForBatch(dependencies, record, { waitMs: prefer.waitMs, signal, leaveTurn })
  return {
    status: 202,
    headers: { location: `/batches/${record.id}` },
    body: { ...(await toBatchResource(dependencies, latest)), ...report.get() },
  }
}
