import { routes } from '@muster/contracts/routes'
import { accountLane } from '@muster/domain/lane-id'
import { cancel, isFinished } from '@muster/domain/operation/state'
import { StaleVersionError } from '@muster/store/operations/operations'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { readOwnOperation } from '../http/own-records.ts'
import { RequestError } from '../http/request-error.ts'
import { findOperations } from './find-operations.ts'
import { toResource } from './operation-resource.ts'
import { readOperation } from './read-operation.ts'
import { toTransitionRefusal } from './refused-transition.ts'
import { retryOperation } from './retry-operation.ts'

export const operationRoutes = (dependencies: ApiDependencies) => [
  listOperations(dependencies),
  readOperation(dependencies),
  cancelOperation(dependencies),
  eraseOperation(dependencies),
  retryOperation(dependencies),
]

const listOperations = ({ store }: ApiDependencies) =>
  defineEndpoint(routes.listOperations, async ({ caller, query }) => ({
    status: 200,
    body: await findOperations(store, caller, query),
  }))

const cancelOperation = ({ store, schedule, events }: ApiDependencies) =>
  defineEndpoint(routes.cancelOperation, async ({ caller, params }) => {
    for (;;) {
      const record = await readOwnOperation(store, caller, params.id)
      const { accountId, tenantId } = record.head
      try {
        const canceled = await store.operations.save(record, cancel(record.state, Date.now()))
        events.nudge({ kind: 'account', id: accountId })
        await schedule.wake(accountLane(accountId))
        // The next create may use the room that this one leaves.
        await store.openWork.reportAccount(tenantId, accountId)
        return { status: 200, body: await toResource(store, canceled, undefined) }
      } catch (error) {
        // A worker has written it meanwhile: decide again.
        if (!(error instanceof StaleVersionError)) throw toTransitionRefusal(error, 'operation_not_cancelable')
      }
    }
  })

const eraseOperation = ({ store }: ApiDependencies) =>
  defineEndpoint(routes.eraseOperation, async ({ caller, params }) => {
    for (;;) {
      const record = await readOwnOperation(store, caller, params.id)
      if (!isFinished(record.state))
        throw new RequestError('conflict', 'The operation has not ended: cancel it first, or wait for its end.')
      const erased = await store.eraseOperation(record, Date.now())
      if (erased) return { status: 200, body: await toResource(store, erased, undefined) }
    }
  })
