import { longestDelayMs, type Schedule } from './schedule.ts'

/** Of an endpoint since its last success. */
export interface FailingTime {
  /** Unix milliseconds of the first failure, null while there was none. */
  failingSince: number | null
  /** Absent in records of before they were counted. */
  failures?: number
  lastFailureAt?: number
}

/** So many attempts at least must have failed over the time. */
export const MIN_FAILURES = 5
/** A worker that stood still for so long may have made an attempt late. */
const LATE_MS = 60_000
/** An endpoint that fails all the time need not be written at each attempt. */
const NOTED_EVERY_MS = 60_000

/**
 * After a failure. Time in which nothing was attempted does not count: after a longer pause than there can be between
 * the attempts of a message, it begins again.
 */
export function afterFailure(
  present: FailingTime,
  now: number,
  { schedule, disableAfterMs }: { schedule: Schedule; disableAfterMs: number },
): { health: Required<FailingTime> & { failingSince: number }; isToDisable: boolean; isWorthWriting: boolean } {
  const quietMs = Math.max(longestDelayMs(schedule), disableAfterMs / MIN_FAILURES) + LATE_MS
  const { failingSince, failures = 0, lastFailureAt = -Infinity } = present
  const isQuiet = failingSince === null || now - lastFailureAt > quietMs
  const health = {
    failingSince: isQuiet ? now : failingSince,
    failures: isQuiet ? 1 : failures + 1,
    lastFailureAt: now,
  }
  return {
    health,
    isToDisable: health.failures >= MIN_FAILURES && now - health.failingSince >= disableAfterMs,
    isWorthWriting: isQuiet || failures < MIN_FAILURES || now - lastFailureAt >= NOTED_EVERY_MS,
  }
}
