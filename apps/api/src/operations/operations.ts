import { createHash } from 'node:crypto'
import type { ResponseView } from '@muster/contracts/response-format'
import { routes } from '@muster/contracts/routes'
import { expiryOf } from '@muster/domain/operation/expiry'
import { accountLane } from '@muster/domain/lane-id'
import { cancel, isFinished, RefusedTransitionError, type Refusal } from '@muster/domain/operation/state'
import { StaleVersionError } from '@muster/store/operations/operations'
import type { z } from 'zod'
import type { ApiDependencies } from '../dependencies.ts'
import { findOperations } from './find-operations.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { RequestError } from '../http/request-error.ts'
import { toResource } from './operation-resource.ts'
import { readOwnOperation } from '../http/own-records.ts'
import { retryOperation } from './retry-operation.ts'
import { waitForEnd } from './wait-for-end.ts'

const refusals: Record<Refusal, string> = {
  finished: 'The operation has ended.',
  running: 'The operation is running: the user may be there any moment.',
  sent: 'The create may have reached the provider. It is being looked up; only then is it known whether there is anything to cancel.',
  not_failed: 'Only an operation that failed, expired or was canceled, and was not erased, can be retried.',
}

export function operationRoutes({ store, schedule, finished, events, config }: ApiDependencies) {
  const read = defineEndpoint(
    routes.readOperation,
    async ({ caller, params, query, headers, prefer, signal, leaveTurn }) => {
      const record = await waitForEnd({ store, finished }, await readOwnOperation(store, caller, params.id), {
        waitMs: prefer.waitMs,
        signal,
        leaveTurn,
      })
      const body = await toResource(store, record, await store.accounts.read(record.head.accountId), toView(query))
      const etag = `"${createHash('sha256').update(JSON.stringify(body)).digest('base64url').slice(0, 22)}"`
      const answer = {
        etag,
        'cache-control': 'private, no-cache',
        ...(isFinished(record.state) ? {} : { 'retry-after': '1' }),
      }
      return isNamed(headers['if-none-match'], etag)
        ? { status: 304, headers: answer }
        : { status: 200, headers: answer, body }
    },
  )

  const cancelOperation = defineEndpoint(routes.cancelOperation, async ({ caller, params }) => {
    for (;;) {
      const record = await readOwnOperation(store, caller, params.id)
      try {
        const canceled = await store.operations.save(record, cancel(record.state, Date.now()))
        events.nudge({ kind: 'account', id: record.head.accountId })
        await schedule.wake(accountLane(record.head.accountId))
        // The next create has the room that this one leaves.
        await store.openWork.reportAccount(record.head.tenantId, record.head.accountId)
        return { status: 200, body: await toResource(store, canceled, undefined) }
      } catch (error) {
        if (error instanceof RefusedTransitionError)
          throw new RequestError('operation_not_cancelable', refusals[error.reason])
        // A worker wrote it meanwhile: what may be done is decided anew.
        if (!(error instanceof StaleVersionError)) throw error
      }
    }
  })

  const erase = defineEndpoint(routes.eraseOperation, async ({ caller, params }) => {
    for (;;) {
      const record = await readOwnOperation(store, caller, params.id)
      if (!isFinished(record.state))
        throw new RequestError('conflict', 'The operation has not ended: cancel it first, or wait for its end.')
      const erased = await store.eraseOperation(record, Date.now())
      if (erased) return { status: 200, body: await toResource(store, erased, undefined) }
    }
  })

  const retry = defineEndpoint(routes.retryOperation, async ({ caller, params, body = {} }) => {
    const expiresAt = expiryOf(body, config.MUSTER_DEFAULT_EXPIRY_HOURS, Date.now())
    try {
      const { record, account } = await retryOperation({ store, schedule, events }, caller, params.id, body, expiresAt)
      return {
        status: 202,
        headers: { location: `/operations/${params.id}`, 'retry-after': '1' },
        body: await toResource(store, record, account),
      }
    } catch (error) {
      if (error instanceof RefusedTransitionError)
        throw new RequestError('operation_not_retryable', refusals[error.reason])
      throw error
    }
  })

  return [
    defineEndpoint(routes.listOperations, async ({ caller, query }) => ({
      status: 200,
      body: await findOperations(store, caller, query),
    })),
    read,
    cancelOperation,
    erase,
    retry,
  ]
}

/** What of the view was asked for; the rest is that of the create call. */
function toView(query: z.output<typeof routes.readOperation.query>): Partial<ResponseView> {
  return {
    ...(query.truto_response_format === undefined ? {} : { format: query.truto_response_format }),
    ...(query.truto_ignore_remote_data === undefined ? {} : { ignoreRemoteData: query.truto_ignore_remote_data }),
    ...(query.truto_exclude_fields === undefined ? {} : { excludeFields: query.truto_exclude_fields }),
  }
}

/** RFC 9110 section 13.1.2: compared weakly; `*` is any. */
function isNamed(ifNoneMatch: string | undefined, etag: string): boolean {
  return (ifNoneMatch ?? '').split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)
}
