import { parseLaneId, type LaneId, type LaneSubject } from '@muster/domain/lane-id'
import { operationIdOf, priorities, timeOfId } from '@muster/domain/operation/record'
import type { JobOutcome } from '@muster/domain/outcome'
import type { RunContext } from '@muster/lanes/lane'
import type { LaneSource } from '@muster/lanes/lane-source'
import type { Pace } from '@muster/lanes/pace'
import { limitsOf } from '@muster/providers/engine/limits'
import { providerOf } from '@muster/providers/registry'
import { UnreadableError } from '@muster/store/crypto/unreadable'
import type { Clock } from '@muster/store/redis/clock'
import type { Store } from '@muster/store/store'

/** Runs one job of an account's or an endpoint's lane; `subjectId` is the id of that account or endpoint. */
export type RunSubjectJob = (subjectId: string, jobId: string, context: RunContext) => Promise<JobOutcome>

export interface LaneJobs {
  runOperation: RunSubjectJob
  deliverWebhook: RunSubjectJob
  onUnreadable(error: UnreadableError): void
}

/** The default pace of a receiver; an endpoint's settings can change it. */
const DELIVERY_PACE = { requests: 100, perSeconds: 1, concurrency: 10, callsPerJob: 1 }

/** Joins the lanes to the store: the pace of each account and endpoint, and the work that waits for it. */
export function createLaneSource(store: Store, clock: Clock, jobs: LaneJobs): LaneSource {
  const readSubject = (laneId: LaneId) => {
    const { kind, id } = parseLaneId(laneId)
    return kind === 'account' ? store.accounts.read(id) : store.webhookEndpoints.read(id)
  }
  return {
    pace(laneId) {
      const { kind, id } = parseLaneId(laneId)
      return kind === 'account' ? accountPace(store, id) : endpointPace(store, id)
    },
    tenantOf: async (laneId) => (await readSubject(laneId))?.tenantId,
    isGone: async (laneId) => (await readSubject(laneId)) === undefined,
    readOutbox: (laneId, limit) => store.operations.readOutbox(laneId, limit),
    clearOutbox: (laneId, entries) => store.operations.clearOutbox(laneId, entries),
    priorityOf: (laneId, jobIds) => readPriorities(store, parseLaneId(laneId), jobIds),
    backlog: createBacklog(store, clock),
    async run(laneId, jobId, context) {
      const { kind, id } = parseLaneId(laneId)
      try {
        return await (kind === 'account' ? jobs.runOperation : jobs.deliverWebhook)(id, jobId, context)
      } catch (error) {
        if (!(error instanceof UnreadableError)) throw error
        jobs.onUnreadable(error)
        return toHold(error, jobId)
      }
    },
  }
}

/** Rows of batches; endpoints have none. */
function createBacklog(store: Store, clock: Clock): NonNullable<LaneSource['backlog']> {
  return {
    async read(laneId, limit) {
      const { kind, id } = parseLaneId(laneId)
      return kind === 'account' ? store.batches.readBacklog(id, clock.now(), limit) : []
    },
    async clear(laneId, given) {
      const { kind, id } = parseLaneId(laneId)
      if (kind === 'account') await store.batches.clearBacklog(id, given)
    },
    async nextAt(laneId) {
      const { kind, id } = parseLaneId(laneId)
      return kind === 'account' ? store.batches.nextBacklogAt(id) : null
    },
    priority: priorities.bulk,
  }
}

/** Undefined while the account is on hold. */
async function accountPace(store: Store, accountId: string): Promise<Pace | undefined> {
  const account = await store.accounts.read(accountId)
  if (account?.status !== 'active') return undefined
  const { callsPerCreate, ...limits } = limitsOf(providerOf(account.provider), account.limits)
  return { ...limits, callsPerJob: callsPerCreate }
}

/** Undefined while the endpoint is disabled. */
async function endpointPace(store: Store, endpointId: string): Promise<Pace | undefined> {
  const endpoint = await store.webhookEndpoints.read(endpointId)
  if (endpoint?.status !== 'active') return undefined
  const { rate, concurrency } = endpoint
  return {
    ...DELIVERY_PACE,
    ...(rate ? { requests: rate.requests, perSeconds: rate.per_seconds } : {}),
    ...(concurrency === null ? {} : { concurrency }),
  }
}

async function readPriorities(store: Store, { kind, id }: LaneSubject, jobIds: readonly string[]): Promise<number[]> {
  if (kind === 'endpoint') return jobIds.map(() => 0)
  const records = await store.operations.readMany(
    jobIds.map((jobId) => ({ accountId: id, operationId: operationIdOf(jobId) })),
  )
  const byOperation = new Map(records.map(({ head }) => [head.id, head.priority]))
  return jobIds.map((jobId) => byOperation.get(operationIdOf(jobId)) ?? 0)
}

const MIN_RETRY_MS = 5_000
const MAX_RETRY_MS = 5 * 60_000

/**
 * Nothing was sent, and no attempt is used up: the job runs again, here or at a worker with the right keys. A record
 * that all jobs of the lane need cools the lane down, so that 100,000 jobs do not each find out. One unreadable job is
 * retried after half its age, so that many old ones do not keep the lane busy.
 */
function toHold({ record }: UnreadableError, jobId: string): JobOutcome {
  const now = Date.now()
  if (!record.startsWith('operation:') && !record.startsWith('delivery:'))
    return { outcome: 'retrying', at: now + MIN_RETRY_MS, cooldownMs: MIN_RETRY_MS }
  const ageMs = now - timeOfId(operationIdOf(jobId))
  return { outcome: 'retrying', at: now + Math.min(Math.max(ageMs / 2, MIN_RETRY_MS), MAX_RETRY_MS) }
}
