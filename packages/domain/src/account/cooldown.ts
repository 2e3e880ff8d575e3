import type { Cooldown } from './record.ts'

/** A shorter cooldown is over before anyone can ask why. */
const NOTED_FROM_MS = 5_000
/** A longer one is probed: a wrong figure, or a quota that came back sooner, must not cost a day. */
const PROBED_FROM_MS = 60 * 60_000
const FIRST_PROBE_MS = 15 * 60_000
const MAX_PROBE_MS = 4 * 60 * 60_000

export const isCooling = (cooldown: Cooldown | null | undefined, now: number): cooldown is Cooldown =>
  cooldown !== null && cooldown !== undefined && cooldown.until > now

/**
 * What the account says of a wait that its provider asks for, and for how long its lane cools down: during a long one,
 * one operation is tried at growing intervals.
 */
export function planCooldown(
  present: Cooldown | null | undefined,
  { forMs, reason }: { forMs: number; reason: string },
  now: number,
): { cooldown: Cooldown | null; laneMs: number } {
  if (forMs < NOTED_FROM_MS) return { cooldown: null, laneMs: forMs }
  const probes = isCooling(present, now) ? present.probes + 1 : 0
  const laneMs =
    forMs <= PROBED_FROM_MS ? forMs : Math.min(forMs, MAX_PROBE_MS, FIRST_PROBE_MS * 2 ** Math.min(probes, 10))
  const nextProbe = laneMs < forMs ? { nextProbeAt: now + laneMs } : {}
  return { cooldown: { until: now + forMs, reason, probes, ...nextProbe }, laneMs }
}

/** Calls under way together get the same answer, a moment apart. */
export const isSameCooldown = (a: Cooldown | null, b: Cooldown | null): boolean =>
  a === null || b === null ? a === b : a.probes === b.probes && Math.abs(a.until - b.until) < NOTED_FROM_MS
