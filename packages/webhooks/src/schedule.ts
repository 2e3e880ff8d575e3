/**
 * Milliseconds to wait after the first, second … failed attempt; so there is one attempt more than there are entries.
 */
export type Schedule = readonly number[]

/** Seconds, as in Standard Webhooks' example: 10 attempts within 75 h 35 min 5 s, longer than a weekend. */
export const DEFAULT_SCHEDULE = '5,300,1800,7200,18000,36000,50400,72000,86400'

const MOST_ENTRIES = 50
const LONGEST_SECONDS = 7 * 24 * 60 * 60

/** A receiver that asks for longer is asked again after a day all the same. */
const LONGEST_RETRY_AFTER_MS = 24 * 60 * 60 * 1000

/** Spread, so that what failed together does not come back together. */
const JITTER = 0.2

/** Reads seconds separated by commas; throws a `RangeError` of one sentence. */
export function parseSchedule(text: string): Schedule {
  const entries = text.split(',').map((entry) => entry.trim())
  const areValid =
    entries.length <= MOST_ENTRIES &&
    entries.every((entry) => /^\d{1,6}$/.test(entry) && Number(entry) >= 1 && Number(entry) <= LONGEST_SECONDS)
  if (!areValid)
    throw new RangeError(
      `a schedule is 1 to ${MOST_ENTRIES} whole numbers of seconds between 1 and ${LONGEST_SECONDS} (7 days), separated by commas`,
    )
  return entries.map((entry) => Number(entry) * 1000)
}

/** Between two attempts of one message. */
export const longestDelayMs = (schedule: Schedule): number =>
  Math.max(LONGEST_RETRY_AFTER_MS, Math.max(...schedule) * (1 + JITTER))

export interface DelayOptions {
  /** What the receiver asked for, where it did. */
  retryAfterMs?: number | undefined
  /** From 0 up to 1. */
  random?: () => number
}

/**
 * Milliseconds until the next attempt, or undefined when there is none left. The receiver may ask for a longer wait,
 * never for a shorter one.
 */
export function delayAfter(
  schedule: Schedule,
  failedAttempts: number,
  { retryAfterMs = 0, random = Math.random }: DelayOptions = {},
): number | undefined {
  if (failedAttempts < 1) return 0
  const planned = schedule[failedAttempts - 1]
  if (planned === undefined) return undefined
  const spread = Math.max(0, Math.round(planned * (1 - JITTER + 2 * JITTER * random())))
  // Not a number is not more than 0 either.
  return retryAfterMs > 0 ? Math.max(spread, Math.min(Math.ceil(retryAfterMs), LONGEST_RETRY_AFTER_MS)) : spread
}
