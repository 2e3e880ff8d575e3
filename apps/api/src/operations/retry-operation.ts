import { refuseLarge } from '@muster/contracts/bounds'
import { mergeJson, type JsonObject } from '@muster/contracts/json'
import type { RetryInput } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import { maskSecrets } from '@muster/contracts/secrets'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import { accountLane } from '@muster/domain/lane-id'
import { checkCreate } from '@muster/providers/engine/check-create'
import type { NaturalKey } from '@muster/providers/provider'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/domain/account/record'
import { hashNaturalKey } from '@muster/store/crypto/hash-key'
import type { CreateInput, OperationRecord } from '@muster/domain/operation/record'
import { requeue } from '@muster/domain/operation/state'
import { toAccountContext } from './create-input.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { invalid, RequestError } from '../http/request-error.ts'
import { readOwnAccount, readOwnOperation, type Caller } from '../http/own-records.ts'
import { reopenBatch } from '../batches/reopen-batch.ts'

/** Back into its lane, with the secrets given anew. @throws RefusedTransitionError where its state does not allow it */
export async function retryOperation(
  { store, schedule, events }: Pick<ApiDependencies, 'store' | 'schedule' | 'events'>,
  caller: Caller,
  operationId: string,
  body: RetryInput,
  expiresAt: number,
): Promise<{ record: OperationRecord; account: AccountRecord }> {
  for (;;) {
    const record = await readOwnOperation(store, caller, operationId)
    const now = Date.now()
    const next = requeue(record.state, expiresAt, now)
    const opened = await store.operations.readRequest(record.head.accountId, operationId)
    const account = await readOwnAccount(store, caller, record.head.accountId).catch(() => undefined)
    if (!account || !opened)
      throw new RequestError('operation_not_retryable', 'The integrated account of the operation is gone.')
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
    if (problems.length > 0)
      throw invalid(problems.map((problem) => ({ ...problem, pointer: problem.pointer.replace(/^\?/, '/') })))
    const naturalKeyHash = hashNaturalKey(await store.hasher(), account.id, naturalKey)

    // First the lane, then the work: the other way round, a crash could leave work in a lane that nobody opens.
    await schedule.wake(accountLane(account.id))
    const outcome = await store.operations.requeue(record, next, request, naturalKeyHash)
    if (outcome.kind === 'in_progress') {
      const operation = `/operations/${outcome.operationId}`
      throw new RequestError(
        'operation_in_progress',
        'Another operation, not finished yet, is creating a user with this login.',
        { extensions: { operation, operation_id: outcome.operationId }, headers: { location: operation } },
      )
    }
    if (outcome.kind === 'other_login') throw invalid([otherLogin(naturalKey, body)])
    // Somebody else wrote it meanwhile: what may be done is decided anew.
    if (outcome.kind === 'stale') continue
    if (record.head.batchId !== null) {
      await reopenBatch(store, record.head.batchId, now)
      events.nudge({ kind: 'batch', id: record.head.batchId })
    }
    schedule.wake(accountLane(account.id)).catch(() => undefined)
    return { record: { ...record, state: next, version: record.version + 1 }, account }
  }
}

/** What a lost answer may have created was created under the first login, and would never be found under another. */
function otherLogin({ field, pointer }: NaturalKey, { remote_data }: RetryInput): InputProblem {
  return {
    pointer: remote_data !== undefined && !pointer.startsWith('/remote_data') ? '/remote_data' : pointer,
    code: 'other_login',
    detail: `A retry creates the user that was asked for at first. By remote_data, or by the account's config as it is now, ${field} would be another: send a new request for another user.`,
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
          'The secrets of the request (the password, or those in remote_data) were erased when the operation ended: give them again.',
      },
    ])
  }
  return { ...request, user: mergeJson(request.user as JsonObject, patch) as UnifiedUserInput }
}
