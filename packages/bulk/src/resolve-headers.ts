import type { MappedColumn } from '@muster/contracts/batch'
import { isForbiddenName } from '@muster/contracts/untrusted-value'
import { toName, toTarget } from './column-target.ts'
import type { RemoteKinds, Target, TargetFault } from './column-target.ts'
import { findGuess, findHalf, findSynonym, isReadOnly } from './header-synonyms.ts'
import { isResultField } from './result-columns.ts'

/** How it is known where a column goes. */
type HeaderSource = MappedColumn['source']

export type ResolvedHeader =
  | { target: Target | undefined; source: HeaderSource; name: string }
  | { fault: TargetFault; name: string; suggestion?: string | undefined }
  | 'unnamed'

/** Names of headers to what the client wrote of them. */
export type Mapped = ReadonlyMap<string, string>

export const toMapped = (mapping: Readonly<Record<string, string>>): Mapped =>
  new Map(Object.entries(mapping).map(([header, target]) => [toName(header), target.trim()]))

/** Fields that may repeat: a second address is fine, a second first name is a mistake. */
const seconds: Readonly<Record<string, string>> = { email: 'emails[1].email', phone: 'phones[1].number' }

/**
 * Where each column goes. What the client has said goes first, then the names of fields, then what a header surely
 * means; where two columns would mean the same, neither is sure.
 */
export function resolveHeaders(
  headers: readonly string[],
  mapped: Mapped,
  remoteKinds?: RemoteKinds,
): ResolvedHeader[] {
  const direct = headers.map((header) => resolveDirectly(header, mapped, remoteKinds))
  const filled = new Set(direct.flatMap((resolved) => keyOf(resolved) ?? []))
  const withSynonyms = direct.map((resolved, index) => resolveSynonym(resolved, headers[index] ?? ''))
  const claims = withSynonyms.flatMap((resolved) => keyOf(resolved) ?? [])
  const isClaimedOnce = (key: string): boolean => claims.indexOf(key) === claims.lastIndexOf(key)
  const isThere = (name: string): boolean => claims.includes(keyOfTarget(toTarget(name)))
  return withSynonyms.map((resolved, index) => {
    const header = headers[index] ?? ''
    if (resolved === 'unnamed') return resolved
    const half = isGiven(resolved, header) ? undefined : findHalf(header, isThere)
    if (half?.isSure) return toSynonym(half.target)
    if (half && 'fault' in resolved) return ask(header, half.target)
    const key = keyOf(resolved)
    if ('source' in resolved && resolved.source === 'synonym' && key !== undefined)
      return isClaimedOnce(key) && !filled.has(key) ? resolved : ask(header, seconds[resolved.name])
    return resolved
  })
}

/** Whether the column would go somewhere, or be left out on purpose. */
export function isKnownHeader(header: string, mapped: Mapped): boolean {
  const resolved = resolveSynonym(resolveDirectly(header.trim(), mapped), header)
  return resolved === 'unnamed' || !('fault' in resolved) || resolved.suggestion !== undefined
}

function resolveDirectly(header: string, mapped: Mapped, remoteKinds?: RemoteKinds): ResolvedHeader {
  const written = mapped.get(toName(header))
  if (isForbiddenName(header.toLowerCase())) return { fault: 'forbidden', name: header }
  if (written === '') return { target: undefined, source: 'mapping', name: '' }
  if (header === '' && written === undefined) return 'unnamed'
  const name = written ?? header
  const target = toTarget(name, remoteKinds)
  if (typeof target === 'string') return { fault: target, name }
  return { target, source: written === undefined ? 'name' : 'mapping', name }
}

function resolveSynonym(resolved: ResolvedHeader, header: string): ResolvedHeader {
  if (resolved === 'unnamed' || !('fault' in resolved) || resolved.fault !== 'unknown' || resolved.name !== header)
    return resolved
  if (isResultField(header)) return { target: undefined, source: 'result', name: '' }
  if (isReadOnly(header)) return { target: undefined, source: 'read_only', name: '' }
  const name = findSynonym(header)
  return name === undefined ? ask(header, findGuess(header)) : toSynonym(name)
}

function toSynonym(name: string): ResolvedHeader {
  const target = toTarget(name)
  return typeof target === 'string' ? { fault: target, name } : { target, source: 'synonym', name }
}

const ask = (header: string, suggestion: string | undefined): ResolvedHeader => ({
  fault: 'unknown',
  name: header,
  suggestion,
})

/** Said by the client, or written as a program writes it. */
const isGiven = (resolved: ResolvedHeader, header: string): boolean =>
  resolved !== 'unnamed' &&
  'source' in resolved &&
  (resolved.source === 'mapping' || (resolved.source === 'name' && header === toName(header)))

const keyOfTarget = (target: Target | TargetFault): string => (typeof target === 'string' ? '' : target.path.join('\n'))

const keyOf = (resolved: ResolvedHeader): string | undefined =>
  resolved !== 'unnamed' && 'target' in resolved && resolved.target ? keyOfTarget(resolved.target) : undefined
