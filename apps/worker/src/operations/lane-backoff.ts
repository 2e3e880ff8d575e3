/** After so many failures in a row the provider itself is taken to be down. */
const DOWN_AFTER = 5
/** Where the provider does not say for how long to leave it alone. */
const MAX_THROTTLE_MS = 60_000
/** One attempt of one account every so often hammers nobody, and tells soon that the provider is back. */
const MAX_REST_MS = 15_000
const LEAST_TOLD_MS = 1_000

interface Mood {
  throttled: number
  failed: number
}

/**
 * What the last answers of each account were like, so that a lane eases off instead of burning the attempts of
 * everything in it.
 */
export class LaneMoods {
  readonly #moods = new Map<string, Mood>()

  #of(accountId: string): Mood {
    const mood = this.#moods.get(accountId) ?? { throttled: 0, failed: 0 }
    this.#moods.set(accountId, mood)
    return mood
  }

  /** Any answer that is neither a throttle nor a breakdown. */
  answered(accountId: string): void {
    this.#moods.delete(accountId)
  }

  /**
   * How long to wait: as told, or where nothing is told, longer each time. "At once" is no answer to a call that came
   * too soon: it would be asked for ever.
   */
  throttled(accountId: string, retryAfterMs: number | undefined): number {
    const mood = this.#of(accountId)
    mood.throttled += 1
    if (retryAfterMs !== undefined && retryAfterMs >= LEAST_TOLD_MS) return retryAfterMs
    return Math.min(MAX_THROTTLE_MS, 1_000 * 2 ** (mood.throttled - 1)) + Math.floor(Math.random() * 1_000)
  }

  /** How long the lane rests after a breakdown: not at all for the first few. */
  failed(accountId: string): number {
    const mood = this.#of(accountId)
    mood.failed += 1
    return mood.failed < DOWN_AFTER ? 0 : Math.min(MAX_REST_MS, 1_000 * 2 ** (mood.failed - DOWN_AFTER))
  }
}
