import type { AccountRecord } from '@muster/domain/account/record'
import { asSentence } from '@muster/contracts/sentence'
import type { AccountStatus } from '@muster/contracts/integrated-account'
import type { Attempt, OperationResource, OperationStatus } from '@muster/contracts/operation'
import { toResponseView, type ResponseView } from '@muster/contracts/response-format'
import type { AttemptRecord, OperationRecord } from '@muster/domain/operation/record'
import { isCooling } from '@muster/domain/account/cooldown'
import { isFinished, isRateLimited } from '@muster/domain/operation/state'
import type { Store } from '@muster/store/store'

const time = (at: number): string => new Date(at).toISOString()
const timeOrNull = (at: number | null): string | null => (at === null ? null : time(at))

/** How a hold ends. */
const REMEDIES: Record<Exclude<AccountStatus, 'active'>, string> = {
  paused: 'Resume the account to continue.',
  needs_reauth: 'PATCH new credentials into the account.',
  permission_denied: 'Give the account the right to create users at the provider, then resume it.',
}

export type OperationSummary = Omit<OperationResource, 'attempts' | 'result' | 'warnings'>

/** A waiting operation of an account on hold is shown as `held`; not stored, so that holding 100,000 costs nothing. */
export function shownStatus(
  record: OperationRecord,
  account: AccountRecord | undefined,
): { status: OperationStatus; reason: string | null } {
  const { status, statusReason } = record.state
  const isWaiting = status === 'queued' || status === 'retrying'
  if (isWaiting && account && account.status !== 'active') {
    const why = account.statusReason === null ? '.' : `: ${asSentence(account.statusReason)}`
    const reason = `The integrated account is on hold (${account.status})${why} ${REMEDIES[account.status]}`
    return { status: 'held', reason }
  }
  return { status: isWaiting && record.state.isUnreadable ? 'held' : status, reason: statusReason }
}

export function toSummary(record: OperationRecord, account: AccountRecord | undefined): OperationSummary {
  const { head, state } = record
  const shown = shownStatus(record, account)
  const self = `/operations/${head.id}`
  const isCancelable = (state.status === 'queued' || state.status === 'retrying') && state.unknown === null
  const isRetryable = isFinished(state) && state.status !== 'succeeded' && state.erasedAt === undefined
  return {
    id: head.id,
    type: 'user.create',
    status: shown.status,
    status_reason: shown.reason,
    integrated_account_id: head.accountId,
    provider: head.provider,
    batch_id: head.batchId,
    reference: head.reference,
    created_at: time(head.createdAt),
    updated_at: time(state.updatedAt),
    started_at: timeOrNull(state.startedAt),
    finished_at: timeOrNull(state.finishedAt),
    not_before: timeOrNull(state.notBefore),
    expires_at: time(state.expiresAt),
    next_attempt_at: shown.status === 'held' ? null : timeOrNull(nextAttemptAt(record, account)),
    attempt_count: state.attemptCount,
    outcome: state.outcome,
    remote_id: state.remoteId,
    error: state.error,
    erased_at: timeOrNull(state.erasedAt ?? null),
    links: {
      self,
      ...(isCancelable ? { cancel: `${self}/cancel` } : {}),
      ...(isRetryable ? { retry: `${self}/retry` } : {}),
    },
  }
}

/** Any one of those that wait out a cooldown may be the next that probes it. */
function nextAttemptAt({ state }: OperationRecord, account: AccountRecord | undefined): number | null {
  const probeAt = isCooling(account?.cooldown, Date.now()) ? account?.cooldown?.nextProbeAt : undefined
  return probeAt !== undefined && isRateLimited(state) ? probeAt : state.nextAttemptAt
}

function toAttempt(attempt: AttemptRecord): Attempt {
  return {
    number: attempt.number,
    started_at: time(attempt.startedAt),
    create_sent_at: timeOrNull(attempt.createSentAt),
    finished_at: timeOrNull(attempt.finishedAt),
    outcome: attempt.outcome,
    error_code: attempt.errorCode,
    calls: attempt.calls,
  }
}

/** The whole operation, with its result in the given view, or in that of the create call. */
export async function toResource(
  store: Store,
  record: OperationRecord,
  account: AccountRecord | undefined,
  view?: Partial<ResponseView>,
): Promise<OperationResource> {
  const { error, links, ...summary } = toSummary(record, account)
  const result = record.state.status === 'succeeded' ? await readView(store, record, view) : null
  return {
    ...summary,
    attempts: record.state.attempts.map(toAttempt),
    warnings: record.state.warnings,
    result,
    error,
    links,
  }
}

export async function readView(
  store: Store,
  record: OperationRecord,
  view: Partial<ResponseView> = {},
): Promise<unknown> {
  const stored = await store.operations.readResult(record.head.accountId, record.head.id)
  return stored ? toResponseView(stored, { ...record.head.view, ...view }) : null
}
