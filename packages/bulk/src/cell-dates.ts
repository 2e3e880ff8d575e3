export interface DateOptions {
  /** Such as D/M/YYYY or MM-DD-YYYY HH:mm; without it, only what can be read in one way is. */
  dateFormat?: string
  /** IANA, of cells that name no offset; UTC without it. */
  timeZone?: string
}

interface Moment {
  year: number
  month: number
  day: number
  hour: number
  minute: number
  second: number
}

const DAY_MS = 86_400_000
/** Excel counts days from here, and the year 1900, by mistake, as a leap year: right from 1 March 1900 on. */
const EXCEL_EPOCH = Date.UTC(1899, 11, 30)
/** 1 March 1900 to the end of 9999. */
const SERIALS = { least: 61, most: 2_958_466 }

const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?$/
const WITH_OFFSET = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?:Z|[+-]\d{2}:\d{2})$/i
/** Dots are of those who write the day first. */
const DOTTED = /^(\d{1,2})\.(\d{1,2})\.(\d{4})(?:,? (\d{1,2}):(\d{2})(?::(\d{2}))?)?$/
const SERIAL = /^\d{2,7}([.,]\d+)?$/
/** A year alone, and as a serial a day of 1905: which of them is meant cannot be known. */
const YEAR = /^(?:19|20)\d\d$/

const tokens: Readonly<Record<string, { part: keyof Moment; pattern: string }>> = {
  YYYY: { part: 'year', pattern: '(\\d{4})' },
  MM: { part: 'month', pattern: '(\\d{2})' },
  M: { part: 'month', pattern: '(\\d{1,2})' },
  DD: { part: 'day', pattern: '(\\d{2})' },
  D: { part: 'day', pattern: '(\\d{1,2})' },
  HH: { part: 'hour', pattern: '(\\d{2})' },
  H: { part: 'hour', pattern: '(\\d{1,2})' },
  mm: { part: 'minute', pattern: '(\\d{2})' },
  ss: { part: 'second', pattern: '(\\d{2})' },
}
const TOKEN = /YYYY|MM|M|DD|D|HH|H|mm|ss/g

/** The day that a cell names, as YYYY-MM-DD; undefined for what is none, or may be two. */
export function readDay(cell: string, options: DateOptions): string | undefined {
  const moment = readMoment(cell, options)
  return moment && new Date(toUtc(moment)).toISOString().slice(0, 10)
}

/** The moment that a cell names, as ISO 8601 in UTC; undefined for what is none, or may be two. */
export function readInstant(cell: string, options: DateOptions): string | undefined {
  const [, local] = WITH_OFFSET.exec(cell) ?? []
  if (local !== undefined) {
    // Date.parse makes the 2nd of March of a 30th of February.
    const at = readMoment(local, {}) && Date.parse(cell)
    return at === undefined || Number.isNaN(at) ? undefined : new Date(at).toISOString()
  }
  const moment = readMoment(cell, options)
  return moment && new Date(toInstant(moment, options.timeZone ?? 'UTC')).toISOString()
}

/** Whether a format names a day, and nothing twice. */
export function isDateFormat(format: string): boolean {
  const parts = [...format.matchAll(TOKEN)].map(([token]) => tokens[token]?.part)
  return (
    new Set(parts).size === parts.length && (['year', 'month', 'day'] as const).every((part) => parts.includes(part))
  )
}

export function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false
  }
}

function readMoment(cell: string, { dateFormat }: DateOptions): Moment | undefined {
  const named = dateFormat === undefined ? undefined : readFormat(cell, dateFormat)
  if (named) return named
  const iso = ISO.exec(cell)
  if (iso) return toMoment(iso[1], iso[2], iso[3], iso[4], iso[5], iso[6])
  const dotted = DOTTED.exec(cell)
  if (dotted) return toMoment(dotted[3], dotted[2], dotted[1], dotted[4], dotted[5], dotted[6])
  return SERIAL.test(cell) && !YEAR.test(cell) ? readSerial(Number(cell.replace(',', '.'))) : undefined
}

function readFormat(cell: string, format: string): Moment | undefined {
  const literal = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
  const parts: (keyof Moment)[] = []
  let pattern = ''
  let end = 0
  for (const { 0: token, index } of format.matchAll(TOKEN)) {
    const known = tokens[token]
    if (known === undefined) continue
    pattern += literal(format.slice(end, index)) + known.pattern
    parts.push(known.part)
    end = index + token.length
  }
  const found = new RegExp(`^${pattern}${literal(format.slice(end))}$`).exec(cell)
  if (found === null) return undefined
  const of = (part: keyof Moment): string | undefined =>
    parts.includes(part) ? found[parts.indexOf(part) + 1] : undefined
  return toMoment(of('year'), of('month'), of('day'), of('hour'), of('minute'), of('second'))
}

function readSerial(serial: number): Moment | undefined {
  if (serial < SERIALS.least || serial >= SERIALS.most) return undefined
  // Excel's fractions are a little off.
  const date = new Date(EXCEL_EPOCH + Math.round(serial * 86_400) * 1000)
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
  }
}

/** Undefined for the 31st of February, or 25 o'clock. */
function toMoment(...parts: (string | undefined)[]): Moment | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.map((part) => Number(part ?? 0))
  const moment = { year, month, day, hour, minute, second }
  const date = new Date(toUtc(moment))
  // Date.UTC takes the years 0 to 99 for those of the last century.
  const isReal =
    date.getUTCFullYear() === year &&
    date.getUTCMonth() + 1 === month &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour
  return isReal && minute < 60 && second < 60 ? moment : undefined
}

const toUtc = ({ year, month, day, hour, minute, second }: Moment): number =>
  Date.UTC(year, month - 1, day, hour, minute, second)

/** An hour that a zone leaves out is read as if its clocks had not been changed yet. */
function toInstant(moment: Moment, zone: string): number {
  const local = toUtc(moment)
  const before = local - offsetAt(local - DAY_MS, zone)
  return offsetAt(before, zone) === local - before ? before : local - offsetAt(local - offsetAt(local, zone), zone)
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** In milliseconds, east of Greenwich. */
function offsetAt(at: number, zone: string): number {
  const format = formats.get(zone) ?? new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
  formats.set(zone, format)
  const name = format.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? ''
  const [, sign, hours = 0, minutes = 0, seconds = 0] = /([+-])(\d{2}):(\d{2})(?::(\d{2}))?/.exec(name) ?? []
  return (sign === '-' ? -1000 : 1000) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))
}
