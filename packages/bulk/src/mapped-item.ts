import type { InputProblem } from '@muster/contracts/problem'
import { escapePointer, isSoundText, unsoundText } from '@muster/contracts/untrusted-value'
import type { ColumnMapping } from './column-mapping.ts'
import type { CellKind } from './column-target.ts'

/**
 * The cells of one row as an item `{ …options, user: {…} }`. An empty cell is an absent value; entries of lists close
 * up around absent ones.
 */
export function toMappedItem(
  { targets }: Pick<ColumnMapping, 'targets'>,
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
