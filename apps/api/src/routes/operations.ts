import { createHash } from 'node:crypto'
import { mergeJson, type JsonObject } from '@muster/contracts/json'
import { routes } from '@muster/contracts/routes'
import { maskSecrets } from '@muster/contracts/secrets'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import { checkInput } from '@muster/providers/field-support'
import { providerOf } from '@muster/providers/registry'
import type { OperationRecord } from '@muster/store/operation-record'
import { cancel, isFinished, RefusedTransitionError, requeue, type Refusal } from '@muster/store/operation-state'
import { StaleVersionError } from '@muster/store/operations'
import { toAccountContext } from '../create-input.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { invalid, notFound, RequestError } from '../http/request-error.ts'
import { shownStatus, toResource, toSummary } from '../operation-resource.ts'

/** Rare matches must not make one request read everything: a page looks at so many and then says where to go on. */
const LOOK_AT = 500
const LOOK_AT_MOST = 2_000

const refusals: Record<Refusal, string> = {
  finished: 'The operation has ended.',
  running: 'The operation is running: the user may be there any moment.',
  sent: 'The create may have reached the provider. It is being looked up; only then is it known whether there is anything to cancel.',
  not_failed: 'Only an operation that failed, expired or was canceled can be retried.',
}

export function operationRoutes({ store, schedule, finished, config }: ApiDependencies) {
  async function ownOperation(tenantId: string, operationId: string): Promise<OperationRecord> {
    const accountId = await store.operations.accountIdOf(operationId)
    const record = accountId === null ? undefined : await store.operations.read(accountId, operationId)
    if (!record || record.head.tenantId !== tenantId) throw notFound('operation')
    return record
  }

  const listOperations = defineEndpoint(routes.listOperations, async ({ tenantId, query }) => {
    const accounts = new Map((await store.accounts.list(tenantId)).map((account) => [account.id, account]))
    if (query.integrated_account_id !== undefined && !accounts.has(query.integrated_account_id)) throw notFound('integrated account')
    const index = { tenantId, ...(query.integrated_account_id ? { accountId: query.integrated_account_id } : {}), ...(query.reference ? { reference: query.reference } : {}) }
    const result: ReturnType<typeof toSummary>[] = []
    let cursor = query.cursor ?? null
    let nextCursor: string | null = null
    for (let looked = 0; looked < LOOK_AT_MOST; looked += LOOK_AT) {
      const ids = await store.operations.listIds(index, { before: cursor, from: query.created_after ? Date.parse(query.created_after) : null, to: query.created_before ? Date.parse(query.created_before) : null, count: LOOK_AT })
      const locations = index.accountId && !index.reference ? ids.map(() => query.integrated_account_id ?? null) : await store.operations.locate(ids)
      const records = await store.operations.readMany(ids.flatMap((operationId, position) => (locations[position] ? [{ accountId: locations[position], operationId }] : [])))
      for (const record of records) {
        const account = accounts.get(record.head.accountId)
        const isMatch =
          record.head.tenantId === tenantId &&
          (query.integrated_account_id === undefined || record.head.accountId === query.integrated_account_id) &&
          (query.provider === undefined || record.head.provider === query.provider) &&
          (query.status === undefined || shownStatus(record, account).status === query.status)
        if (!isMatch) continue
        result.push(toSummary(record, account))
        if (result.length === query.limit) return { status: 200, body: { result, next_cursor: record.head.id } }
      }
      nextCursor = ids.length === LOOK_AT ? (ids.at(-1) ?? null) : null
      if (nextCursor === null) break
      cursor = nextCursor
    }
    return { status: 200, body: { result, next_cursor: nextCursor } }
  })

  const readOperation = defineEndpoint(routes.readOperation, async ({ tenantId, params, query, header, prefer, signal }) => {
    let record = await ownOperation(tenantId, params.id)
    if (prefer.waitMs > 0 && !isFinished(record.state)) {
      await finished.wait(record.head.id, prefer.waitMs, signal, async () => {
        record = (await store.operations.read(record.head.accountId, record.head.id)) ?? record
        return isFinished(record.state)
      })
    }
    const view = {
      ...(query.truto_response_format === undefined ? {} : { format: query.truto_response_format }),
      ...(query.truto_ignore_remote_data === undefined ? {} : { ignoreRemoteData: query.truto_ignore_remote_data }),
      ...(query.truto_exclude_fields === undefined ? {} : { excludeFields: query.truto_exclude_fields }),
    }
    const body = await toResource(store, record, await store.accounts.read(record.head.accountId), view)
    const etag = `"${createHash('sha256').update(JSON.stringify(body)).digest('base64url').slice(0, 22)}"`
    const isUnchanged = header('if-none-match')?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)
    const headers = { etag, 'cache-control': 'private, no-cache', ...(isFinished(record.state) ? {} : { 'retry-after': '1' }) }
    return isUnchanged ? { status: 304, headers } : { status: 200, headers, body }
  })

  const cancelOperation = defineEndpoint(routes.cancelOperation, async ({ tenantId, params }) => {
    for (;;) {
      const record = await ownOperation(tenantId, params.id)
      try {
        const canceled = await store.operations.save(record, cancel(record.state, Date.now()))
        await schedule.wake(record.head.accountId)
        return { status: 200, body: await toResource(store, canceled, undefined) }
      } catch (error) {
        if (error instanceof RefusedTransitionError) throw new RequestError('operation_not_cancelable', refusals[error.reason])
        if (!(error instanceof StaleVersionError)) throw error
      }
    }
  })

  const retryOperation = defineEndpoint(routes.retryOperation, async ({ tenantId, params, body }) => {
    for (;;) {
      const record = await ownOperation(tenantId, params.id)
      const now = Date.now()
      const expiresAt = body?.expires_at ? Date.parse(body.expires_at) : now + config.MUSTER_DEFAULT_EXPIRY_HOURS * 3_600_000
      if (expiresAt <= now) throw invalid([{ pointer: '/expires_at', code: 'too_early', detail: 'must lie in the future' }])
      let next
      try {
        next = requeue(record.state, expiresAt, now)
      } catch (error) {
        if (error instanceof RefusedTransitionError) throw new RequestError('operation_not_retryable', refusals[error.reason])
        throw error
      }
      const account = await store.accounts.read(record.head.accountId)
      const opened = await store.operations.readRequest(record.head.accountId, record.head.id)
      if (!account || !opened) throw notFound('operation')
      const patch: JsonObject = { ...(body?.password ? { password: body.password } : {}), ...(body?.remote_data ? { remote_data: body.remote_data } : {}) }
      const user = mergeJson(opened.request.user as JsonObject, patch) as UnifiedUserInput
      if (opened.areSecretsErased && JSON.stringify(maskSecrets(patch)) === JSON.stringify(patch)) {
        throw invalid([{ pointer: '/password', code: 'required', detail: 'The secrets of the request (the password, or those in remote_data) were erased when the operation ended: give them again.' }])
      }
      const request = { ...opened.request, user }
      const { problems } = checkInput(providerOf(account.provider), request, toAccountContext(account))
      if (problems.length > 0) throw invalid(problems)
      await schedule.wake(account.id)
      const outcome = await store.operations.requeue(record, next, request)
      if (outcome.kind === 'in_progress') throw new RequestError('operation_in_progress', 'Another operation, not finished yet, is creating a user with this login.', { extensions: { operation: `/operations/${outcome.operationId}` } })
      if (outcome.kind === 'stale') continue
      schedule.wake(account.id).catch(() => undefined)
      const requeued = await ownOperation(tenantId, params.id)
      return { status: 202, headers: { location: `/operations/${params.id}`, 'retry-after': '1' }, body: await toResource(store, requeued, account) }
    }
  })

  return [listOperations, readOperation, cancelOperation, retryOperation]
}
