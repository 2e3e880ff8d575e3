import { setImmediate as endOfTurn } from 'node:timers/promises'

/** How long work may compute before it yields, in milliseconds. */
export const MAX_BLOCK_MS = 4

let last: Promise<void> = Promise.resolve()

/**
 * To be awaited after a stretch of computing. All callers share one queue, so that each turn of the event loop has one
 * stretch: ten uploads side by side would otherwise put ten between two answers to another tenant.
 */
export function yieldEventLoop(): Promise<void> {
  last = last.then(() => endOfTurn())
  return last
}
