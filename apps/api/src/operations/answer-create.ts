import { errorCodes } from '@muster/contracts/error-codes'
import type { Warning } from '@muster/contracts/operation'
import type { Problem } from '@muster/contracts/problem'
import { accountLane } from '@muster/domain/lane-id'
import type { AccountRecord } from '@muster/domain/account/record'
import { previewCreate } from '@muster/providers/engine/preview'
import type { CreateInput } from '@muster/providers/provider'
import { providerOf } from '@muster/providers/registry'
import type { OperationRecord } from '@muster/domain/operation/record'
import type { Store } from '@muster/store/store'
import type { ApiDependencies } from '../dependencies.ts'
import type { LaneLoad } from './accept-operation.ts'
import { toAccountContext } from './create-input.ts'
import { estimateWaitSeconds, atLeastUntil } from './estimated-wait.ts'
import type { ApiResponse } from '../http/endpoint.ts'
import { PROBLEM_TYPE } from '../http/problem.ts'
import { readView, toResource } from './operation-resource.ts'

/** The estimate counts rows of batches, which a single create overtakes; beyond this it says nothing. */
const MAX_POLL_SECONDS = 30
const RETRY_LATER_SECONDS = 60

/** With `dry_run`: nothing is stored, and no provider is called. */
export async function answerDryRun(
  { store, schedule }: Pick<ApiDependencies, 'store' | 'schedule'>,
  account: AccountRecord,
  input: CreateInput,
  { warnings, startsAt }: { warnings: Warning[]; startsAt: number | null },
): Promise<ApiResponse> {
  const { requests } = previewCreate(providerOf(account.provider), input, toAccountContext(account))
  const open = await store.operations.countOpen(account.id)
  const wait = estimateWaitSeconds(account, open, await schedule.cooldownMs(accountLane(account.id)))
  return {
    status: 200,
    body: {
      dry_run: true,
      provider: account.provider,
      requests,
      warnings,
      estimated_wait_seconds: atLeastUntil(wait, startsAt),
      account_status: account.status,
    },
  }
}

/** 202 with the operation, accepted just now. */
export async function answerAccepted(
  store: Store,
  record: OperationRecord,
  account: AccountRecord,
  load: LaneLoad | undefined,
): Promise<ApiResponse> {
  const wait = load === undefined ? null : estimateWaitSeconds(account, load.open, load.cooldownMs)
  const seconds = atLeastUntil(wait, record.state.notBefore)
  return {
    status: 202,
    headers: {
      location: `/operations/${record.head.id}`,
      'retry-after': String(Math.min(seconds ?? MAX_POLL_SECONDS, MAX_POLL_SECONDS)),
    },
    body: await toResource(store, record, account),
  }
}

/**
 * The same for one that was accepted some time ago: before the client's wait, or by an earlier request. It is accepted:
 * a missing estimate must not look like a refusal.
 */
export async function answerAcceptedBefore(
  { store, schedule }: Pick<ApiDependencies, 'store' | 'schedule'>,
  record: OperationRecord,
  account: AccountRecord,
): Promise<ApiResponse> {
  const [latest = account, open, cooldownMs] = await Promise.all([
    store.accounts.read(account.id).catch(() => undefined),
    store.operations.countOpen(account.id).catch(() => null),
    schedule.cooldownMs(accountLane(account.id)).catch(() => 0),
  ])
  return answerAccepted(store, record, latest, open === null ? undefined : { open, cooldownMs })
}

/** A finished operation as a synchronous API would answer it: the bare user, or the error as a problem. */
export async function answerSynchronously(
  store: Store,
  record: OperationRecord,
  requestId: string,
): Promise<ApiResponse> {
  const headers = { location: `/operations/${record.head.id}` }
  if (record.state.status === 'succeeded')
    return { status: record.state.outcome === 'adopted' ? 200 : 201, headers, body: await readView(store, record) }
  const problem = toOperationProblem(record, requestId)
  return {
    status: problem.status,
    headers: {
      ...headers,
      'content-type': PROBLEM_TYPE,
      ...(problem.status === 503 ? { 'retry-after': String(RETRY_LATER_SECONDS) } : {}),
    },
    body: problem,
  }
}

function toOperationProblem({ head, state }: OperationRecord, requestId: string): Problem {
  const { error } = state
  const code = error?.code ?? 'internal'
  const detail = error?.message ?? 'The operation ended without an error.'
  return {
    type: `urn:muster:problem:${code}`,
    title: `Operation ${state.status}`,
    status: errorCodes[code].status,
    detail,
    code,
    request_id: requestId,
    ...(error?.pointer ? { errors: [{ pointer: error.pointer, code, detail }] } : {}),
    operation_id: head.id,
    operation: `/operations/${head.id}`,
    origin: error?.origin,
    retryable: error?.retryable,
    hint: error?.hint,
    remote_id: state.remoteId,
    provider_status: error?.provider_status,
    raw_response: error?.raw_response,
  }
}
