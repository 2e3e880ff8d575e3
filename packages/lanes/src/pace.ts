/** The rate limit of one lane. */
export interface Pace {
  requests: number
  perSeconds: number
  /** Jobs of the lane that run side by side. */
  concurrency: number
  /** Calls that one job usually makes. */
  callsPerJob: number
}

/**
 * Margin below the limit. Calls leave evenly spaced but arrive with the network's jitter: without it, one call too many
 * can fall into a provider's window.
 */
const MARGIN = 1.03
const WINDOW_MS = 100

/** Milliseconds between two calls. */
export function callIntervalMs({ requests, perSeconds }: Pick<Pace, 'requests' | 'perSeconds'>): number {
  return (perSeconds * 1000 * MARGIN) / requests
}

/** What it takes BullMQ from the end of a window to the first job of the next, about (measured: 3 to 6 ms). */
const LATENESS_MS = 4
/**
 * Jobs are taken faster than their calls can leave by this factor, so that an urgent one need not wait for the end of a
 * window that a job of a backlog began.
 */
const TAKEN_FASTER = 2

/**
 * Jobs that have begun before their call can leave: what keeps the pace up while the machine stutters, or Redis is
 * asked.
 */
export function jobsAhead(pace: Pace): number {
  return 1 + Math.ceil(WINDOW_MS / (callIntervalMs(pace) * pace.callsPerJob))
}

/** However slow its calls, a lane looks this often for a job that makes none. */
const LONGEST_JOB_WINDOW_MS = 1_000

/**
 * The job limit as BullMQ takes it: whole jobs in a window of about 100 ms. It only keeps a lane from racing through
 * jobs that make no calls; the pace itself is kept call by call (`CallPacer`), where urgent jobs pass those that wait.
 * With windows of exactly the pace, 94.7 % of 40/s were used, since BullMQ never makes up for being late.
 */
export function jobWindow(pace: Pace): { max: number; duration: number } {
  const interval = callIntervalMs(pace) * pace.callsPerJob
  const max = Math.max(1, Math.round(WINDOW_MS / interval))
  const duration = Math.max(1, Math.ceil((interval * max) / TAKEN_FASTER) - LATENESS_MS)
  return { max, duration: Math.min(LONGEST_JOB_WINDOW_MS, duration) }
}
