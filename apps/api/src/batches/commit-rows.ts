import { accountLane } from '@muster/domain/lane-id'
import { BoundReachedError, rowBounds } from '@muster/contracts/bounds'
import type { JsonObject } from '@muster/contracts/json'
import { MASK } from '@muster/contracts/known-secrets'
import type { InputProblem } from '@muster/contracts/problem'
import { isSecretName, secretStrings, splitSecrets } from '@muster/contracts/secrets'
import type { LaneSchedule } from '@muster/lanes/lane-schedule'
import { itemIdOf } from '@muster/store/batches/batch-item-id'
import { CHUNK_ROWS, type BatchRecord, type BatchRow } from '@muster/domain/batch/record'
import { isBatchFinished } from '@muster/domain/batch/state'
import type { Hasher } from '@muster/store/crypto/hash-key'
import type { Acceptance, NewOperation } from '@muster/store/operations/operations'
import type { Store } from '@muster/store/store'
import { toNewOperation } from '../operations/accept-operation.ts'
import type { ApiMetrics } from '../metrics.ts'
import { RequestError } from '../http/request-error.ts'
import type { ValidatedRow } from './validate-rows.ts'

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
  let waiting: ValidatedRow[] = []
  /** What was sent of each of them. */
  let sent: string[] = []
  let bytes = 0
  let hasWritten = false

  const positions = new Map((await store.batches.readAccounts(record)).map(({ id }, position) => [id, position]))

  /** Once for the whole batch: rows keep their cells only. */
  async function knowColumns(validated: readonly ValidatedRow[]): Promise<void> {
    const names = validated.find(({ row }) => row.columns)?.row.columns?.names
    if (!names || record.columns) return
    record = (await store.batches.update(record.id, (latest) => ({ ...latest, columns: [...names] }))) ?? record
  }

  /** The accounts of these rows, and where those stand in the batch that are new to it. */
  async function knowAccounts(validated: readonly ValidatedRow[]): Promise<string[]> {
    const accounts = new Map(validated.flatMap(({ create }) => (create ? [[create.account.id, create.account]] : [])))
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
      await Promise.all(added.map(({ id }) => schedule.wake(accountLane(id))))
    }
    return [...accounts.keys()]
  }

  /** One at a time, so that none is held for longer than it takes to seal it. */
  function* toOperations(validated: readonly ValidatedRow[]): Generator<NewOperation> {
    for (const { row, create } of validated) {
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
    const validated = waiting
    if (validated.length === 0) return
    digest = hash('batch-rows', digest, `[${sent.join(',')}]`)
    waiting = []
    sent = []
    bytes = 0
    rows += validated.length
    if (chunk < done.chunks) {
      chunk += 1
      // Only the last of them is remembered, and it stands for all before it.
      if (chunk === done.chunks) checkSame()
      rejected = done.rejected
      return
    }
    if (created.uploadedAt !== null) throw otherRows()
    await store.openWork.keep(
      record.tenantId,
      validated.map(bytesKept).reduce((sum, one) => sum + one, 0),
    )
    const hadWritten = hasWritten
    hasWritten = true
    await knowColumns(validated)
    const accountIds = await knowAccounts(validated)
    const accepted = await store.operations.acceptMany(toOperations(validated)).catch((error: unknown) => {
      // Then none of them came in.
      if (error instanceof BoundReachedError) hasWritten = hadWritten
      throw error
    })
    const answers = accepted.values()
    const batchRows: BatchRow[] = []
    for (const { row, problems, create } of validated) {
      const acceptance = create ? answers.next().value : undefined
      if (create && acceptance?.kind === 'accepted') metrics.accepted.inc({ provider: create.account.provider })
      batchRows.push(toBatchRow(positions, row, problems, create, acceptance))
    }
    rejected += batchRows.filter(({ account }) => account === null).length
    if (!(await store.batches.commitChunk(record.id, chunk, batchRows, { rows, rejected, digest })))
      throw uploadedElsewhere()
    chunk += 1
    await Promise.all(accountIds.map((id) => schedule.wake(accountLane(id))))
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
    async add(validated: ValidatedRow): Promise<void> {
      const { value, problems, columns } = validated.row
      // What was sent, not what came of it: with an account that was removed meanwhile it is still the same upload.
      const text = JSON.stringify([value ?? null, problems])
      waiting.push(validated)
      sent.push(text)
      bytes += text.length + (columns?.cells.reduce((sum, cell) => sum + cell.length, 0) ?? 0)
      if (waiting.length >= CHUNK_ROWS || bytes >= (created.chunkBytes ?? Infinity)) await flush()
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
  row: ValidatedRow['row'],
  problems: ValidatedRow['problems'],
  create: ValidatedRow['create'],
  acceptance: Acceptance | undefined,
): BatchRow {
  const kept: BatchRow = { row: row.number, line: row.line, account: null, ...toEchoed(row) }
  const reference = create?.query.reference ?? (typeof row.value?.reference === 'string' ? row.value.reference : null)
  if (reference !== null) kept.reference = reference
  if (create && (acceptance?.kind === 'accepted' || acceptance?.kind === 'replayed'))
    return { ...kept, account: positions.get(create.account.id) ?? null }
  return {
    ...kept,
    problems: acceptance ? [toRefusal(acceptance)] : problems.slice(0, rowBounds.problems).map(shortened),
  }
}

/** A pointer can be as long as the row. */
const shortened = (problem: InputProblem): InputProblem => ({
  ...problem,
  pointer: problem.pointer.slice(0, rowBounds.pointerLength),
})

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

/** What the results need of it: the cells of the client, and what was wrong. */
const bytesKept = ({ row: { columns }, problems }: ValidatedRow): number =>
  (columns?.cells.reduce((sum, cell) => sum + cell.length, 0) ?? 0) +
  (problems.length === 0 ? 0 : JSON.stringify(problems).length)

/**
 * What is echoed lies there for as long as the batch: a secret must not, whatever its column is called. Of a row that
 * could not be read, nobody knows what is one.
 */
function toEchoed({ columns, value }: ValidatedRow['row']): { cells?: string[] } {
  if (!columns || !value) return {}
  const secrets = new Set(secretStrings(splitSecrets(value as JsonObject).secrets))
  const isSecret = secretColumnsOf(columns.names)
  return {
    cells: columns.cells.map((cell, index) =>
      secrets.has(cell.trim()) || (isSecret[index] && cell !== '') ? MASK : cell,
    ),
  }
}

const secretColumns = new WeakMap<readonly string[], boolean[]>()
/** The rows of an upload have one array of names. */
function secretColumnsOf(names: readonly string[]): boolean[] {
  const known = secretColumns.get(names) ?? names.map((name) => isSecretName(name.replaceAll(/[\s-]/g, '_')))
  secretColumns.set(names, known)
  return known
}
