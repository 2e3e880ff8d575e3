import { refuseLarge } from '@muster/contracts/bounds'
import { mergeJson, type JsonObject } from '@muster/contracts/json'
import type { RetryInput } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import { routes } from '@muster/contracts/routes'
import { maskSecrets } from '@muster/contracts/secrets'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import { accountLane } from '@muster/domain/lane-id'
import { expiryOf } from '@muster/domain/operation/expiry'
import type { CreateInput, OperationRecord } from '@muster/domain/operation/record'
import { requeue } from '@muster/domain/operation/state'
import { checkCreate } from '@muster/providers/engine/check-create'
import type { NaturalKey } from '@muster/providers/provider'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/domain/account/record'
import { hashNaturalKey } from '@muster/store/crypto/hash-key'
import type { Store } from '@muster/store/store'
import { admitBatchAgain, reopenBatch } from '../batches/change-batch.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { readOwnAccount, readOwnOperation, type Caller } from '../http/own-records.ts'
import { invalid, operationInProgress, RequestError } from '../http/request-error.ts'
import { toAccountContext } from './create-input.ts'
import { toResource } from './operation-resource.ts'
import { toTransitionRefusal } from './refused-transition.ts'

interface Retry {
  account: AccountRecord
  request: CreateInput
  naturalKey: NaturalKey
}

export function retryOperation(dependencies: ApiDependencies) {
  const { store, config } = dependencies
  return defineEndpoint(routes.retryOperation, async ({ caller, params, body = {} }) => {
    for (;;) {
      const now = Date.now()
      const record = await readOwnOperation(store, caller, params.id)
      const next = requeueState(record, expiryOf(body, config.MUSTER_DEFAULT_EXPIRY_HOURS, now), now)
      const retry = await checkRetry(store, caller, record, body, now)
      if (record.head.batchId !== null) await admitBatchAgain(store, record.head.batchId)
      // Not when another process has written the record meanwhile: decide again.
      if (!(await requeueOperation(dependencies, record, next, retry, body))) continue
      await reopenBatchOf(dependencies, record, now)
      dependencies.schedule.wake(accountLane(retry.account.id)).catch(() => undefined)
      return {
        status: 202,
        headers: { location: `/operations/${params.id}`, 'retry-after': '1' },
        body: await toResource(store, { ...record, state: next, version: record.version + 1 }, retry.account),
      }
    }
  })
}

function requeueState({ state }: OperationRecord, expiresAt: number, now: number): OperationRecord['state'] {
  try {
    return requeue(state, expiresAt, now)
  } catch (error) {
    throw toTransitionRefusal(error, 'operation_not_retryable')
  }
}

/** The request as it will be sent. @throws RequestError with what the provider would refuse */
async function checkRetry(
  store: Store,
  caller: Caller,
  { head }: OperationRecord,
  body: RetryInput,
  now: number,
): Promise<Retry> {
  const opened = await store.operations.readRequest(head.accountId, head.id)
  const account = await readOwnAccount(store, caller, head.accountId).catch(() => undefined)
  if (!account || !opened)
    throw new RequestError('operation_not_retryable', 'The integrated account of the operation was deleted.')
  const request = completeRequest(opened, body)
  // Each retry may add to it.
  if (body.remote_data) refuseLarge('openOperations', Buffer.byteLength(JSON.stringify(request)))
  const { problems, naturalKey } = checkCreate(
    providerOf(account.provider),
    toAccountContext(account),
    request,
    body.expires_at === undefined ? {} : { expires_at: body.expires_at },
    { isStrict: false, now },
  )
  // Options are parameters of a create, and fields of a retry.
  if (problems.length > 0)
    throw invalid(problems.map((problem) => ({ ...problem, pointer: problem.pointer.replace(/^\?/, '/') })))
  return { account, request, naturalKey }
}

/** @returns false when the record has changed meanwhile */
async function requeueOperation(
  { store, schedule }: ApiDependencies,
  record: OperationRecord,
  next: OperationRecord['state'],
  { account, request, naturalKey }: Retry,
  body: RetryInput,
): Promise<boolean> {
  const naturalKeyHash = hashNaturalKey(await store.hasher(), account.id, naturalKey)
  // The lane first: in the other order, a crash could leave work in a lane that no worker opens.
  await schedule.wake(accountLane(account.id))
  const result = await store.operations.requeue(record, next, request, naturalKeyHash)
  if (result.kind === 'in_progress') throw operationInProgress(result.operationId)
  if (result.kind === 'other_login') throw invalid([otherLogin(naturalKey, body)])
  return result.kind !== 'stale'
}

async function reopenBatchOf(
  { store, events }: ApiDependencies,
  { head: { batchId } }: OperationRecord,
  now: number,
): Promise<void> {
  if (batchId === null) return
  await reopenBatch(store, batchId, now)
  events.nudge({ kind: 'batch', id: batchId })
}

/** A lost answer may have created the first login, which would never be found under another. */
function otherLogin({ field, pointer }: NaturalKey, { remote_data }: RetryInput): InputProblem {
  return {
    pointer: remote_data !== undefined && !pointer.startsWith('/remote_data') ? '/remote_data' : pointer,
    code: 'other_login',
    detail: `A retry must create the same user. With this remote_data, or with the account's config as it is now, ${field} would change: send a new request for another user.`,
  }
}

function completeRequest(
  { request, areSecretsErased }: { request: CreateInput; areSecretsErased: boolean },
  body: RetryInput,
): CreateInput {
  const patch: JsonObject = {
    ...(body.password ? { password: body.password } : {}),
    ...(body.remote_data ? { remote_data: body.remote_data } : {}),
  }
  const hasSecrets = JSON.stringify(maskSecrets(patch)) !== JSON.stringify(patch)
  if (areSecretsErased && !hasSecrets) {
    throw invalid([
      {
        pointer: '/password',
        code: 'required',
        detail:
          'The secrets of the request (the password, or those in remote_data) were erased when the operation ended: send them again.',
      },
    ])
  }
  return { ...request, user: mergeJson(request.user as JsonObject, patch) as UnifiedUserInput }
}
