import type { AttemptOutcome, OperationError, RemoteCall, TerminalStatus, Warning } from '@muster/contracts/operation'
import type { OperationErrorCode } from '@muster/contracts/error-codes'
import type { JsonObject } from '@muster/contracts/json'
import type { ProviderId } from '@muster/contracts/provider-ids'
import type { ResponseView } from '@muster/contracts/response-format'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import type { UnknownOutcome } from '../outcome.ts'

/**
 * Times are Unix milliseconds throughout the store. `held` is not stored: it is what a waiting operation of an account
 * on hold is shown as.
 */
export type StoredStatus = 'queued' | 'running' | 'retrying' | TerminalStatus

/** Lower goes first. BullMQ takes 0 before every other number. */
export const priorities = { single: 0, bulk: 10 } as const

/** What never changes after acceptance. Written with every one of them, so what is absent says no. */
export interface OperationHead {
  id: string
  tenantId: string
  accountId: string
  provider: ProviderId
  batchId: string | null
  reference: string | null
  /** Of the HTTP request that brought it. */
  requestId: string
  createdAt: number
  priority: number
  naturalKeyHash: string
  /** Under which its idempotency entry lies. */
  idempotencyHash: string | null
  onConflict: 'fail' | 'adopt'
  view: ResponseView
  /** Whether its end is reported to an address of its own, sealed in the field `callback`. */
  hasCallback?: boolean
}

export interface AttemptRecord {
  number: number
  startedAt: number
  /** When the intent to create was written down. */
  createSentAt: number | null
  /** The account's address at the intent, for as long as the attempt runs. */
  sentTo?: string
  finishedAt: number | null
  outcome: AttemptOutcome | null
  errorCode: OperationErrorCode | null
  calls: RemoteCall[]
}

/** What changes. Written as a whole, over the version that was read. */
export interface OperationState {
  status: StoredStatus
  /** Why it waits. */
  statusReason: string | null
  updatedAt: number
  startedAt: number | null
  finishedAt: number | null
  notBefore: number | null
  expiresAt: number
  nextAttemptAt: number | null
  /** How often it was requeued by hand; part of the job's id. */
  run: number
  attemptCount: number
  /** Attempts of this run that count against the limit. */
  usedAttempts: number
  attempts: AttemptRecord[]
  warnings: Warning[]
  outcome: 'created' | 'adopted' | null
  remoteId: string | null
  error: OperationError | null
  unknown: UnknownOutcome | null
  /** Something that it needs does not open; it waits until that does. */
  isUnreadable?: boolean
  /** How often in a row its worker died while it ran. */
  crashes?: number
  /** When the person's data was taken out. */
  erasedAt?: number
}

/** One accepted request, in the words of the unified model. Stored sealed, its secrets apart. */
export interface CreateInput {
  user: UnifiedUserInput
  /** Passed to the provider's create call untouched. */
  remoteQuery: JsonObject
  organizationId?: string
  workspaceId?: string
}

export interface OperationRecord {
  head: OperationHead
  state: OperationState
  /**
   * Grows by one with every write. A write names the version it read, so a worker that lost its lane cannot write.
   */
  version: number
}

/** BullMQ's job id: a second run must not be taken for a duplicate of the first, whose job may not be gone yet. */
export function jobIdOf(operationId: string, run: number): string {
  return run === 0 ? operationId : `${operationId}-${run}`
}
export function operationIdOf(jobId: string): string {
  return jobId.slice(0, 36)
}

/** The first 48 bits of a UUIDv7 are its Unix milliseconds (RFC 9562). */
export function timeOfId(id: string): number {
  return parseInt(id.replace('-', '').slice(0, 12), 16)
}
