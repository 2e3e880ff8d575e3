import { MASK } from '@muster/contracts/known-secrets'
import type { InputProblem } from '@muster/contracts/problem'
import { escapePointer, isSoundText, unsoundText } from '@muster/contracts/untrusted-value'
import type { DateOptions } from './cell-dates.ts'
import { convertCell } from './cell-values.ts'
import type { ColumnMapping } from './column-mapping.ts'

/**
 * The cells of one row as an item `{ …options, user: {…} }`. An empty cell is an absent value; entries of lists close
 * up around absent ones.
 */
export function toMappedItem(
  { targets }: Pick<ColumnMapping, 'targets'>,
  cells: readonly string[],
  dates: DateOptions = {},
): { value: Record<string, unknown>; problems: InputProblem[] } {
  const value: Record<string, unknown> = { user: {} }
  const problems: InputProblem[] = []
  const lists: { holder: Record<string | number, unknown>; key: string | number }[] = []
  for (const [index, target] of targets.entries()) {
    const cell = cells[index] ?? ''
    if (target === undefined || target === 'unnamed' || cell === '') continue
    const pointer = (): string => target.path.map((segment) => `/${escapePointer(String(segment))}`).join('')
    const converted = convertCell(cell, target.kind, dates)
    if (cell === MASK) problems.push({ pointer: pointer(), ...masked })
    else if (!isSoundText(cell)) problems.push(unsoundText(pointer()))
    else if (converted !== undefined && 'detail' in converted) problems.push({ pointer: pointer(), ...converted })
    else if (converted !== undefined) place(value, target.path, converted.value, lists)
  }
  // Inner lists were noted after the outer ones, whose entries do not change places before.
  for (const { holder, key } of lists.reverse())
    holder[key] = (holder[key] as unknown[]).filter((entry) => entry !== undefined)
  return { value, problems }
}

const masked = {
  code: 'masked_secret',
  detail: 'Results hold this in place of a secret: write the secret again, or leave the cell empty.',
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
