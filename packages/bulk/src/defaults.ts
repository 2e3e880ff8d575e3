import { createHash } from 'node:crypto'
import transliterate from '@sindresorhus/transliterate'
import { defaultBounds } from '@muster/contracts/bounds'
import type { InputProblem } from '@muster/contracts/problem'
import { isSecretName } from '@muster/contracts/secrets'
import { escapePointer } from '@muster/contracts/untrusted-value'
import type { DateOptions } from './cell-dates.ts'
import { convertCell } from './cell-values.ts'
import { toTarget } from './column-target.ts'
import type { RemoteKinds, Target } from './column-target.ts'
import { UploadError } from './upload-error.ts'

/** Nested like the body, or by path: `{ timezone: 'Europe/Berlin', 'emails[0].type': 'work' }`. */
export interface Defaults {
  readonly [name: string]: string | Defaults
}

type Part = { text: string } | { target: Target; filters: Filter[] } | 'counter'
type Filter = 'lower' | 'upper' | 'ascii'
type Path = readonly (string | number)[]

interface Default {
  target: Target
  parts: Part[]
}

const filters: ReadonlySet<string> = new Set<Filter>(['lower', 'upper', 'ascii'])
const isFilter = (name: string): name is Filter => filters.has(name)
/** `{first_name|ascii|lower}`; a doubled brace is a brace. */
const FIELD = /\{\{|\}\}|\{([^{}|]*)((?:\|[^{}|]*)*)\}|[{}]/g

const TOO_LONG = Symbol('too long')
const tooLong = {
  code: 'row_too_large',
  detail: `A field of more than ${defaultBounds.valueLength} characters makes no default.`,
}

/** Fills what a row does not say. Rows are given in their order, so that the same file gets the same counters again. */
export interface DefaultFiller {
  fill(item: Record<string, unknown>): InputProblem[]
}

/** @throws UploadError for an unknown field, or one that holds a secret: URLs are logged. */
export function createDefaults(
  given: Defaults,
  { dates = {}, remoteKinds }: { dates?: DateOptions; remoteKinds?: RemoteKinds | undefined } = {},
): DefaultFiller {
  const fields = flatten(given, '')
  refuseMany(fields)
  const defaults = fields.map(([name, text]): Default => ({
    target: readTarget(name, remoteKinds),
    parts: readTemplate(text),
  }))
  const taken = new Set<string>()
  /** The next number for each prefix. */
  const counters = new Map<string, number>()

  function render({ target, parts }: Default, item: Record<string, unknown>): string | typeof TOO_LONG | undefined {
    const pieces = parts.map((part) => (part === 'counter' ? part : renderPart(part, item)))
    if (pieces.some((piece) => piece === undefined)) return undefined
    if (pieces.some((piece) => piece === TOO_LONG)) return TOO_LONG
    const write = (counter: string): string =>
      parts.map((part, at) => (part === 'counter' ? counter : pieces[at])).join('')
    if (!parts.includes('counter')) return write('')
    // A hash: texts of a hundred thousand rows would take their own size.
    const key = (text: string): string =>
      createHash('sha256')
        .update(`${target.path.join('\n')}\n${text.toLowerCase()}`)
        .digest('base64')
    const base = key(write(''))
    for (let counter = counters.get(base) ?? 1; ; counter++) {
      const text = write(counter === 1 ? '' : String(counter))
      if (taken.has(key(text))) continue
      taken.add(key(text))
      counters.set(base, counter + 1)
      return text
    }
  }

  return {
    fill(item) {
      const problems: InputProblem[] = []
      for (const made of defaults) {
        const { path, kind } = made.target
        if (valueAt(item, path) !== undefined) continue
        const text = render(made, item)
        const converted = text === undefined ? undefined : text === TOO_LONG ? tooLong : convertCell(text, kind, dates)
        if (converted === undefined) continue
        const problem = 'detail' in converted ? converted : refuseLetters(made, String(text ?? ''))
        if (problem !== undefined)
          problems.push({ pointer: path.map((at) => `/${escapePointer(String(at))}`).join(''), ...problem })
        else if ('value' in converted) setAt(item, path, converted.value)
      }
      return problems
    },
  }
}

/** They are made again for each row. */
function refuseMany(fields: readonly [string, string][]): void {
  if (fields.length > defaultBounds.fields)
    throw new UploadError('invalid_defaults', `There are more than ${defaultBounds.fields} defaults.`)
  const long = fields.find(([name, text]) => Math.max(name.length, text.length) > defaultBounds.textLength)
  if (long === undefined) return
  const shown = JSON.stringify(long[0].slice(0, 100))
  throw new UploadError('invalid_defaults', `${shown} is longer than ${defaultBounds.textLength} characters.`)
}

const flatten = (given: Defaults, prefix: string): [string, string][] =>
  Object.entries(given).flatMap(([name, inner]) => {
    const path = prefix === '' ? name : /^\d+$/.test(name) ? `${prefix}[${name}]` : `${prefix}.${name}`
    return typeof inner === 'string' ? [[path, inner] as [string, string]] : flatten(inner, path)
  })

function readTarget(name: string, remoteKinds?: RemoteKinds): Target {
  const shown = JSON.stringify(name.slice(0, 100))
  const target = toTarget(name, remoteKinds)
  if (typeof target === 'string') throw new UploadError('invalid_defaults', `There is no field ${shown}.`)
  if (target.path.some((segment) => typeof segment === 'string' && isSecretName(segment)))
    throw new UploadError('invalid_defaults', `${shown} is a secret, and no secret may stand in defaults.`)
  return target
}

function readTemplate(text: string): Part[] {
  const parts: Part[] = []
  let end = 0
  for (const { 0: found, 1: name, 2: rest = '', index } of text.matchAll(FIELD)) {
    parts.push({ text: text.slice(end, index) })
    end = index + found.length
    if (found === '{{' || found === '}}') parts.push({ text: found.slice(1) })
    else if (name === undefined)
      throw new UploadError('invalid_defaults', 'A brace of a default is not closed, or not opened.')
    else if (name.trim() === 'counter') parts.push('counter')
    else parts.push({ target: readTarget(name), filters: rest.split('|').slice(1).map(readFilter) })
  }
  return [...parts, { text: text.slice(end) }]
}

function readFilter(written: string): Filter {
  const name = written.trim()
  if (!isFilter(name))
    throw new UploadError('invalid_defaults', `A field of a default is followed by one of ${[...filters].join(', ')}.`)
  return name
}

function renderPart(
  part: Exclude<Part, 'counter'>,
  item: Record<string, unknown>,
): string | typeof TOO_LONG | undefined {
  if ('text' in part) return part.text
  const value = valueAt(item, part.target.path)
  if (typeof value !== 'string' && typeof value !== 'number') return undefined
  if (String(value).length > defaultBounds.valueLength) return TOO_LONG
  return part.filters.reduce((text, filter) => applyFilter(text, filter, item), String(value))
}

function applyFilter(text: string, filter: Filter, item: Record<string, unknown>): string {
  if (filter === 'lower') return text.toLowerCase()
  if (filter === 'upper') return text.toUpperCase()
  const language = valueAt(item, ['user', 'languages', 0])
  // Of a Swede ö is o, of a German oe.
  return transliterate(text, typeof language === 'string' ? { locale: language } : {})
}

/** Letters that no one has a spelling for: a login without them would be another one. */
const refuseLetters = ({ parts }: Default, text: string): { code: string; detail: string } | undefined =>
  parts.some((part) => part !== 'counter' && 'filters' in part && part.filters.includes('ascii')) && /[^ -~]/.test(text)
    ? { code: 'not_ascii', detail: 'This default cannot be written in ASCII for this row: give the value itself.' }
    : undefined

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key)
        ? (inner as Record<string | number, unknown>)[key]
        : undefined,
    root,
  )
}

/** Nothing where another kind of value stands in the way. */
function setAt(root: Record<string, unknown>, path: Path, value: unknown): void {
  let holder: Record<string | number, unknown> = root
  for (const [index, key] of path.entries()) {
    if (Array.isArray(holder) !== (typeof key === 'number')) return
    if (index === path.length - 1) {
      holder[Array.isArray(holder) && typeof key === 'number' ? Math.min(key, holder.length) : key] = value
      return
    }
    if (!Object.hasOwn(holder, key)) holder[key] = typeof path[index + 1] === 'number' ? [] : {}
    const inner = holder[key]
    if (typeof inner !== 'object' || inner === null) return
    holder = inner as Record<string | number, unknown>
  }
}
