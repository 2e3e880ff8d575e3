import { accountLane } from '@muster/domain/lane-id'
import { BoundReachedError } from '@muster/contracts/bounds'
import type { BatchRecord, UploadProgress } from '@muster/domain/batch/record'
import { isUploadCanceled } from '@muster/domain/batch/state'
import { expiryOf } from '@muster/domain/operation/expiry'
import type { LaneSchedule } from '@muster/lanes/lane-schedule'
import { itemIdOf } from '@muster/store/batches/batch-item-id'
import type { Hasher } from '@muster/store/crypto/hash-key'
import type { Acceptance, NewOperation } from '@muster/store/operations/operations'
import type { Store } from '@muster/store/store'
import { RequestError } from '../http/request-error.ts'
import type { ApiMetrics } from '../metrics.ts'
import { toNewOperation } from '../operations/accept-operation.ts'
import { keptBytes, toBatchRow } from './batch-row.ts'
import { Chunk } from './chunk.ts'
import type { ValidatedRow } from './validate-rows.ts'

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
 * Rows become operations, a chunk at a time: first the operations, then the chunk that says so. Where a process dies in
 * between, the rows are sent again and give the same operations; rows of committed chunks are only compared.
 */
export class RowCommitter {
  readonly #options: CommitOptions
  /** By earlier requests with the same key. */
  readonly #committed: UploadProgress
  /** Of this request. */
  readonly #progress: UploadProgress = { rows: 0, rejected: 0, chunks: 0, digest: '' }
  /** Where each account stands in the batch. */
  readonly #positions: Map<string, number>
  #record: BatchRecord
  #chunk: Chunk
  #hasWritten: boolean

  private constructor(options: CommitOptions, committed: UploadProgress, positions: Map<string, number>) {
    this.#options = options
    this.#committed = committed
    this.#positions = positions
    this.#record = options.record
    this.#chunk = this.#newChunk()
    this.#hasWritten = committed.chunks > 0
  }

  static async open(options: CommitOptions): Promise<RowCommitter> {
    const { store, record } = options
    const committed = await store.batches.readProgress(record.id)
    const accounts = await store.batches.readAccounts(record)
    return new RowCommitter(options, committed, new Map(accounts.map(({ id }, position) => [id, position])))
  }

  /** No more rows are accepted. */
  isCanceled(): boolean {
    return isUploadCanceled(this.#record)
  }

  /** Some row of the upload is, or may be, accepted. */
  hasWritten(): boolean {
    return this.#hasWritten
  }

  async add(validated: ValidatedRow): Promise<void> {
    this.#chunk.add(validated)
    if (this.#chunk.isFull()) await this.#closeChunk()
  }

  /** After the last row. @throws RequestError where fewer rows came than before under the same key */
  async finish(): Promise<void> {
    await this.#closeChunk()
    if (this.#progress.chunks < this.#committed.chunks) this.#refuseOtherRows()
    await this.#options.store.operations.waitForReplicas()
  }

  async #closeChunk(): Promise<void> {
    const chunk = this.#chunk
    if (chunk.rows.length === 0) return
    this.#chunk = this.#newChunk()
    this.#progress.rows += chunk.rows.length
    this.#progress.digest = chunk.digestAfter(this.#progress.digest, this.#options.hash)
    if (this.#progress.chunks < this.#committed.chunks) this.#passCommitted()
    else await this.#commit(chunk.rows)
    this.#progress.chunks += 1
  }

  /** Only the digest after the last committed chunk is stored, and it covers all before it. */
  #passCommitted(): void {
    if (this.#progress.chunks + 1 === this.#committed.chunks) this.#refuseOtherRows()
    this.#progress.rejected = this.#committed.rejected
  }

  async #commit(rows: readonly ValidatedRow[]): Promise<void> {
    const { store, schedule, record } = this.#options
    if (record.uploadedAt !== null) throw otherRows(this.#committed)
    const bytes = rows.reduce((sum, row) => sum + keptBytes(row), 0)
    await store.openWork.keep(record.tenantId, bytes)
    const acceptances = await this.#accept(rows)
    await this.#writeChunk(rows, acceptances)
    await Promise.all([...accountsOf(rows).keys()].map((id) => schedule.wake(accountLane(id))))
    this.#record = (await store.batches.read(record.id)) ?? this.#record
  }

  /** One answer for each row that is to be created. */
  async #accept(rows: readonly ValidatedRow[]): Promise<Acceptance[]> {
    const hadWritten = this.#hasWritten
    this.#hasWritten = true
    await this.#learnColumns(rows)
    await this.#addAccounts(rows)
    return this.#options.store.operations.acceptMany(this.#toOperations(rows)).catch((error: unknown) => {
      // At a bound none of them was accepted.
      if (error instanceof BoundReachedError) this.#hasWritten = hadWritten
      throw error
    })
  }

  /** Once for the batch: its rows keep cells only. */
  async #learnColumns(rows: readonly ValidatedRow[]): Promise<void> {
    const names = rows.find(({ row }) => row.columns)?.row.columns?.names
    if (!names || this.#record.columns) return
    const columns = [...names]
    const written = await this.#options.store.batches.update(this.#record.id, (latest) => ({ ...latest, columns }))
    this.#record = written ?? this.#record
  }

  async #addAccounts(rows: readonly ValidatedRow[]): Promise<void> {
    const { store, schedule, now } = this.#options
    const added = [...accountsOf(rows).values()].filter(({ id }) => !this.#positions.has(id))
    if (added.length === 0) return
    const accounts = added.map(({ id, provider }) => ({ id, provider }))
    const written = await store.batches.addAccounts(this.#record.id, this.#positions.size, accounts, now)
    if (!written) throw uploadedElsewhere()
    this.#record = written
    for (const { id } of added) this.#positions.set(id, this.#positions.size)
    await Promise.all(added.map(({ id }) => schedule.wake(accountLane(id))))
  }

  /** One by one, so that each is held only until it is sealed. */
  *#toOperations(rows: readonly ValidatedRow[]): Generator<NewOperation> {
    const { hash, requestId, now, defaultExpiryHours, record } = this.#options
    for (const { row, create } of rows) {
      if (!create) continue
      yield toNewOperation(hash, {
        ...create,
        idempotencyKey: null,
        requestId,
        now,
        expiresAt: expiryOf(create.query, defaultExpiryHours, now),
        item: { id: itemIdOf(record.id, row.number), batchId: record.id },
      })
    }
  }

  async #writeChunk(rows: readonly ValidatedRow[], acceptances: readonly Acceptance[]): Promise<void> {
    const { store, metrics, record } = this.#options
    const answers = acceptances.values()
    const batchRows = rows.map((row) => {
      const acceptance = row.create ? answers.next().value : undefined
      if (row.create && acceptance?.kind === 'accepted') metrics.accepted.inc({ provider: row.create.account.provider })
      return toBatchRow(row, acceptance, this.#positions)
    })
    this.#progress.rejected += batchRows.filter(({ account }) => account === null).length
    const { chunks, ...progress } = this.#progress
    if (!(await store.batches.commitChunk(record.id, chunks, batchRows, progress))) throw uploadedElsewhere()
  }

  #refuseOtherRows(): void {
    const { rows, digest } = this.#progress
    if (rows !== this.#committed.rows || digest !== this.#committed.digest) throw otherRows(this.#committed)
  }

  #newChunk(): Chunk {
    return new Chunk(this.#options.record.chunkBytes ?? Infinity)
  }
}

const accountsOf = (rows: readonly ValidatedRow[]) =>
  new Map(rows.flatMap(({ create }) => (create ? [[create.account.id, create.account]] : [])))

const uploadedElsewhere = (): RequestError =>
  new RequestError('upload_in_progress', 'Another request is uploading this batch.', {
    headers: { 'retry-after': '5' },
  })

const otherRows = ({ rows }: UploadProgress): RequestError =>
  new RequestError(
    'idempotency_key_reused',
    `This upload does not repeat the ${rows} rows that came with its Idempotency-Key before, or has others after them.`,
  )
