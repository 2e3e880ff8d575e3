import type { AllowedHosts } from '@muster/contracts/allowed-hosts'
import type { EventSourceRef } from '@muster/domain/event'
import type { RetryPolicy } from '@muster/domain/operation/retry-policy'
import type { Egress } from '@muster/egress/egress'
import type { RunContext } from '@muster/lanes/lane'
import type { Logger } from '@muster/process/logger'
import type { RedisClock } from '@muster/store/redis/clock'
import type { Store } from '@muster/store/store'
import type { WorkerMetrics } from '../metrics.ts'
import type { AccountBackoff } from './account-backoff.ts'
import type { AccountRefusals } from './account-refusals.ts'
import type { Probes } from './cooldown.ts'
import type { LookUpCache } from './look-up-cache.ts'

export interface RunOperationDependencies {
  store: Store
  httpFor: Egress['httpFor']
  allowedHosts: AllowedHosts
  policy: RetryPolicy
  clock: RedisClock
  log: Logger
  metrics: WorkerMetrics
  /** Something was written that webhook endpoints may want to know. */
  onEvent(source: EventSourceRef): void
  /** A row of a batch has come further. */
  onBatch(batchId: string): void
}

/** What every stage of one job works with: the process's parts, what this worker remembers of each account, the job. */
export interface Run extends RunOperationDependencies {
  backoff: AccountBackoff
  refusals: AccountRefusals
  lookUps: LookUpCache
  probes: Probes
  context: RunContext
  /** Names the operation. */
  log: Logger
}

/** A permit that comes sooner is not worth a write, nor another look at what was read before. */
export const SOON_MS = 1_000
/** After which an operation that another process has just written, or whose account just changed, is read again. */
export const CONTESTED_MS = 1_000
