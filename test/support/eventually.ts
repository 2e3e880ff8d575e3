/**
 * Polls until the answer fits, for what only another process knows. Fails with the latest answer after `timeoutMs`.
 */
export async function eventually<T>(
  ask: () => Promise<T>,
  test: (answer: T) => boolean,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 1.5, 100)) {
    const answer = await ask()
    if (test(answer)) return answer
    if (Date.now() > deadline)
      throw new Error(`not reached within ${timeoutMs} ms; the latest: ${JSON.stringify(answer)?.slice(0, 2_000)}`)
    // Without a pause it would take the processor from the process it waits for.
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}
