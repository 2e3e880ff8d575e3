import { readHeaderCells } from './csv-cells.ts'
import { delimiters } from './csv-records.ts'

const names: Readonly<Record<string, string>> = { comma: ',', semicolon: ';', tab: '\t', pipe: '|', '\\t': '\t' }

/** One sign that is neither a letter, a digit, a quote, a space nor a line end, or the name of a usual one. */
export function toDelimiter(written: string): string | undefined {
  const name = written.toLowerCase()
  if (Object.hasOwn(names, name)) return names[name]
  return /^[\t!#-&(-,./:-@[-`{-~]$/.test(written) ? written : undefined
}

/** Excel's first line, which names the delimiter and no columns. */
export function readSeparatorLine(line: Buffer): string | undefined {
  const [, sign] = /^"?sep=(.)"?$/i.exec(line.subarray(0, 7).toString()) ?? []
  return line.length > 7 || sign === undefined ? undefined : toDelimiter(sign)
}

/** The delimiter that makes the most known headers of the line; of equal ones, the one that stands there most often. */
export function recognizeDelimiter(header: Buffer, isKnown: (name: string) => boolean): string {
  const ranked = delimiters.map((delimiter) => {
    const cells = (header.includes(delimiter) ? readHeaderCells(header, delimiter) : undefined) ?? []
    return { delimiter, known: cells.filter((cell) => isKnown(cell)).length, count: cells.length }
  })
  return ranked.reduce((best, next) =>
    next.known > best.known || (next.known === best.known && next.count > best.count) ? next : best,
  ).delimiter
}
