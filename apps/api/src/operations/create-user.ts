import { routes } from '@muster/contracts/routes'
import { accountLane } from '@muster/domain/lane-id'
import { checkCreate } from '@muster/providers/engine/check-create'
import { previewCreate } from '@muster/providers/engine/preview'
import { providerOf } from '@muster/providers/registry'
import { expiryOf } from '@muster/domain/operation/expiry'
import { isFinished } from '@muster/domain/operation/state'
import type { Acceptance } from '@muster/store/operations/operations'
import { acceptOperation, idempotencyHashOf } from './accept-operation.ts'
import { answerAccepted, answerSynchronously } from './answer-create.ts'
import { checkCallback } from '../webhooks/check-webhook-url.ts'
import { toAccountContext, toCreateInput } from './create-input.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { estimateWaitSeconds } from './estimated-wait.ts'
import { findProviderProblems } from './find-provider-problems.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { invalid, notFound, RequestError } from '../http/request-error.ts'
import { readOwnAccount, readOwnOperation } from '../http/own-records.ts'
import { waitForEnd } from './wait-for-end.ts'

export function createUser({ store, schedule, egress, finished, log, metrics, config }: ApiDependencies) {
  return defineEndpoint(
    routes.createUser,
    async ({ tenantId, caller, query, headers, body, prefer, requestId, signal, leaveTurn }) => {
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
      const key = headers['idempotency-key']
      // A repeat gets its operation, wherever the name of its callback address leads by now.
      const isRepeated =
        key !== undefined &&
        (await store.operations.hasIdempotencyKey(account.id, idempotencyHashOf(await store.hasher(), account, key)))
      if (query.callback_url !== undefined && !isRepeated)
        problems.push(...(await checkCallback({ store, egress, config }, tenantId, query.callback_url, account.mode)))
      if (problems.length > 0) {
        metrics.refused.inc({ reason: 'validation_failed' })
        throw invalid(problems)
      }

      if (query.dry_run) {
        const { requests } = previewCreate(providerOf(account.provider), input, toAccountContext(account))
        const estimate = estimateWaitSeconds(
          account,
          await store.operations.countOpen(account.id),
          await schedule.cooldownMs(accountLane(account.id)),
        )
        return {
          status: 200,
          body: {
            dry_run: true,
            provider: account.provider,
            requests,
            warnings,
            estimated_wait_seconds: estimate,
            account_status: account.status,
          },
        }
      }

      // Counted now, where it can be refused, and not by the worker that has something to tell it.
      if (query.callback_url !== undefined && !isRepeated)
        await store.webhookEndpoints.ensureCallbackEndpoint(tenantId, query.callback_url, now, account.mode)
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
      const record =
        acceptance.kind === 'accepted'
          ? acceptance.record
          : await readOwnOperation(store, caller, acceptance.operationId)
      if (acceptance.kind === 'accepted') metrics.accepted.inc({ provider: account.provider })
      log.info(
        { request_id: requestId, operation_id: record.head.id, account_id: account.id, provider: account.provider },
        acceptance.kind,
      )
      const latest = await waitForEnd({ store, finished }, record, {
        waitMs: prefer.waitMs,
        signal,
        leaveTurn,
        untilHeld: true,
      })
      return prefer.waitMs > 0 && isFinished(latest.state)
        ? answerSynchronously(store, latest, requestId)
        : answerAccepted({ store, schedule }, latest, account)
    },
    (refused) => findProviderProblems(store, refused),
  )
}

function toRefusal(acceptance: Exclude<Acceptance, { kind: 'accepted' | 'replayed' }>): RequestError {
  if (acceptance.kind === 'account_gone') return notFound('integrated account')
  const operation = `/operations/${acceptance.operationId}`
  const extensions = { operation, operation_id: acceptance.operationId }
  if (acceptance.kind === 'reused')
    return new RequestError('idempotency_key_reused', 'This Idempotency-Key came with another request before.', {
      extensions,
    })
  return new RequestError(
    'operation_in_progress',
    'Another operation, not finished yet, is creating a user with this login.',
    { extensions, headers: { location: operation } },
  )
}
