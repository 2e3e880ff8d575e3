import type { OperationErrorCode } from '@muster/contracts/error-codes'
import type { OperationError, Warning } from '@muster/contracts/operation'

/**
 * What an unsuccessful answer means for the operation:
 * failed: the provider did not create the user, and the same request would fail again.
 * rate_limited: not executed; the lane waits, and no attempt is used up.
 * held: the account was refused, not the request; once confirmed, the account is put on hold.
 * retrying: not executed; the same request may succeed later.
 * unknown: it may have been executed, so a look-up comes before anything is sent again.
 */
type FailureOutcome = 'failed' | 'rate_limited' | 'held' | 'retrying' | 'unknown'

/**
 * What an adapter reads from an answer, or the engine from the lack of one. Decided here, once, for all that follows.
 */
export interface RemoteFailure {
  outcome: FailureOutcome
  /** Of a `held`: credentials_rejected, the tenant must reconnect; any other, the account may not create users. */
  code: OperationErrorCode
  /** For people; in the provider's words where it has any. */
  message: string
  /** JSON pointer of the unified field it is about, such as `/emails/0/email`. */
  pointer?: string
  /** How long the provider asks to wait. */
  retryAfterMs?: number
  /**
   * Of a `held`. final: the standard or the vendor says that it lasts, so it is believed at once. confirm: one check
   * call decides. Absent: vendors say it in passing too, so the call is tried again before a check call decides.
   */
  certainty?: 'final' | 'confirm'
}

/** The same failure as the end of an attempt. */
export interface Failure extends RemoteFailure {
  /** Absent: the provider's, or Muster's own where no answer came (`unknown`). */
  origin?: OperationError['origin']
  /** The answer, where the operation ends with it. */
  response?: { status: number; body: unknown }
  /** The user that stands in the way, where the look-up found one. */
  remoteId?: string
  warnings?: Warning[]
  /**
   * When the lane or the provider's settling time lets it be tried again; absent: the retry policy decides. A
   * `retrying` that has it uses up no attempt.
   */
  at?: number
}

export interface Succeeded {
  outcome: 'succeeded'
  how: 'created' | 'adopted'
  remoteId: string
  warnings: Warning[]
  /** The provider's record, from which the result is made; undefined where it could not be read. */
  body?: unknown
  /** The unified status, where the answer says it outside the record. */
  status?: string
}

/**
 * What can come of an attempt: made where the provider's answer is read, stored in the attempt, shown in
 * `attempts[].outcome`, and carried to the lane. An `expired` attempt is stored as failed.
 */
export type Outcome =
  | Succeeded
  | Failure
  /** The look-up found nothing, but the provider's settling time is not over. */
  | { outcome: 'reconciling'; at: number }
  /** The worker is stopping or the lane waits, and no create was sent. */
  | { outcome: 'interrupted'; at: number }
  /** Its time was over, and nothing of it was created. */
  | { outcome: 'expired' }

/** What came of a lane's job: of an outcome, what its lane has to know, in the same words. */
export type JobOutcome =
  /** Nothing is left to do, or to do here. */
  | { outcome: 'done' }
  /** Not before `at`, by this machine's clock. `cooldownMs`: for how long nothing else of the lane leaves either. */
  | { outcome: 'retrying'; at: number; cooldownMs?: number }
  /** The whole lane waits, and the job goes back to its front. */
  | { outcome: 'rate_limited'; cooldownMs: number }
  /** Nothing was done: the job goes back, and runs when the lane has a permit for it. */
  | { outcome: 'interrupted' }
  /** The job goes back, and the lane closes until its owner is active again. */
  | { outcome: 'held' }

/**
 * Creates of one operation that may have reached the provider without an answer. Unix milliseconds by the clock that
 * all workers share.
 */
export interface UnknownOutcome {
  /** The intent of the first: who was created since may be ours. */
  firstSentAt: number
  /** When the last was given up: until then it may have been executed. */
  lastSentAt: number
  /** Where the first was sent. */
  sentTo?: string
}
