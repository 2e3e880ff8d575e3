import type { JobOutcome } from '@muster/domain/outcome'
import type { Cooldown } from '@muster/store/accounts/accounts'

/** A shorter rest is over before anyone can ask why. */
const NOTED_FROM_MS = 5_000
/** Nobody's word is good for longer: a wrong figure, or a quota that came back sooner, must not cost a day. */
const PROBED_FROM_MS = 60 * 60_000
const FIRST_PROBE_MS = 15 * 60_000
const MAX_PROBE_MS = 4 * 60 * 60_000

export const isCooling = (cooldown: Cooldown | null | undefined, now: number): cooldown is Cooldown =>
  cooldown !== null && cooldown !== undefined && cooldown.until > now

/**
 * What the account says of a wait that its provider asks for, and how long its lane rests: a long one is tried with one
 * operation at growing intervals.
 */
export function planCooldown(
  present: Cooldown | null | undefined,
  { forMs, reason }: { forMs: number; reason: string },
  now: number,
): { cooldown: Cooldown | null; restMs: number } {
  if (forMs < NOTED_FROM_MS) return { cooldown: null, restMs: forMs }
  const probes = isCooling(present, now) ? present.probes + 1 : 0
  const restMs =
    forMs <= PROBED_FROM_MS ? forMs : Math.min(forMs, MAX_PROBE_MS, FIRST_PROBE_MS * 2 ** Math.min(probes, 10))
  return { cooldown: { until: now + forMs, reason, probes }, restMs }
}

/** Calls that were under way together are told the same. */
export const isSameCooldown = (a: Cooldown | null, b: Cooldown | null): boolean =>
  a === null || b === null ? a === b : a.probes === b.probes && Math.abs(a.until - b.until) < NOTED_FROM_MS

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
