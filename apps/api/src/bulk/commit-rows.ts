import type { JsonObject } from '@muster/contracts/json'
import { isSecretName, MASK, secretStrings, splitSecrets } from '@muster/contracts/secrets'
import type { LaneSchedule } from '@muster/lanes/lane-schedule'
import { itemIdOf } from '@muster/store/batch-item-id'
import { CHUNK_ROWS, isBatchFinished, type BatchRecord, type BatchRow } from '@muster/store/batch-record'
import type { Hasher } from '@muster/store/hash-key'
import type { Acceptance, NewOperation } from '@muster/store/operations'
import type { Store } from '@muster/store/store'
import { toNewOperation } from '../accept-operation.ts'
import type { ApiMetrics } from '../metrics.ts'
import { RequestError } from '../http/request-error.ts'
import type { JudgedRow } from './judge-rows.ts'

const HOUR_MS = 3_600_000

export interface CommitOptions {
  store: Store
  schedule: LaneSchedule
  metrics: ApiMetrics
  hash: Hasher
  record: BatchRecord
  requestId: string
  defaultExpiryHours: number
  now: number
}

/**
 * Rows → operations, a chunk at a time: the operations first, then the chunk that says so. Where a process dies in
 * between, the same rows are sent again and are the same operations; rows of chunks that are committed are only
 * compared.
 */
export async function createCommitter({
  store,
  schedule,
  metrics,
  hash,
  record: created,
  requestId,
  defaultExpiryHours,
  now,
}: CommitOptions) {
  let record = created
  const done = await store.batches.readProgress(record.id)
  let digest = ''
  let chunk = 0
  let rejected = 0
  let rows = 0
  let waiting: JudgedRow[] = []
  let hasWritten = false

  /**
   * Over what was sent, not over what came of it: an account that was removed meanwhile must not look like another
   * upload.
   */
  const extend = (judged: readonly JudgedRow[]): string =>
    hash('batch-rows', digest, JSON.stringify(judged.map(({ row }) => [row.value ?? null, row.problems])))

  const positions = new Map((await store.batches.readAccounts(record)).map(({ id }, position) => [id, position]))

  /** The accounts of these rows, and where those stand in the batch that are new to it. */
  async function knowAccounts(judged: readonly JudgedRow[]): Promise<string[]> {
    const accounts = new Map(judged.flatMap(({ create }) => (create ? [[create.account.id, create.account]] : [])))
    const added = [...accounts.values()].filter(({ id }) => !positions.has(id))
    if (added.length > 0) {
      const written = await store.batches.addAccounts(
        record.id,
        positions.size,
        added.map(({ id, provider }) => ({ id, provider })),
        now,
      )
      if (!written) throw uploadedElsewhere()
      record = written
      for (const { id } of added) positions.set(id, positions.size)
      await Promise.all(added.map(({ id }) => schedule.wake(id)))
    }
    return [...accounts.keys()]
  }

  /** One at a time, so that none is held for longer than it takes to seal it. */
  function* toOperations(judged: readonly JudgedRow[]): Generator<NewOperation> {
    for (const { row, create } of judged) {
      if (!create) continue
      const { query } = create
      const earliest = query.not_before === undefined ? now : Math.max(now, Date.parse(query.not_before))
      const expiresAt =
        query.expires_at === undefined ? earliest + defaultExpiryHours * HOUR_MS : Date.parse(query.expires_at)
      yield toNewOperation(hash, {
        ...create,
        idempotencyKey: null,
        requestId,
        now,
        expiresAt,
        item: { id: itemIdOf(record.id, row.number), batchId: record.id },
      })
    }
  }

  const isCanceled = (): boolean =>
    record.uploadedAt === null && (record.status === 'canceling' || isBatchFinished(record))

  async function flush(): Promise<void> {
    const judged = waiting
    waiting = []
    if (judged.length === 0) return
    digest = extend(judged)
    rows += judged.length
    if (chunk < done.chunks) {
      chunk += 1
      // Only the last of them is remembered, and it stands for all before it.
      if (chunk === done.chunks) checkSame()
      rejected = done.rejected
      return
    }
    if (created.uploadedAt !== null) throw otherRows()
    hasWritten = true
    const accountIds = await knowAccounts(judged)
    const answers = (await store.operations.acceptMany(toOperations(judged))).values()
    const batchRows: BatchRow[] = []
    for (const { row, problems, create } of judged) {
      const acceptance = create ? answers.next().value : undefined
      if (create && acceptance?.kind === 'accepted') metrics.accepted.inc({ provider: create.account.provider })
      batchRows.push(toBatchRow(positions, row, problems, create, acceptance))
    }
    rejected += batchRows.filter(({ account }) => account === null).length
    if (!(await store.batches.commitChunk(record.id, chunk, batchRows, { rows, rejected, digest })))
      throw uploadedElsewhere()
    chunk += 1
    await Promise.all(accountIds.map((id) => schedule.wake(id)))
    record = (await store.batches.read(record.id)) ?? record
  }

  function checkSame(): void {
    if (rows !== done.rows || digest !== done.digest) throw otherRows()
  }
  const uploadedElsewhere = (): RequestError =>
    new RequestError('upload_in_progress', 'Another request is uploading this batch.', {
      headers: { 'retry-after': '5' },
    })
  const otherRows = (): RequestError =>
    new RequestError(
      'idempotency_key_reused',
      `The ${done.rows} rows that came with this Idempotency-Key before are not the first of these, or not all.`,
    )

  return {
    /** Nothing more of it is to be accepted. */
    isCanceled,
    /** Something of this upload is, or may be, accepted. */
    hasWritten: (): boolean => hasWritten || done.chunks > 0,
    /** Of what was committed before, the last chunk may be a short one, when the upload was whole. */
    async add(judged: JudgedRow): Promise<void> {
      waiting.push(judged)
      if (waiting.length >= CHUNK_ROWS) await flush()
    },
    /** The upload is whole. @throws RequestError when it has fewer rows than came before under the same key */
    async finish(): Promise<void> {
      await flush()
      if (chunk < done.chunks) checkSame()
      await store.operations.waitForReplicas()
    },
  }
}

function toBatchRow(
  positions: ReadonlyMap<string, number>,
  row: JudgedRow['row'],
  problems: JudgedRow['problems'],
  create: JudgedRow['create'],
  acceptance: Acceptance | undefined,
): BatchRow {
  const kept: BatchRow = { row: row.number, line: row.line, account: null, ...toEchoed(row) }
  const reference = create?.query.reference ?? (typeof row.value?.reference === 'string' ? row.value.reference : null)
  if (reference !== null) kept.reference = reference
  if (create && (acceptance?.kind === 'accepted' || acceptance?.kind === 'replayed'))
    return { ...kept, account: positions.get(create.account.id) ?? null }
  return { ...kept, problems: acceptance ? [toRefusal(acceptance)] : problems }
}

function toRefusal(acceptance: Acceptance): { pointer: string; code: string; detail: string } {
  if (acceptance.kind === 'account_gone')
    return { pointer: '/integrated_account_id', code: 'not_found', detail: 'There is no such integrated account.' }
  const other = 'operationId' in acceptance ? `/operations/${acceptance.operationId}` : ''
  return {
    pointer: '',
    code: 'operation_in_progress',
    detail: `Another operation, ${other}, not finished yet, is creating a user with this login.`,
  }
}

/**
 * What is echoed lies there for as long as the batch: a secret must not, whatever its column is called. Of a row that
 * could not be read, nobody knows what is one.
 */
function toEchoed({ columns, value }: JudgedRow['row']): { columns?: Record<string, string> } {
  if (!columns || !value) return {}
  const secrets = new Set(secretStrings(splitSecrets(value as JsonObject).secrets))
  return {
    columns: Object.fromEntries(
      Object.entries(columns).map(([name, cell]) => [
        name,
        secrets.has(cell.trim()) || (isSecretName(name.replaceAll(/[\s-]/g, '_')) && cell !== '') ? MASK : cell,
      ]),
    ),
  }
}
