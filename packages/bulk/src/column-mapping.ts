import type { InputProblem } from '@muster/contracts/problem'
import { knownNames, toName, toTarget } from './column-target.ts'
import type { CellKind, Target, TargetFault } from './column-target.ts'
import { UploadError } from './upload-error.ts'
import { escapePointer, isForbiddenName, isSoundText, unsoundText } from '@muster/contracts/untrusted-value'

const MAX_LISTED = 50

export interface ColumnMapping {
  /** Trimmed, as the client wrote them. */
  headers: string[]
  /** Up to the last header that is not empty. */
  named: number
  /** One for each header; undefined for a column that is to be ignored, unnamed for one that must be empty. */
  targets: (Target | 'unnamed' | undefined)[]
}

const faults: Record<Exclude<TargetFault, 'unknown'>, string> = {
  forbidden: 'is not an allowed name',
  too_deep: 'nests deeper than 10 levels',
  index_too_large: 'has an index above 99',
}

/**
 * Throws an UploadError that names every header which goes nowhere. `mapping` comes first; an empty target ignores the
 * column.
 */
export function mapColumns(
  cells: readonly string[],
  mapping: Readonly<Record<string, string>> = {},
  line = 1,
): ColumnMapping {
  const headers = cells.map((cell) => cell.trim())
  const refuse = (code: UploadError['code'], detail: string): never => {
    throw new UploadError(code, detail, line)
  }
  if (headers.every((header) => header === '')) refuse('no_header', 'The first line must name the columns.')
  const repeated = findRepeated(headers)
  if (repeated.length > 0) refuse('duplicate_headers', `These headers stand more than once: ${list(repeated, quote)}.`)
  const mapped = toMapped(mapping)
  const found = headers.map((header) => findTarget(header, mapped))
  const invalid = headers.flatMap((header, index) => {
    const fault = found[index]
    return typeof fault === 'string' && fault !== 'unknown' && fault !== 'unnamed'
      ? [`${quote(header)} ${faults[fault]}`]
      : []
  })
  if (invalid.length > 0) refuse('invalid_headers', `${list(invalid, String)}.`)
  const unknown = headers.flatMap((header, index) =>
    found[index] === 'unknown' ? [{ header, name: mapped.get(toName(header)) ?? header }] : [],
  )
  if (unknown.length > 0)
    refuse(
      'unknown_headers',
      `These headers are unknown (map one to nothing to ignore it): ${list(unknown, withHint)}.`,
    )
  const targets = found.map((target) => (typeof target === 'string' && target !== 'unnamed' ? undefined : target))
  const conflict = findConflict(headers, targets)
  if (conflict !== undefined)
    refuse('conflicting_headers', `The columns ${quote(conflict[0])} and ${quote(conflict[1])} fill the same place.`)
  return { headers, named: headers.findLastIndex((header) => header !== '') + 1, targets }
}

/** Names of headers to what the client wrote of them. */
type Mapped = ReadonlyMap<string, string>

const toMapped = (mapping: Readonly<Record<string, string>>): Mapped =>
  new Map(Object.entries(mapping).map(([header, target]) => [toName(header), target.trim()]))

function findTarget(header: string, mapped: Mapped): Target | TargetFault | 'unnamed' | undefined {
  if (isForbiddenName(header.toLowerCase())) return 'forbidden'
  const target = mapped.get(toName(header))
  if (target === '') return undefined
  return header === '' && target === undefined ? 'unnamed' : toTarget(target ?? header)
}

/** Whether the column would go somewhere, or be left out on purpose. */
export function isKnownHeader(header: string, mapping: Readonly<Record<string, string>>): boolean {
  const target = findTarget(header.trim(), toMapped(mapping))
  return typeof target !== 'string'
}

const quote = (text: string): string => JSON.stringify(text.slice(0, 100))

/** Shows only what is listed: a hint for each of ten thousand headers would take a minute. */
const list = <T>(entries: T[], show: (entry: T) => string): string =>
  entries.slice(0, MAX_LISTED).map(show).join(', ') +
  (entries.length > MAX_LISTED ? ` and ${entries.length - MAX_LISTED} more` : '')

function findRepeated(headers: string[]): string[] {
  const seen = new Set<string>()
  return headers.filter((header) => {
    const name = toName(header)
    const isRepeated = name !== '' && seen.has(name)
    seen.add(name)
    return isRepeated
  })
}

function withHint({ header, name }: { header: string; name: string }): string {
  if (/[;\t]/.test(header)) return `${quote(header)} (columns are separated by commas)`
  const target = name === header ? '' : ` mapped to ${quote(name)}`
  const nearest = nearestName(name)
  return nearest === undefined ? `${quote(header)}${target}` : `${quote(header)}${target} (did you mean ${nearest}?)`
}

function nearestName(header: string): string | undefined {
  const name = toName(header).slice(0, 60)
  // "firstname" is nearer to first_name than its distance says.
  const bare = (text: string): string => text.replaceAll('_', '')
  const ranked = knownNames().map((known) => ({
    known,
    distance: Math.min(distance(name, known), distance(bare(name), bare(known))),
  }))
  const best = ranked.reduce((left, right) => (right.distance < left.distance ? right : left))
  return best.distance <= Math.max(2, Math.floor(name.length / 3)) ? best.known : undefined
}

/** Levenshtein's, in one row. */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (const [i, letter] of [...left].entries()) {
    const next = [i + 1]
    for (let j = 0; j < right.length; j++)
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === right[j] ? 0 : 1)))
    row = next
  }
  return row[right.length] ?? 0
}

/** Two columns of one target, one inside of the other, or an index beside a name. */
function findConflict(headers: string[], targets: ColumnMapping['targets']): [string, string] | undefined {
  const seen = new Map<string, { header: string; kind: string }>()
  for (const [index, target] of targets.entries()) {
    const header = headers[index] ?? ''
    if (target === undefined || target === 'unnamed') continue
    for (let depth = 1; depth <= target.path.length; depth++) {
      const key = JSON.stringify(target.path.slice(0, depth))
      const isLeaf = depth === target.path.length
      const kind = isLeaf ? 'leaf' : typeof target.path[depth]
      const before = seen.get(key)
      if (before !== undefined && (isLeaf || before.kind !== kind)) return [before.header, header]
      if (before === undefined) seen.set(key, { header, kind })
    }
  }
  return undefined
}

/**
 * The cells of one row as an item `{ …options, user: {…} }`. An empty cell is an absent value; entries of lists close
 * up around absent ones.
 */
export function toMappedItem(
  { targets }: ColumnMapping,
  cells: readonly string[],
): { value: Record<string, unknown>; problems: InputProblem[] } {
  const value: Record<string, unknown> = { user: {} }
  const problems: InputProblem[] = []
  const lists: { holder: Record<string | number, unknown>; key: string | number }[] = []
  for (const [index, target] of targets.entries()) {
    const cell = cells[index] ?? ''
    if (target === undefined || target === 'unnamed' || cell === '') continue
    const pointer = (): string => target.path.map((segment) => `/${escapePointer(String(segment))}`).join('')
    const converted = convert(cell, target.kind)
    if (!isSoundText(cell)) problems.push(unsoundText(pointer()))
    else if (converted !== undefined && 'detail' in converted) problems.push({ pointer: pointer(), ...converted })
    else if (converted !== undefined) place(value, target.path, converted.value, lists)
  }
  // Inner lists were noted after the outer ones, whose entries do not change places before.
  for (const { holder, key } of lists.reverse())
    holder[key] = (holder[key] as unknown[]).filter((entry) => entry !== undefined)
  return { value, problems }
}

const wrong = {
  integer: { code: 'invalid_integer', detail: 'This must be a whole number.' },
  boolean: { code: 'invalid_boolean', detail: 'This must be true or false, yes or no, 1 or 0.' },
}

const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  1: true,
  false: false,
  no: false,
  0: false,
}

/** undefined for a cell that is empty but for spaces, where spaces mean nothing. */
function convert(cell: string, kind: CellKind): { value: unknown } | { code: string; detail: string } | undefined {
  if (kind === 'text') return { value: cell }
  const text = cell.trim()
  if (text === '') return undefined
  if (kind === 'integer') return /^[+-]?\d{1,15}$/.test(text) ? { value: Number(text) } : wrong.integer
  if (kind === 'list')
    return {
      value: text
        .split(';')
        .map((entry) => entry.trim())
        .filter(Boolean),
    }
  const name = text.toLowerCase()
  return Object.hasOwn(booleans, name) ? { value: booleans[name] } : wrong.boolean
}

/** Names were checked by mapColumns, so none of them reaches a prototype. */
function place(
  root: Record<string, unknown>,
  path: (string | number)[],
  value: unknown,
  lists: { holder: Record<string | number, unknown>; key: string | number }[],
): void {
  let holder: Record<string | number, unknown> = root
  for (const [index, key] of path.entries()) {
    if (index === path.length - 1) {
      holder[key] = value
      return
    }
    if (!Object.hasOwn(holder, key)) {
      const isList = typeof path[index + 1] === 'number'
      holder[key] = isList ? [] : {}
      if (isList) lists.push({ holder, key })
    }
    holder = holder[key] as Record<string | number, unknown>
  }
}
