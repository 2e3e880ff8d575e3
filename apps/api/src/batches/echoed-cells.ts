import type { Columns, Row } from '@muster/bulk/row'
import { rowBounds } from '@muster/contracts/bounds'
import type { JsonObject } from '@muster/contracts/json'
import { MASK } from '@muster/contracts/known-secrets'
import { secretStrings, splitSecrets } from '@muster/contracts/secrets'

/** Of a row with more cells than columns. */
const MOST_CELLS = 2 * rowBounds.columns

/**
 * The client's cells are kept as long as the batch, so secrets are masked, whatever their column is called. Undefined
 * where the row has none that could be read.
 */
export function toEchoedCells({ columns, value }: Pick<Row, 'columns' | 'value'>): string[] | undefined {
  if (!columns || columns.cells.length === 0) return undefined
  if (value === undefined) return toMisreadCells(columns)
  const secrets = new Set(secretStrings(splitSecrets(value as JsonObject).secrets))
  return columns.cells.map((cell, index) =>
    secrets.has(cell.trim()) || (columns.secrets[index] && cell !== '') ? MASK : cell,
  )
}

/**
 * A cell too many or too few moves those behind it, so a secret may stand as many places away from its column. The last
 * cell that is kept holds all that follow.
 */
function toMisreadCells(columns: Columns): string[] {
  const { names, cells } = columns
  const away = Math.abs(cells.length - names.length) + names.filter((name) => name === '').length
  const places = columns.secrets.flatMap((secret, index) => (secret ? [index] : []))
  const masked = cells.map((cell, index) =>
    cell !== '' && places.some((place) => Math.abs(place - index) <= away) ? MASK : cell,
  )
  return masked.length <= MOST_CELLS
    ? masked
    : [
        ...masked.slice(0, MOST_CELLS - 1),
        masked
          .slice(MOST_CELLS - 1)
          .join(' ')
          .trim(),
      ]
}
