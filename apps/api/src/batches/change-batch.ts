import { accountLane } from '@muster/domain/lane-id'
import { expiryOf } from '@muster/domain/operation/expiry'
import { failureCountsOf, sumCounts } from '@muster/domain/batch/counts'
import type { BatchRecord } from '@muster/domain/batch/record'
import { isBatchFinished, RefusedBatchEventError, type BatchEvent } from '@muster/domain/batch/state'
import { routes } from '@muster/contracts/routes'
import type { Store } from '@muster/store/store'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { readOwnBatch } from '../http/own-records.ts'
import { notFound, RequestError } from '../http/request-error.ts'
import { toBatchResource } from './batch-resource.ts'

type Command = Extract<BatchEvent, { type: 'pause' | 'resume' | 'cancel' | 'retry' }>

const refusals: Record<Command['type'], string> = {
  pause: 'only a running batch can be paused.',
  resume: 'only a paused or stopped batch can be resumed.',
  cancel: 'there is nothing left to cancel.',
  retry: 'only the failed rows of a completed batch can be retried.',
}

const conflict = (status: string, why: string): RequestError =>
  new RequestError('conflict', `The batch is ${status}: ${why}`)

/** @throws RequestError where the state of the batch does not allow it. */
async function changeBatch(store: Store, batchId: string, command: Command, now = Date.now()): Promise<BatchRecord> {
  const record = await store.batches
    .apply(batchId, () => command, now)
    .catch((error: unknown) => {
      throw error instanceof RefusedBatchEventError ? conflict(error.status, refusals[command.type]) : error
    })
  if (!record) throw notFound('batch')
  return record
}

/** Its lanes and its supervisor look at once. */
async function wakeBatch({ store, schedule, events }: ApiDependencies, record: BatchRecord): Promise<void> {
  await Promise.all((await store.batches.readAccounts(record)).map(({ id }) => schedule.wake(accountLane(id))))
  events.nudge({ kind: 'batch', id: record.id })
}

const pauseBatch = (dependencies: ApiDependencies) =>
  defineEndpoint(routes.pauseBatch, async ({ caller, params }) => {
    const { store } = dependencies
    await readOwnBatch(store, caller, params.id)
    const record = await changeBatch(store, params.id, { type: 'pause' })
    return { status: 200, body: await toBatchResource(dependencies, record) }
  })

const resumeBatch = (dependencies: ApiDependencies) =>
  defineEndpoint(routes.resumeBatch, async ({ caller, params }) => {
    const { store } = dependencies
    const present = await readOwnBatch(store, caller, params.id)
    const failureBaseline = failureCountsOf(await store.batches.readAccountCounts(present))
    const record = await changeBatch(store, params.id, { type: 'resume', failureBaseline })
    await wakeBatch(dependencies, record)
    return { status: 200, body: await toBatchResource(dependencies, record) }
  })

const cancelBatch = (dependencies: ApiDependencies) =>
  defineEndpoint(routes.cancelBatch, async ({ caller, params }) => {
    await readOwnBatch(dependencies.store, caller, params.id)
    const record = await changeBatch(dependencies.store, params.id, { type: 'cancel' })
    await wakeBatch(dependencies, record)
    return accepted(dependencies, record)
  })

const retryBatch = (dependencies: ApiDependencies) =>
  defineEndpoint(routes.retryBatch, async ({ caller, params }) => {
    const { store, config } = dependencies
    const now = Date.now()
    const present = await readOwnBatch(store, caller, params.id)
    const counts = await store.batches.readAccountCounts(present)
    if (present.status === 'completed') {
      const { failed, expired } = sumCounts(counts)
      if (failed + expired === 0) throw conflict(present.status, 'none of its rows has failed.')
      await store.openWork.check(present.tenantId, failed + expired)
      await store.batches.admitAgain(present)
    }
    const expiresAt = expiryOf({}, config.MUSTER_DEFAULT_EXPIRY_HOURS, now)
    const failureBaseline = failureCountsOf(counts)
    const record = await changeBatch(store, params.id, { type: 'retry', failureBaseline, expiresAt }, now)
    await wakeBatch(dependencies, record)
    return accepted(dependencies, record)
  })

const accepted = async (dependencies: ApiDependencies, record: BatchRecord) => ({
  status: 202,
  headers: { location: `/batches/${record.id}` },
  body: await toBatchResource(dependencies, record),
})

export const changeBatchRoutes = (dependencies: ApiDependencies) => [
  pauseBatch(dependencies),
  resumeBatch(dependencies),
  cancelBatch(dependencies),
  retryBatch(dependencies),
]

/** Before a row of it is retried, which opens a batch that has ended. @throws BoundReachedError */
export async function admitBatchAgain(store: Store, batchId: string): Promise<void> {
  const present = await store.batches.read(batchId)
  if (present && isBatchFinished(present)) await store.batches.admitAgain(present)
}

/** One row of a finished batch was retried by itself: lanes are given nothing of a finished batch, and it expires. */
export async function reopenBatch(store: Store, batchId: string, now: number): Promise<void> {
  const present = await store.batches.read(batchId)
  if (!present || !isBatchFinished(present)) return
  const failureBaseline = failureCountsOf(await store.batches.readAccountCounts(present))
  await store.batches.apply(
    batchId,
    (latest) => (isBatchFinished(latest) ? { type: 'reopen', failureBaseline } : undefined),
    now,
  )
}
