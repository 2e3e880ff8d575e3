import { compose } from '@muster/contracts/clean-text'
import { unifiedUserInputSchema } from '@muster/contracts/unified-user'
import type { z } from 'zod'
import { isCellKind } from './cell-values.ts'
import type { CellKind } from './cell-values.ts'
import { itemOptions, userFields } from './item.ts'
import { isForbiddenName } from '@muster/contracts/untrusted-value'

const MAX_INDEX = 99
const MAX_DEPTH = 10

export type Target = { path: (string | number)[]; kind: CellKind }
export type TargetFault = 'unknown' | 'unknown_kind' | 'forbidden' | 'too_deep' | 'index_too_large'

/** The short names that clients write for what they mean in nine of ten files. */
export const shorthands: Readonly<Record<string, string>> = {
  email: 'emails[0].email',
  phone: 'phones[0].number',
  role: 'roles[0].name',
  role_id: 'roles[0].id',
  group_id: 'groups[0].id',
  group_name: 'groups[0].name',
  language: 'languages[0]',
}

const optionKinds: Readonly<Record<string, CellKind>> = {
  truto_ignore_remote_data: 'boolean',
  truto_exclude_fields: 'list',
  not_before: 'datetime',
  expires_at: 'datetime',
}

/** Members with any name; an option here is one column for each of its keys. */
const freeObjects = new Set(['remote_data', 'remote_query'])

/** "First Name", "first-name" and "FIRST_NAME" are one name. */
export const toName = (header: string): string => compose(header.trim()).toLowerCase().replaceAll(/[\s-]/g, '_')

const TYPED = /^(remote[_ -]data\..*?)\s*\|\s*(\w+)$/is

/** What the provider takes at a path below `remote_data`; undefined where that is not known. */
export type RemoteKinds = (path: readonly (string | number)[]) => CellKind | undefined

/**
 * Where a cell under this name goes in the item. `remote_data.y|number` names the kind too, which else is the
 * provider's or text.
 */
export function toTarget(written: string, remoteKinds?: RemoteKinds): Target | TargetFault {
  const [, typed, typedAs] = TYPED.exec(written.trim()) ?? []
  if (typed !== undefined && typedAs !== undefined) return toTypedTarget(typed, typedAs.toLowerCase())
  const segments = toSegments(
    Object.hasOwn(shorthands, toName(written)) ? (shorthands[toName(written)] ?? '') : written.trim(),
  )
  if (segments === undefined) return 'unknown'
  if (segments.some((segment) => typeof segment === 'string' && isForbiddenName(segment.trim().toLowerCase())))
    return 'forbidden'
  if (segments.some((segment) => typeof segment === 'number' && segment > MAX_INDEX)) return 'index_too_large'
  if (segments.length > MAX_DEPTH) return 'too_deep'
  const [first, ...rest] = segments
  const name = toName(String(first))
  if (freeObjects.has(name)) {
    // Names inside are the provider's, whose case matters.
    if (typeof rest[0] !== 'string') return 'unknown'
    const kind = (name === 'remote_data' ? remoteKinds?.(rest) : undefined) ?? 'text'
    return { path: [...(userFields.has(name) ? ['user'] : []), name, ...rest], kind }
  }
  if (itemOptions.has(name)) return rest.length === 0 ? { path: [name], kind: optionKinds[name] ?? 'text' } : 'unknown'
  if (!userFields.has(name)) return 'unknown'
  const path = segments.map((segment) => (typeof segment === 'string' ? toName(segment) : segment))
  const kind = kindAt(unifiedUserInputSchema, path)
  return kind === undefined ? 'unknown' : { path: ['user', ...path], kind }
}

function toTypedTarget(name: string, kind: string): Target | TargetFault {
  const target = toTarget(name)
  if (typeof target === 'string') return target
  return isCellKind(kind) ? { ...target, kind } : 'unknown_kind'
}

/** As a header would be written that goes there: `user` is left out, as it is in headers. */
export const toPath = ({ path }: Target): string =>
  path
    .slice(path[0] === 'user' ? 1 : 0)
    .map((segment, index) => (typeof segment === 'number' ? `[${segment}]` : `${index === 0 ? '' : '.'}${segment}`))
    .join('')

/** Every name that could be meant, for hints. */
export function knownNames(): string[] {
  return [
    ...Object.keys(shorthands),
    ...[...itemOptions].filter((name) => !freeObjects.has(name)),
    ...leavesOf(unifiedUserInputSchema, ''),
  ]
}

/** `a.b[0].c` as its segments; undefined where it is not written so. */
function toSegments(path: string): (string | number)[] | undefined {
  const segments: (string | number)[] = []
  for (const part of path.split('.')) {
    const match = /^([^[\]]+)((?:\[\d{1,9}\])*)$/.exec(part)
    if (match === null) return undefined
    const [, name = '', indexes = ''] = match
    segments.push(name, ...[...indexes.matchAll(/\d+/g)].map(([digits]) => Number(digits)))
  }
  return segments
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodTypes {
  const inner = schema as z.core.$ZodTypes
  return inner._zod.def.type === 'optional' ? unwrap(inner._zod.def.innerType) : inner
}

/** What the contract says of the field, so that a new field of it is a new column. */
function kindAt(schema: z.core.$ZodType, path: (string | number)[]): CellKind | undefined {
  const { def } = unwrap(schema)._zod
  const [next, ...rest] = path
  if (next === undefined) {
    if (def.type === 'number') return 'integer'
    if (def.type === 'boolean') return 'boolean'
    if (def.type === 'array') return kindAt(def.element, []) === 'text' ? 'list' : undefined
    return def.type === 'string' || def.type === 'enum' ? 'text' : undefined
  }
  if (def.type === 'array') return typeof next === 'number' ? kindAt(def.element, rest) : undefined
  if (def.type !== 'object' || typeof next !== 'string' || !Object.hasOwn(def.shape, next)) return undefined
  const inner = def.shape[next]
  return inner === undefined ? undefined : kindAt(inner, rest)
}

function leavesOf(schema: z.core.$ZodType, prefix: string): string[] {
  const { def } = unwrap(schema)._zod
  if (def.type === 'array')
    return [...(kindAt(def.element, []) === 'text' ? [prefix] : []), ...leavesOf(def.element, `${prefix}[0]`)]
  if (def.type === 'object')
    return Object.entries(def.shape).flatMap(([name, inner]) =>
      leavesOf(inner, prefix === '' ? name : `${prefix}.${name}`),
    )
  return kindAt(schema, []) === undefined ? [] : [prefix]
}
