import type { LaneSource } from '@muster/lanes/lane-owner'
import type { JobOutcome } from '@muster/domain/outcome'
import type { RunJob } from '@muster/lanes/lane'
import type { Pace } from '@muster/lanes/pace'
import { limitsOf } from '@muster/providers/engine/limits'
import { providerOf } from '@muster/providers/registry'
import { endpointOfLane } from '@muster/store/redis/keys'
import { operationIdOf, priorities, timeOfId } from '@muster/domain/operation/record'
import type { Clock } from '@muster/store/redis/clock'
import type { Store } from '@muster/store/store'
import { UnreadableError } from '@muster/store/crypto/unreadable'

/** A receiver is nobody's bottleneck to begin with; its owner can set another rate. */
const DELIVERY_PACE = { requests: 100, perSeconds: 1, concurrency: 10, callsPerJob: 1 }

/** Joins the lanes to the store: which pace an account or a webhook endpoint has, and what its outbox holds. */
export function createLaneSource(
  store: Store,
  clock: Clock,
  {
    runOperation,
    deliverWebhook,
    onUnreadable,
  }: { runOperation: RunJob; deliverWebhook: RunJob; onUnreadable(error: UnreadableError): void },
): LaneSource {
  async function deliveryPace(endpointId: string): Promise<Pace | undefined> {
    const endpoint = await store.webhookEndpoints.read(endpointId)
    if (!endpoint || endpoint.status !== 'active') return undefined
    const { rate, concurrency } = endpoint
    return {
      ...DELIVERY_PACE,
      ...(rate ? { requests: rate.requests, perSeconds: rate.per_seconds } : {}),
      ...(concurrency === null ? {} : { concurrency }),
    }
  }

  return {
    async pace(laneId) {
      const endpointId = endpointOfLane(laneId)
      if (endpointId !== undefined) return deliveryPace(endpointId)
      const account = await store.accounts.read(laneId)
      if (!account || account.status !== 'active') return undefined
      const { callsPerCreate, ...limits } = limitsOf(providerOf(account.provider), account.limits)
      return { ...limits, callsPerJob: callsPerCreate }
    },
    async tenantOf(laneId) {
      const endpointId = endpointOfLane(laneId)
      const owner =
        endpointId === undefined ? await store.accounts.read(laneId) : await store.webhookEndpoints.read(endpointId)
      return owner?.tenantId
    },
    async isGone(laneId) {
      const endpointId = endpointOfLane(laneId)
      return (
        (endpointId === undefined
          ? await store.accounts.read(laneId)
          : await store.webhookEndpoints.read(endpointId)) === undefined
      )
    },
    readOutbox: (accountId, limit) => store.operations.readOutbox(accountId, limit),
    clearOutbox: (accountId, entries) => store.operations.clearOutbox(accountId, entries),
    async priorityOf(accountId, jobIds) {
      if (endpointOfLane(accountId) !== undefined) return jobIds.map(() => 0)
      const records = await store.operations.readMany(
        jobIds.map((jobId) => ({ accountId, operationId: operationIdOf(jobId) })),
      )
      const priorities = new Map(records.map((record) => [record.head.id, record.head.priority]))
      return jobIds.map((jobId) => priorities.get(operationIdOf(jobId)) ?? 0)
    },
    backlog: {
      read: (laneId, limit) => store.batches.readBacklog(laneId, clock.now(), limit),
      clear: (laneId, given) => store.batches.clearBacklog(laneId, given),
      nextAt: (laneId) => store.batches.nextBacklogAt(laneId),
      priority: priorities.bulk,
    },
    async run(laneId, jobId, context) {
      try {
        return await (endpointOfLane(laneId) === undefined ? runOperation : deliverWebhook)(laneId, jobId, context)
      } catch (error) {
        if (!(error instanceof UnreadableError)) throw error
        onUnreadable(error)
        return toHold(error, jobId)
      }
    },
  }
}

/** How soon what does not open is tried again: what all of the lane waits for, and one job at most. */
const HOLD_MS = 5_000
const MAX_HOLD_MS = 5 * 60_000

/**
 * Nothing was sent and nothing is used up: the job comes again, here or at a worker with the right keys. What all jobs
 * of the lane need makes the lane rest, or each of 100,000 would find it out by itself; one job alone comes again after
 * half its age, so that many old ones do not keep the lane busy.
 */
function toHold({ record }: UnreadableError, jobId: string): JobOutcome {
  const now = Date.now()
  if (!record.startsWith('operation:') && !record.startsWith('delivery:'))
    return { outcome: 'retrying', at: now + HOLD_MS, cooldownMs: HOLD_MS }
  const ageMs = now - timeOfId(operationIdOf(jobId))
  return { outcome: 'retrying', at: now + Math.min(Math.max(ageMs / 2, HOLD_MS), MAX_HOLD_MS) }
}
