import type { LaneSource } from '@muster/lanes/lane-owner'
import type { RunJob } from '@muster/lanes/lane'
import type { Pace } from '@muster/lanes/pace'
import { limitsOf } from '@muster/providers/limits'
import { providerOf } from '@muster/providers/registry'
import { endpointOfLane } from '@muster/store/keys'
import { operationIdOf, priorities } from '@muster/store/operation-record'
import type { Clock } from '@muster/store/redis-clock'
import type { Store } from '@muster/store/store'

/** A receiver is nobody's bottleneck to begin with; its owner can set another rate. */
const DELIVERY_PACE = { requests: 100, perSeconds: 1, concurrency: 10, callsPerJob: 1 }

/** Joins the lanes to the store: which pace an account or a webhook endpoint has, and what its outbox holds. */
export function createLaneSource(
  store: Store,
  clock: Clock,
  { runOperation, deliverWebhook }: { runOperation: RunJob; deliverWebhook: RunJob },
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
    run: (laneId, jobId, context) =>
      (endpointOfLane(laneId) === undefined ? runOperation : deliverWebhook)(laneId, jobId, context),
  }
}
