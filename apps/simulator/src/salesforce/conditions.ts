import type { Json } from '../framework/vendor.ts'
import { normalizeId } from './identifiers.ts'
import type { Condition, Literal } from './soql.ts'

/** Text without regard to case, ids in either form, times as times; null before everything. */
function fold(value: Json | undefined): string | number | boolean | null {
  if (typeof value !== 'string') return typeof value === 'number' || typeof value === 'boolean' ? value : null
  if (/^\d{4}-\d\d-\d\dT/.test(value)) return Date.parse(value.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'))
  const id = value.length === 15 || value.length === 18 ? normalizeId(value) : undefined
  return id !== undefined && /\d/.test(value) ? id : value.toLowerCase()
}

export function compare(left: Json, right: Literal | Json): number {
  const [a, b] = [fold(left), fold(right)]
  if (a === b) return 0
  if (a === null || b === null) return a === null ? -1 : 1
  return a < b ? -1 : 1
}

function isLike(value: Json, pattern: Literal | undefined): boolean {
  if (typeof value !== 'string' || typeof pattern !== 'string') return false
  const source = pattern
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('%', '.*')
    .replaceAll('_', '.')
  return new RegExp(`^${source}$`, 'is').test(value)
}

/** Whether a row meets the condition; `read` gives the value of a field. */
export function holds(condition: Condition, read: (field: string) => Json): boolean {
  switch (condition.kind) {
    case 'and':
      return condition.parts.every((part) => holds(part, read))
    case 'or':
      return condition.parts.some((part) => holds(part, read))
    case 'not':
      return !holds(condition.part, read)
    case 'compare': {
      const value = read(condition.field)
      const [first = null] = condition.values
      const difference = compare(value, first)
      switch (condition.operator) {
        case '=':
          return difference === 0
        case '!=':
        case '<>':
          return difference !== 0
        case '<':
          return value !== null && difference < 0
        case '>':
          return value !== null && difference > 0
        case '<=':
          return value !== null && difference <= 0
        case '>=':
          return value !== null && difference >= 0
        case 'LIKE':
          return isLike(value, first)
        case 'IN':
          return condition.values.some((candidate) => compare(value, candidate) === 0)
        default:
          return !condition.values.some((candidate) => compare(value, candidate) === 0)
      }
    }
  }
}
