import { setImmediate as endOfTurn } from 'node:timers/promises'

/** How long work may compute before it lets others in, in milliseconds. */
export const STRETCH_MS = 4

let last: Promise<void> = Promise.resolve()

/**
 * To be awaited after a stretch of computing. One stretch in each turn of the event loop, whoever computes: ten uploads
 * of one tenant side by side would otherwise put ten stretches between two answers to another.
 */
export function takeTurn(): Promise<void> {
  last = last.then(() => endOfTurn())
  return last
}
