import type { LookUp } from '@muster/providers/provider'

/** Profiles and groups change rarely; a name that was not found is asked for again at once. */
const KEPT_MS = 5 * 60_000
const MAX_ENTRIES = 10_000

export class LookUpCache {
  readonly #entries = new Map<string, { value: unknown; until: number }>()

  async get(accountId: string, lookUp: LookUp, run: () => Promise<unknown>): Promise<unknown> {
    const key = `${accountId} ${lookUp.key}`
    const kept = this.#entries.get(key)
    if (kept && kept.until > Date.now()) return kept.value
    const value = await run()
    const isEmpty = value === undefined || value === null || (Array.isArray(value) && value.length === 0)
    if (isEmpty) this.#entries.delete(key)
    else {
      if (this.#entries.size >= MAX_ENTRIES) this.#entries.clear()
      this.#entries.set(key, { value, until: Date.now() + KEPT_MS })
    }
    return value
  }

  /** The provider did not know something it was asked to use: what was looked up may be out of date. */
  forget(accountId: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(`${accountId} `)) this.#entries.delete(key)
  }
}
