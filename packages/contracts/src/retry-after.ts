/** A provider's wish to wait is honoured up to a day; a negative or unreadable one is ignored. */
const MAX_WAIT_MS = 24 * 60 * 60 * 1000

/** From here on, 2001, it is a Unix time, and from there on one of milliseconds: no one asks for a wait of 30 years. */
const UNIX_SECONDS_FROM = 1e9
const UNIX_MILLISECONDS_FROM = 1e12

/**
 * RFC 9110 section 10.2.3: seconds, or an HTTP date, which is read against the answer's own `Date` so that clocks need
 * not agree. Some send a Unix time instead.
 */
export function parseRetryAfter(headers: Record<string, string>, now: number): number | undefined {
  const value = headers['retry-after']?.trim()
  if (!value) return undefined
  if (/^\d+(\.\d+)?$/.test(value)) {
    const figure = Number(value)
    if (figure < UNIX_SECONDS_FROM) return clamp(figure * 1000)
    const unixMs = figure < UNIX_MILLISECONDS_FROM ? figure * 1000 : figure
    return clamp(unixMs - serverTime(headers, now))
  }
  const at = Date.parse(value)
  // Date.parse takes "-5" for a year; a date has letters in it.
  if (Number.isNaN(at) || !/[a-z]/i.test(value)) return undefined
  return clamp(at - serverTime(headers, now))
}

/** The provider's clock by its `Date` header, ours where it sends none. Whole seconds. */
export function serverTime(headers: Record<string, string>, now: number): number {
  const date = Date.parse(headers.date ?? '')
  return Number.isNaN(date) ? now : date
}

function clamp(milliseconds: number): number | undefined {
  if (!Number.isFinite(milliseconds) || milliseconds < 0) return undefined
  return Math.min(milliseconds, MAX_WAIT_MS)
}
