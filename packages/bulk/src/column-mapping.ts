import type { MappedColumn } from '@muster/contracts/batch'
import { isSecretName } from '@muster/contracts/secrets'
import { cellKinds } from './cell-values.ts'
import { toName, toPath } from './column-target.ts'
import type { RemoteKinds, Target, TargetFault } from './column-target.ts'
import { nearestName } from './header-hints.ts'
import { findSynonym } from './header-synonyms.ts'
import { resolveHeaders, toMapped } from './resolve-headers.ts'
import type { ResolvedHeader } from './resolve-headers.ts'
import { UploadError } from './upload-error.ts'

const MAX_LISTED = 50

export interface ColumnMapping {
  /** Trimmed, as the client wrote them. */
  headers: string[]
  /** Up to the last header that is not empty. */
  named: number
  /** One for each header; undefined for a column that is to be ignored, unnamed for one that must be empty. */
  targets: (Target | 'unnamed' | undefined)[]
  /** One for each header: whether it holds a password or the like, which goes out to no one. */
  secrets: boolean[]
  /** For the answer: all that have a name. */
  columns: MappedColumn[]
}

const faults: Record<Exclude<TargetFault, 'unknown'>, string> = {
  forbidden: 'is not an allowed name',
  too_deep: 'nests deeper than 10 levels',
  index_too_large: 'has an index above 99',
  unknown_kind: `names no kind of value: ${cellKinds.join(', ')}`,
}

/**
 * Throws an UploadError that names every header which goes nowhere. `mapping` comes first; an empty target ignores the
 * column.
 */
export function mapColumns(
  cells: readonly string[],
  mapping: Readonly<Record<string, string>> = {},
  line = 1,
  remoteKinds?: RemoteKinds,
): ColumnMapping {
  const headers = cells.map((cell) => cell.trim())
  const refuse = (code: UploadError['code'], detail: string): never => {
    throw new UploadError(code, detail, line)
  }
  if (headers.every((header) => header === '')) refuse('no_header', 'The first line must name the columns.')
  const repeated = findRepeated(headers)
  if (repeated.length > 0) refuse('duplicate_headers', `These headers stand more than once: ${list(repeated, quote)}.`)
  const resolved = resolveHeaders(headers, toMapped(mapping), remoteKinds)
  const faulty = headers.flatMap((header, index) => {
    const found = resolved[index]
    return found !== undefined && found !== 'unnamed' && 'fault' in found ? [{ header, ...found }] : []
  })
  const invalid = faulty.flatMap(({ header, fault }) =>
    fault === 'unknown' ? [] : [`${quote(header)} ${faults[fault]}`],
  )
  if (invalid.length > 0) refuse('invalid_headers', `${list(invalid, String)}.`)
  if (faulty.length > 0)
    refuse('unknown_headers', `These headers are unknown (map one to nothing to ignore it): ${list(faulty, withHint)}.`)
  const targets = resolved.map((found) => (found === 'unnamed' ? found : 'target' in found ? found.target : undefined))
  const conflict = findConflict(headers, targets)
  if (conflict !== undefined)
    refuse('conflicting_headers', `The columns ${quote(conflict[0])} and ${quote(conflict[1])} fill the same place.`)
  return {
    headers,
    named: headers.findLastIndex((header) => header !== '') + 1,
    targets,
    secrets: resolved.map((found, index) => isSecretColumn(headers[index] ?? '', found)),
    columns: headers.flatMap((header, index) => toMappedColumn(header, resolved[index])),
  }
}

/** A column that a mapping leaves out, or sends elsewhere, may still be called like a secret, and be one. */
function isSecretColumn(header: string, found: ResolvedHeader): boolean {
  if (found === 'unnamed' || 'fault' in found) return false
  if (found.target && holdsSecret(found.target)) return true
  return found.source !== 'name' && (isSecretName(toName(header)) || findSynonym(header) === 'password')
}

const holdsSecret = ({ path }: Target): boolean =>
  path.some((segment) => typeof segment === 'string' && isSecretName(segment))

function toMappedColumn(header: string, found: ResolvedHeader | undefined): MappedColumn[] {
  if (found === undefined || found === 'unnamed' || 'fault' in found) return []
  return [{ header, target: found.target === undefined ? null : toPath(found.target), source: found.source }]
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

function withHint({ header, name, suggestion }: { header: string; name: string; suggestion?: string | undefined }) {
  if (/[;\t]/.test(header)) return `${quote(header)} (columns are separated by commas)`
  const target = name === header ? '' : ` mapped to ${quote(name)}`
  const meant = suggestion ?? nearestName(name)
  return meant === undefined ? `${quote(header)}${target}` : `${quote(header)}${target} (did you mean ${meant}?)`
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
