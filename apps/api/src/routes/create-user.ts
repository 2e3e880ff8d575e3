import { createUserQuerySchema } from '@muster/contracts/create-user-parameters'
import { synchronousStatus } from '@muster/contracts/error-codes'
import type { Warning } from '@muster/contracts/operation'
import { routes } from '@muster/contracts/routes'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import { unifiedUserInputSchema } from '@muster/contracts/unified-user'
import { checkInput } from '@muster/providers/field-support'
import { previewCreate } from '@muster/providers/preview'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/store/accounts'
import type { OperationRecord } from '@muster/store/operation-record'
import { isFinished } from '@muster/store/operation-state'
import { acceptOperation } from '../accept-operation.ts'
import { toAccountContext, toCreateInput } from '../create-input.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { estimateWaitSeconds } from '../estimated-wait.ts'
import { defineEndpoint, type ApiResponse } from '../http/endpoint.ts'
import { parseIdempotencyKey } from '../http/idempotency-key.ts'
import { PROBLEM_TYPE, toProblem } from '../http/problem.ts'
import { invalid, notFound, RequestError } from '../http/request-error.ts'
import { readView, toResource } from '../operation-resource.ts'

export function createUser({ store, schedule, finished, metrics, config }: ApiDependencies) {
  async function ownAccount(tenantId: string, accountId: string): Promise<AccountRecord> {
    const account = await store.accounts.read(accountId)
    if (!account || account.tenantId !== tenantId) throw notFound('integrated account')
    return account
  }

  async function wait(record: OperationRecord, waitMs: number, signal: AbortSignal): Promise<OperationRecord> {
    let latest = record
    await finished.wait(record.head.id, waitMs, signal, async () => {
      latest = (await store.operations.read(record.head.accountId, record.head.id)) ?? latest
      return isFinished(latest.state)
    })
    return latest
  }

  /** 202 with the operation, or what the synchronous API that this replaces would have answered. */
  async function respond(record: OperationRecord, account: AccountRecord, isAwaited: boolean, requestId: string): Promise<ApiResponse> {
    const location = { location: `/operations/${record.head.id}` }
    const { state } = record
    if (!isAwaited || !isFinished(state)) {
      const seconds = estimateWaitSeconds(await ownAccount(account.tenantId, account.id), await store.operations.countOpen(account.id))
      return { status: 202, headers: { ...location, 'retry-after': String(seconds ?? 60) }, body: await toResource(store, record, account) }
    }
    if (state.status === 'succeeded') return { status: state.outcome === 'adopted' ? 200 : 201, headers: location, body: await readView(store, record) }
    const error = state.error
    const status = synchronousStatus[error?.code ?? 'internal']
    const problem = {
      ...toProblem(new RequestError('internal', error?.message ?? '', { ...(error?.pointer ? { errors: [{ pointer: error.pointer, code: error.code, detail: error.message }] } : {}) }), requestId),
      type: `urn:muster:problem:${error?.code ?? 'internal'}`,
      title: `Operation ${state.status}`,
      status,
      code: error?.code ?? 'internal',
      operation_id: record.head.id,
      operation: `/operations/${record.head.id}`,
      origin: error?.origin,
      retryable: error?.retryable,
      hint: error?.hint,
      remote_id: state.remoteId,
      provider_status: error?.provider_status,
      raw_response: error?.raw_response,
    }
    return { status, headers: { ...location, 'content-type': PROBLEM_TYPE, ...(status === 503 ? { 'retry-after': '60' } : {}) }, body: problem }
  }

  return defineEndpoint(
    routes.createUser,
    async ({ tenantId, query, body, header, prefer, requestId, signal }) => {
      const account = await ownAccount(tenantId, query.integrated_account_id)
      const provider = providerOf(account.provider)
      const input = toCreateInput(query, body)
      const context = toAccountContext(account)
      const now = Date.now()
      const { problems, warnings } = checkInput(provider, input, context)
      problems.push(...checkTimes(query, now))
      if (prefer.isStrict) problems.push(...warnings.map(({ pointer, detail, code }) => ({ pointer: pointer ?? '', detail, code })))
      if (problems.length > 0) {
        metrics.refused.inc({ reason: 'validation_failed' })
        throw invalid(problems)
      }

      if (query.dry_run) {
        const preview = previewCreate(provider, input, context)
        return {
          status: 200,
          body: {
            dry_run: true,
            provider: provider.id,
            requests: preview.requests,
            warnings: [...warnings, ...preview.warnings] satisfies Warning[],
            estimated_wait_seconds: estimateWaitSeconds(account, await store.operations.countOpen(account.id)),
            account_status: account.status,
          },
        }
      }

      const acceptance = await acceptOperation(store, schedule, {
        account,
        input,
        query,
        warnings,
        naturalKey: provider.toNaturalKey(input, context),
        idempotencyKey: parseIdempotencyKey(header('idempotency-key')),
        requestId,
        now,
        expiresAt: query.expires_at === undefined ? Math.max(now, Date.parse(query.not_before ?? '') || 0) + config.MUSTER_DEFAULT_EXPIRY_HOURS * 3_600_000 : Date.parse(query.expires_at),
      })
      switch (acceptance.kind) {
        case 'account_gone':
          throw notFound('integrated account')
        case 'reused':
          metrics.refused.inc({ reason: acceptance.kind })
          throw new RequestError('idempotency_key_reused', 'This Idempotency-Key came with another request before.', { extensions: { operation: `/operations/${acceptance.operationId}` } })
        case 'in_progress':
          metrics.refused.inc({ reason: acceptance.kind })
          throw new RequestError('operation_in_progress', 'Another operation, not finished yet, is creating a user with this login.', {
            extensions: { operation: `/operations/${acceptance.operationId}`, operation_id: acceptance.operationId },
            headers: { location: `/operations/${acceptance.operationId}` },
          })
        case 'accepted':
        case 'replayed': {
          if (acceptance.kind === 'accepted') metrics.accepted.inc({ provider: provider.id })
          const record = acceptance.kind === 'accepted' ? acceptance.record : await store.operations.read(account.id, acceptance.operationId)
          if (!record) throw notFound('operation')
          const latest = prefer.waitMs > 0 ? await wait(record, prefer.waitMs, signal) : record
          return respond(latest, account, prefer.waitMs > 0, requestId)
        }
      }
    },
    // What schemas cannot see: the provider's own needs, judged on the fields that are well-formed.
    async ({ tenantId, query, body, problems }) => {
      const accountId = createUserQuerySchema.shape.integrated_account_id.safeParse(query.integrated_account_id)
      if (!accountId.success) return []
      const account = await store.accounts.read(accountId.data)
      if (!account || account.tenantId !== tenantId) return [{ pointer: '?integrated_account_id', code: 'not_found', detail: 'There is no such integrated account.' }]
      const wellFormed: Record<string, unknown> = {}
      for (const [field, schema] of Object.entries(unifiedUserInputSchema.shape)) {
        const value = schema.safeParse((body as Record<string, unknown> | null | undefined)?.[field])
        if (value.success && value.data !== undefined) wellFormed[field] = value.data
      }
      const text = (name: string): string | undefined => (typeof query[name] === 'string' ? query[name] : undefined)
      const organization = text('organization_id')
      const workspace = text('workspace_id')
      const input = toCreateInput({ ...(organization ? { organization_id: organization } : {}), ...(workspace ? { workspace_id: workspace } : {}) }, wellFormed as UnifiedUserInput)
      const known = problems.map((problem) => problem.pointer)
      // A field that is there and malformed is not missing.
      return checkInput(providerOf(account.provider), input, toAccountContext(account)).problems.filter(({ pointer }) => !known.some((other) => other === pointer || other.startsWith(`${pointer}/`)))
    },
  )
}

function checkTimes(query: { not_before?: string | undefined; expires_at?: string | undefined }, now: number) {
  const notBefore = query.not_before === undefined ? now : Date.parse(query.not_before)
  const problems = []
  if (query.not_before !== undefined && notBefore - now > 90 * 86_400_000) problems.push({ pointer: '?not_before', code: 'too_late', detail: 'must be within 90 days' })
  if (query.expires_at !== undefined && Date.parse(query.expires_at) <= Math.max(now, notBefore)) problems.push({ pointer: '?expires_at', code: 'too_early', detail: 'must lie in the future, and after not_before' })
  if (query.expires_at !== undefined && Date.parse(query.expires_at) - now > 120 * 86_400_000) problems.push({ pointer: '?expires_at', code: 'too_late', detail: 'must be within 120 days' })
  return problems
}
