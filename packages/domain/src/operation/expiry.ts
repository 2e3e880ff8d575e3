const HOUR_MS = 3_600_000

/** What a request says about its time, as it comes over the wire. */
export interface TimeWindow {
  not_before?: string | undefined
  expires_at?: string | undefined
}

/** No attempt starts after this: as requested, or `defaultHours` after the first attempt may start. */
export function expiryOf({ not_before, expires_at }: TimeWindow, defaultHours: number, now: number): number {
  if (expires_at !== undefined) return Date.parse(expires_at)
  const earliest = not_before === undefined ? now : Math.max(now, Date.parse(not_before))
  return earliest + defaultHours * HOUR_MS
}
