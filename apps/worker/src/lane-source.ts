import type { LaneSource } from '@muster/lanes/lane-owner'
import type { RunJob } from '@muster/lanes/lane'
import { limitsOf } from '@muster/providers/limits'
import { providerOf } from '@muster/providers/registry'
import { operationIdOf } from '@muster/store/operation-record'
import type { Store } from '@muster/store/store'

/** Joins the lanes to the store: which pace an account has, and what its outbox holds. */
export function createLaneSource(store: Store, run: RunJob): LaneSource {
  return {
    async pace(accountId) {
      const account = await store.accounts.read(accountId)
      if (!account || account.status !== 'active') return undefined
      const { callsPerCreate, ...limits } = limitsOf(providerOf(account.provider), account.limits)
      return { ...limits, callsPerJob: callsPerCreate }
    },
    readOutbox: (accountId, limit) => store.operations.readOutbox(accountId, limit),
    clearOutbox: (accountId, entries) => store.operations.clearOutbox(accountId, entries),
    async priorityOf(accountId, jobIds) {
      const records = await store.operations.readMany(jobIds.map((jobId) => ({ accountId, operationId: operationIdOf(jobId) })))
      const priorities = new Map(records.map((record) => [record.head.id, record.head.priority]))
      return jobIds.map((jobId) => priorities.get(operationIdOf(jobId)) ?? 0)
    },
    run,
  }
}
