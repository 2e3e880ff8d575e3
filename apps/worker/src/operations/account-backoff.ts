import type { Outcome } from '@muster/domain/outcome'

/** After so many failures in a row the provider itself is taken to be down. */
const DOWN_AFTER = 5
const FIRST_MS = 1_000
/** Where a provider that limits the rate does not say for how long. */
const MAX_RATE_LIMIT_MS = 60_000
/** One attempt every so often overloads no one, and notices soon that the provider is back. */
const MAX_OUTAGE_MS = 15_000
/** Least wait after a refusal, since "at once" would repeat the same call without end. */
const LEAST_RETRY_AFTER_MS = 1_000

interface InARow {
  rateLimits: number
  outages: number
}

/** What the latest answers to each account were, so that a lane slows down instead of using up the attempts in it. */
export class AccountBackoff {
  readonly #accounts = new Map<string, InARow>()

  /** For how long nothing more of the account's lane may leave. */
  after(accountId: string, outcome: Outcome): number {
    switch (outcome.outcome) {
      case 'rate_limited':
        return this.#afterRateLimit(accountId, outcome.retryAfterMs)
      case 'retrying':
      case 'unknown':
        return Math.max(this.#afterOutage(accountId), outcome.retryAfterMs ?? 0)
      case 'succeeded':
      case 'failed':
      case 'held':
        this.#accounts.delete(accountId)
        return 0
      case 'reconciling':
      case 'interrupted':
      case 'expired':
        return 0
    }
  }

  #of(accountId: string): InARow {
    const present = this.#accounts.get(accountId) ?? { rateLimits: 0, outages: 0 }
    this.#accounts.set(accountId, present)
    return present
  }

  #afterRateLimit(accountId: string, retryAfterMs: number | undefined): number {
    const inARow = this.#of(accountId)
    inARow.rateLimits += 1
    if (retryAfterMs !== undefined && retryAfterMs >= LEAST_RETRY_AFTER_MS) return retryAfterMs
    const jitterMs = Math.floor(Math.random() * FIRST_MS)
    return Math.min(MAX_RATE_LIMIT_MS, FIRST_MS * 2 ** (inARow.rateLimits - 1)) + jitterMs
  }

  /** Not at all for the first few. */
  #afterOutage(accountId: string): number {
    const inARow = this.#of(accountId)
    inARow.outages += 1
    if (inARow.outages < DOWN_AFTER) return 0
    return Math.min(MAX_OUTAGE_MS, FIRST_MS * 2 ** (inARow.outages - DOWN_AFTER))
  }
}
