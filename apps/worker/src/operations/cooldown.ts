import type { JobOutcome } from '@muster/domain/outcome'

/** Lets one operation of an account that cools down run; the others go back when it has ended. */
export class Probes {
  readonly #underWay = new Map<string, Promise<unknown>>()

  async alone(accountId: string, run: () => Promise<JobOutcome>): Promise<JobOutcome> {
    const other = this.#underWay.get(accountId)
    if (other) {
      await other.catch(() => undefined)
      return { outcome: 'interrupted' }
    }
    const mine = run()
    this.#underWay.set(accountId, mine)
    try {
      return await mine
    } finally {
      this.#underWay.delete(accountId)
    }
  }
}
