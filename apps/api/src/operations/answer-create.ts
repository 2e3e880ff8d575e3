import { errorCodes } from '@muster/contracts/error-codes'
import type { Problem } from '@muster/contracts/problem'
import type { AccountRecord } from '@muster/domain/account/record'
import { accountLane } from '@muster/domain/lane-id'
import type { OperationRecord } from '@muster/domain/operation/record'
import type { Store } from '@muster/store/store'
import type { ApiDependencies } from '../dependencies.ts'
import { estimateWaitSeconds } from './estimated-wait.ts'
import type { ApiResponse } from '../http/endpoint.ts'
import { PROBLEM_TYPE } from '../http/problem.ts'
import { readView, toResource } from './operation-resource.ts'

/** The estimate counts the bulk that a single create overtakes, so beyond this it tells nothing. */
const MAX_POLL_SECONDS = 30
const RETRY_LATER_SECONDS = 60

/** 202 with the operation. It is safe already: an estimate that cannot be had must not look like a refusal. */
export async function answerAccepted(
  { store, schedule }: Pick<ApiDependencies, 'store' | 'schedule'>,
  record: OperationRecord,
  account: AccountRecord,
): Promise<ApiResponse> {
  const [latest = account, open, restMs] = await Promise.all([
    store.accounts.read(account.id).catch(() => undefined),
    store.operations.countOpen(account.id).catch(() => null),
    schedule.cooldownMs(accountLane(account.id)).catch(() => 0),
  ])
  const seconds = open === null ? null : estimateWaitSeconds(latest, open, restMs)
  return {
    status: 202,
    headers: {
      location: `/operations/${record.head.id}`,
      'retry-after': String(Math.min(seconds ?? MAX_POLL_SECONDS, MAX_POLL_SECONDS)),
    },
    body: await toResource(store, record, latest),
  }
}

/**
 * A finished operation as the synchronous API that this replaces would have answered: the bare user, or the mapped
 * error.
 */
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
  const detail = error?.message ?? 'The operation ended without saying why.'
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
