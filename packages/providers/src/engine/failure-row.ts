import type { CreateInput } from '@muster/domain/operation/record'
import type { RemoteFailure } from '@muster/domain/outcome'

/** find: by natural key, for a user that may exist. look_up: a `LookUp`. check: `toCheckRequest`. */
export type CallPurpose = 'create' | 'find' | 'look_up' | 'check'

/** As a row's pointer: the unified field that the answer itself names, if any. */
export const NAMED = 'named'

/** A row of a vendor's table. All conditions that it has must hold; the first row that fits an answer wins. */
export interface FailureRow {
  status?: number | readonly number[]
  code?: string | readonly string[]
  says?: RegExp
  /** One of the vendor's fields that the answer is about. */
  field?: RegExp
  purpose?: CallPurpose
  /** Absent: what the status means everywhere. */
  means?: Meaning
  pointer?: typeof NAMED | `/${string}` | ((input: CreateInput | undefined) => string | undefined)
  /** How long to wait where the vendor does not say it. */
  waitMs?: number
  /** A sentence after the vendor's own. */
  hint?: string
}

/** What a refusal means for the operation. */
export type Meaning = Pick<RemoteFailure, 'code' | 'outcome' | 'certainty'>

/** Temporary, and not executed. */
export const RETRYING: Meaning = { code: 'provider_unavailable', outcome: 'retrying' }
/** Temporary; whether the request was executed is not known. */
export const UNKNOWN: Meaning = { code: 'provider_unavailable', outcome: 'unknown' }
export const RATE_LIMITED: Meaning = { code: 'rate_limited', outcome: 'rate_limited' }
/** Refusals of this one request. */
export const USER_EXISTS: Meaning = { code: 'user_exists', outcome: 'failed' }
export const INVALID: Meaning = { code: 'provider_validation_failed', outcome: 'failed' }
export const PASSWORD_REJECTED: Meaning = { code: 'password_rejected', outcome: 'failed' }
export const NOT_FOUND: Meaning = { code: 'provider_not_found', outcome: 'failed' }
export const NOT_ALLOWED: Meaning = { code: 'permission_denied', outcome: 'failed' }
export const NO_SEAT: Meaning = { code: 'license_limit_reached', outcome: 'failed' }
/** Refusals of the account: for certain, or as far as this answer tells. */
export const NO_ACCESS: Meaning = { code: 'permission_denied', outcome: 'held', certainty: 'final' }
export const NO_ACCESS_IN_DOUBT: Meaning = { code: 'permission_denied', outcome: 'held' }
export const CREDENTIALS_REJECTED: Meaning = { code: 'credentials_rejected', outcome: 'held', certainty: 'final' }
export const CREDENTIALS_EXPIRED: Meaning = { code: 'credentials_rejected', outcome: 'held', certainty: 'confirm' }
export const CREDENTIALS_IN_DOUBT: Meaning = { code: 'credentials_rejected', outcome: 'held' }
