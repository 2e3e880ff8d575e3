import { accountLane } from '@muster/domain/lane-id'
import type { BatchResource } from '@muster/contracts/batch'
import type { BatchCounts } from '@muster/contracts/webhook-event'
import { accountCountOf } from '@muster/store/batches/batch-accounts'
import { endedOf, openOf, outcomeOf, rowStatuses, toBatchCounts, type AccountCounts } from '@muster/domain/batch/counts'
import type { BatchRecord } from '@muster/domain/batch/record'
import { isBatchFinished, isMoving, wouldMove } from '@muster/domain/batch/state'
import type { ApiDependencies } from '../dependencies.ts'
import {
  createsPerSecond,
  estimateWaitSeconds,
  atLeastUntil,
  OVERTAKERS_WINDOW_MS,
  shareLeft,
} from '../operations/estimated-wait.ts'

const time = (at: number): string => new Date(at).toISOString()
const timeOrNull = (at: number | null): string | null => (at === null ? null : time(at))

type AccountProgress = BatchResource['accounts'][number]

export async function toBatchResource(
  { store, schedule }: Pick<ApiDependencies, 'store' | 'schedule'>,
  record: BatchRecord,
): Promise<BatchResource> {
  const [{ accounts: shown, totals }, progress, isUploading] = await Promise.all([
    store.batches.readCounts(record),
    store.batches.readProgress(record.id),
    store.batches.isUploading(record.id),
  ])
  const counts = toBatchCounts(totals, progress)
  const accounts = await Promise.all(shown.map((account) => toAccountProgress({ store, schedule }, record, account)))
  const rate = rateOf(record, endedOf(counts), Date.now())
  return {
    id: record.id,
    status: record.status,
    status_reason: record.statusReason,
    outcome: record.status === 'completed' ? outcomeOf(counts) : null,
    reference: store.batches.readReference(record),
    format: record.format,
    on_invalid: record.onInvalid,
    max_failures: record.maxFailures,
    max_failure_rate: record.maxFailureRate,
    counts,
    is_uploading: isUploading,
    rate_per_second: isBatchFinished(record) ? null : rate,
    eta_seconds: etaOf(record, counts, accounts, rate),
    retry_skipped: record.retrySkipped,
    account_count: accountCountOf(record),
    accounts,
    created_at: time(record.createdAt),
    updated_at: time(record.updatedAt),
    uploaded_at: timeOrNull(record.uploadedAt),
    finished_at: timeOrNull(record.finishedAt),
    links: linksOf(record, counts),
  }
}

/** Commands are linked while they would change something. */
function linksOf(record: BatchRecord, { failed, expired }: BatchCounts): BatchResource['links'] {
  const self = `/batches/${record.id}`
  const hasFailed = failed + expired > 0
  return {
    self,
    accounts: `${self}/accounts`,
    results: `${self}/results`,
    events: `${self}/events`,
    ...(wouldMove(record, 'cancel') ? { cancel: `${self}/cancel` } : {}),
    ...(wouldMove(record, 'pause') ? { pause: `${self}/pause` } : {}),
    ...(wouldMove(record, 'resume') ? { resume: `${self}/resume` } : {}),
    ...(wouldMove(record, 'retry') && hasFailed ? { retry: `${self}/retry` } : {}),
  }
}

export async function toAccountProgress(
  { store, schedule }: Pick<ApiDependencies, 'store' | 'schedule'>,
  record: BatchRecord,
  rows: AccountCounts,
): Promise<AccountProgress> {
  const { accountId, provider } = rows
  const counts = Object.fromEntries(rowStatuses.map((status) => [status, rows[status]])) as AccountProgress['counts']
  const now = Date.now()
  // What was accepted after the batch overtakes it, except rows of later batches.
  const windowMs = Math.min(OVERTAKERS_WINDOW_MS, Math.max(0, now - record.createdAt - 1))
  const [account, open, behind, restMs, since, latestAt] = await Promise.all([
    store.accounts.read(accountId),
    store.operations.countOpen(accountId),
    store.batches.countBehind(accountId, record.id),
    schedule.cooldownMs(accountLane(accountId)),
    store.operations.countSince(accountId, now - windowMs),
    store.batches.latestStartAt(accountId, record.id),
  ])
  const share = account ? shareLeft(account, Math.max(0, since - behind), windowMs) : 1
  const limit = account ? createsPerSecond(account) : null
  const own = openOf(rows)
  const waiting = Math.max(0, open - own - behind)
  const wait = account ? estimateWaitSeconds(account, waiting + own, restMs, share) : null
  return {
    integrated_account_id: accountId,
    provider,
    status: account?.status ?? null,
    counts,
    waiting_ahead: waiting,
    limit_per_second: limit === null ? null : Math.round(limit * 100) / 100,
    resting_until: restMs === 0 ? null : time(Date.now() + restMs),
    eta_seconds: own === 0 ? 0 : atLeastUntil(wait, latestAt, now),
  }
}

/** The slowest account decides; null where one of them is on hold, since no one knows when it continues. */
function etaOf(
  record: BatchRecord,
  counts: BatchCounts,
  accounts: readonly AccountProgress[],
  rate: number | null,
): number | null {
  if (isBatchFinished(record)) return 0
  if (!isMoving(record)) return null
  const etas = accounts.map(({ eta_seconds }) => eta_seconds)
  // Accounts beyond those shown are too many to ask each.
  if (accountCountOf(record) > accounts.length) etas.push(rate ? Math.ceil(openOf(counts) / rate) : null)
  return etas.reduce<number | null>((most, eta) => (most === null || eta === null ? null : Math.max(most, eta)), 0)
}

function rateOf({ samples, createdAt }: BatchRecord, ended: number, now: number): number | null {
  const from = samples[0] ?? { at: createdAt, ended: 0 }
  const seconds = (now - from.at) / 1000
  return seconds < 1 ? null : Math.round(((ended - from.ended) / seconds) * 100) / 100
}
