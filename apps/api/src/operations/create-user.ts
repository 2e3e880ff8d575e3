import type { Warning } from '@muster/contracts/operation'
import { routes } from '@muster/contracts/routes'
import { expiryOf } from '@muster/domain/operation/expiry'
import type { OperationRecord } from '@muster/domain/operation/record'
import { isFinished } from '@muster/domain/operation/state'
import { checkCreate } from '@muster/providers/engine/check-create'
import type { CreateInput, NaturalKey } from '@muster/providers/provider'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/domain/account/record'
import type { Acceptance } from '@muster/store/operations/operations'
import type { Store } from '@muster/store/store'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint, type ApiRequest } from '../http/endpoint.ts'
import { readOwnAccount, readOwnOperation } from '../http/own-records.ts'
import { invalid, notFound, operationInProgress, RequestError } from '../http/request-error.ts'
import { checkCallback } from '../webhooks/check-webhook-url.ts'
import { acceptOperation, idempotencyHashOf, startOf, type LaneLoad } from './accept-operation.ts'
import { answerAccepted, answerAcceptedBefore, answerDryRun, answerSynchronously } from './answer-create.ts'
import { toAccountContext, toCreateInput } from './create-input.ts'
import { findProviderProblems } from './find-provider-problems.ts'
import { waitForEnd } from './wait-for-end.ts'

type CreateRequest = ApiRequest<typeof routes.createUser>

/** A create that may be accepted. */
interface CheckedCreate {
  account: AccountRecord
  input: CreateInput
  warnings: Warning[]
  naturalKey: NaturalKey
  /** Where the callback goes, unless an earlier request with this Idempotency-Key has registered it. */
  newCallbackUrl: string | undefined
  now: number
}

export function createUser(dependencies: ApiDependencies) {
  const { store } = dependencies
  return defineEndpoint(
    routes.createUser,
    async (request) => {
      const create = await check(dependencies, request)
      const { account, input, warnings } = create
      if (request.query.dry_run)
        return answerDryRun(dependencies, account, input, { warnings, startsAt: startOf(request.query) })
      const { record, load } = await accept(dependencies, request, create)
      if (load !== undefined && request.prefer.waitMs === 0) return answerAccepted(store, record, account, load)
      const latest = await waitForEnd(dependencies, record, {
        waitMs: request.prefer.waitMs,
        signal: request.signal,
        leaveTurn: request.leaveTurn,
        untilHeld: true,
      })
      return request.prefer.waitMs > 0 && isFinished(latest.state)
        ? answerSynchronously(store, latest, request.requestId)
        : answerAcceptedBefore(dependencies, latest, account)
    },
    (refused) => findProviderProblems(store, refused),
  )
}

/** @throws RequestError with every problem of the create */
async function check(dependencies: ApiDependencies, request: CreateRequest): Promise<CheckedCreate> {
  const { store, metrics } = dependencies
  const { tenantId, caller, query, body, prefer, textWarnings } = request
  const account = await readOwnAccount(store, caller, query.integrated_account_id)
  const input = toCreateInput(query, body)
  const now = Date.now()
  const { problems, warnings, naturalKey } = checkCreate(
    providerOf(account.provider),
    toAccountContext(account),
    input,
    query,
    { isStrict: prefer.isStrict, now },
  )
  // A repeat gets its operation, wherever the host of its callback address leads by now.
  const newCallbackUrl = (await isRepeat(store, account, request)) ? undefined : query.callback_url
  if (newCallbackUrl !== undefined)
    problems.push(...(await checkCallback(dependencies, tenantId, newCallbackUrl, account.mode)))
  if (problems.length > 0) {
    metrics.refused.inc({ reason: 'validation_failed' })
    throw invalid(problems)
  }
  return { account, input, warnings: [...textWarnings, ...warnings], naturalKey, newCallbackUrl, now }
}

async function isRepeat(store: Store, account: AccountRecord, { headers }: CreateRequest): Promise<boolean> {
  const key = headers['idempotency-key']
  if (key === undefined) return false
  return store.operations.hasIdempotencyKey(account.id, idempotencyHashOf(await store.hasher(), account, key))
}

/**
 * The new operation and the load of its lane, or the operation of an earlier request with the same Idempotency-Key.
 * @throws RequestError
 */
async function accept(
  { store, schedule, log, metrics, config }: ApiDependencies,
  { tenantId, caller, query, headers, requestId }: CreateRequest,
  { account, input, warnings, naturalKey, newCallbackUrl, now }: CheckedCreate,
): Promise<{ record: OperationRecord; load?: LaneLoad | undefined }> {
  // Counted now, where it can be refused, and not by the worker that has an event to send.
  if (newCallbackUrl !== undefined)
    await store.webhookEndpoints.ensureCallbackEndpoint(tenantId, newCallbackUrl, now, account.mode)
  const acceptance = await acceptOperation(store, schedule, {
    account,
    input,
    query,
    warnings,
    naturalKey,
    idempotencyKey: headers['idempotency-key'] ?? null,
    requestId,
    now,
    expiresAt: expiryOf(query, config.MUSTER_DEFAULT_EXPIRY_HOURS, now),
  })
  if (acceptance.kind !== 'accepted' && acceptance.kind !== 'replayed') {
    metrics.refused.inc({ reason: acceptance.kind })
    throw toRefusal(acceptance)
  }
  if (acceptance.kind === 'accepted') metrics.accepted.inc({ provider: account.provider })
  const accepted =
    acceptance.kind === 'accepted'
      ? acceptance
      : { record: await readOwnOperation(store, caller, acceptance.operationId) }
  log.info(
    {
      request_id: requestId,
      operation_id: accepted.record.head.id,
      account_id: account.id,
      provider: account.provider,
    },
    acceptance.kind,
  )
  return accepted
}

function toRefusal(acceptance: Exclude<Acceptance, { kind: 'accepted' | 'replayed' }>): RequestError {
  if (acceptance.kind === 'account_gone') return notFound('integrated account')
  const { operationId } = acceptance
  if (acceptance.kind === 'reused')
    return new RequestError('idempotency_key_reused', 'This Idempotency-Key came with another request before.', {
      extensions: { operation: `/operations/${operationId}`, operation_id: operationId },
    })
  return operationInProgress(operationId)
}
