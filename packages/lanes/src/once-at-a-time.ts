/**
 * Runs `work` alone. Calls during a run get one more run after it, so that what came in meanwhile is not missed; bursts
 * of calls, or work that hangs, never pile up.
 */
export function onceAtATime(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null
  let again = false
  return () => {
    if (running) {
      again = true
      return running
    }
    running = (async () => {
      try {
        do {
          again = false
          await work()
        } while (again)
      } finally {
        // In the same turn as the last look at `again`: one turn later, an asking in between would be lost.
        running = null
      }
    })()
    return running
  }
}
