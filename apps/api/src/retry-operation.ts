import { mergeJson, type JsonObject } from '@muster/contracts/json'
import type { RetryInput } from '@muster/contracts/operation'
import { maskSecrets } from '@muster/contracts/secrets'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import { checkInput } from '@muster/providers/field-support'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/store/accounts'
import type { OperationRecord, OperationRequest } from '@muster/store/operation-record'
import { batchSourceOf } from '@muster/store/keys'
import { requeue } from '@muster/store/operation-state'
import { toAccountContext } from './create-input.ts'
import type { ApiDependencies } from './dependencies.ts'
import { invalid, RequestError } from './http/request-error.ts'
import { readOwnAccount, readOwnOperation } from './own-records.ts'
import { reopenBatch } from './reopen-batch.ts'

/** Back into its lane, with the secrets given anew. @throws RefusedTransitionError where its state does not allow it */
export async function retryOperation(
  { store, schedule, events }: Pick<ApiDependencies, 'store' | 'schedule' | 'events'>,
  tenantId: string,
  operationId: string,
  body: RetryInput,
  expiresAt: number,
): Promise<{ record: OperationRecord; account: AccountRecord }> {
  for (;;) {
    const record = await readOwnOperation(store, tenantId, operationId)
    const now = Date.now()
    const next = requeue(record.state, expiresAt, now)
    if (expiresAt <= now)
      throw invalid([{ pointer: '/expires_at', code: 'too_early', detail: 'must lie in the future' }])
    const opened = await store.operations.readRequest(record.head.accountId, operationId)
    const account = await readOwnAccount(store, tenantId, record.head.accountId).catch(() => undefined)
    if (!account || !opened)
      throw new RequestError('operation_not_retryable', 'The integrated account of the operation is gone.')
    const request = completeRequest(opened, body)
    const { problems } = checkInput(providerOf(account.provider), request, toAccountContext(account))
    if (problems.length > 0) throw invalid(problems)

    // First the lane, then the work: the other way round, a crash could leave work in a lane that nobody opens.
    await schedule.wake(account.id)
    const outcome = await store.operations.requeue(record, next, request)
    if (outcome.kind === 'in_progress') {
      const operation = `/operations/${outcome.operationId}`
      throw new RequestError(
        'operation_in_progress',
        'Another operation, not finished yet, is creating a user with this login.',
        { extensions: { operation, operation_id: outcome.operationId }, headers: { location: operation } },
      )
    }
    // Somebody else wrote it meanwhile: what may be done is decided anew.
    if (outcome.kind === 'stale') continue
    if (record.head.batchId !== null) {
      await reopenBatch(store, record.head.batchId, now)
      events.nudge(batchSourceOf(record.head.batchId))
    }
    schedule.wake(account.id).catch(() => undefined)
    return { record: { ...record, state: next, version: record.version + 1 }, account }
  }
}

function completeRequest(
  { request, areSecretsErased }: { request: OperationRequest; areSecretsErased: boolean },
  body: RetryInput,
): OperationRequest {
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
