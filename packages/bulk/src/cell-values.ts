import { readDay, readInstant } from './cell-dates.ts'
import type { DateOptions } from './cell-dates.ts'

/** What a cell can be read as; `columns[x]=remote_data.y|number` names it. */
export const cellKinds = ['text', 'integer', 'number', 'boolean', 'list', 'date', 'datetime'] as const
export type CellKind = (typeof cellKinds)[number]

export const isCellKind = (name: string): name is CellKind => (cellKinds as readonly string[]).includes(name)

type Converted = { value: unknown } | { code: string; detail: string }

const wrong = {
  integer: { code: 'invalid_integer', detail: 'This must be a whole number.' },
  number: { code: 'invalid_number', detail: 'This must be a number, without signs between its thousands.' },
  boolean: { code: 'invalid_boolean', detail: 'This must be true or false, yes or no, 1 or 0.' },
  date: { code: 'invalid_date', detail: 'This must be a date, such as 2027-01-04; another form needs a date format.' },
}

/** As spreadsheets and people write them, in the languages that headers are understood in. */
const words = {
  true: 'true, yes, y, 1, on, wahr, ja, vrai, oui, verdadero, sí, si, vero, verdadeiro, sim, waar, prawda, tak, sant, sand',
  false:
    'false, no, n, 0, off, falsch, nein, faux, non, falso, não, nao, onwaar, nee, fałsz, nie, falskt, falsk, nej, nei',
}
const booleans: ReadonlyMap<string, boolean> = new Map([
  ...words.true.split(', ').map((word) => [word, true] as const),
  ...words.false.split(', ').map((word) => [word, false] as const),
])

/** undefined for a cell that is empty but for spaces, where spaces mean nothing. */
export function convertCell(cell: string, kind: CellKind, dates: DateOptions): Converted | undefined {
  if (kind === 'text') return { value: cell }
  const text = cell.trim()
  if (text === '') return undefined
  switch (kind) {
    case 'integer':
      return /^[+-]?\d{1,15}$/.test(text) ? { value: Number(text) } : wrong.integer
    case 'number':
      return readNumber(text)
    case 'boolean': {
      const value = booleans.get(text.toLowerCase())
      return value === undefined ? wrong.boolean : { value }
    }
    case 'list':
      return { value: readList(text) }
    case 'date':
      return toDate(readDay(text, dates))
    case 'datetime':
      return toDate(readInstant(text, dates))
  }
}

const toDate = (value: string | undefined): Converted => (value === undefined ? wrong.date : { value })

/** A comma is a point, as most of Europe writes it; a number that would lose digits is none. */
function readNumber(text: string): Converted {
  if (!/^[+-]?\d+([.,]\d+)?(e[+-]?\d{1,3})?$/i.test(text)) return wrong.number
  const value = Number(text.replace(',', '.'))
  if (!Number.isFinite(value) || digitsOf(text).length > 15)
    return { code: 'invalid_number', detail: 'This number has more digits than can be sent.' }
  return { value }
}

/** Those that count: without zeros at both ends. */
const digitsOf = (text: string): string =>
  text.replace(/e.*$/i, '').replaceAll(/\D/g, '').replace(/^0+/, '').replace(/0+$/, '')

const readList = (text: string): string[] =>
  text
    .split(';')
    .map((entry) => entry.trim())
    .filter(Boolean)
