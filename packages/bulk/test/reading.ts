import { readFile } from 'node:fs/promises'
import type { ReadOptions } from '../src/read-rows.ts'
import { readRows } from '../src/read-rows.ts'
import { toCellsByName, type Row } from '../src/row.ts'
import { UploadError } from '../src/upload-error.ts'

type ShownRow = Omit<Row, 'columns'> & { columns: Record<string, string> | undefined }

export interface Reading {
  rows: ShownRow[]
  error: { code: string; line: number | null; byte: number | null; detail: string } | undefined
}

/** Whole, or cut at the given places; buffers are wiped after use, to show that no reader holds on to one. */
export async function* pieces(bytes: Buffer, cuts: number[] = [], isWiped = true): AsyncGenerator<Buffer> {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((left, right) => left - right), bytes.length]
  for (const [index, end] of places.entries()) {
    if (index === 0) continue
    const piece = Buffer.from(bytes.subarray(places[index - 1], end))
    yield piece
    if (isWiped) piece.fill(0x2a)
  }
}

export async function read(input: string | Buffer, options: ReadOptions, cuts?: number[]): Promise<Reading> {
  const rows: ShownRow[] = []
  try {
    for await (const row of readRows(pieces(Buffer.from(input), cuts, options.isGzip !== true), options))
      rows.push({ ...row, columns: row.columns && toCellsByName(row.columns) })
  } catch (error) {
    if (!(error instanceof UploadError)) throw error
    return { rows, error: { code: error.code, line: error.line, byte: error.byte, detail: error.detail } }
  }
  return { rows, error: undefined }
}

export const readCase = (name: string): Promise<Buffer> => readFile(new URL(`cases/${name}`, import.meta.url))

/** What a table of expectations needs of each row: its number, its line, its codes. */
export const outline = ({ rows }: Reading): string[] =>
  rows.map(
    ({ number, line, problems }) =>
      `${number}@${line ?? '-'} ${problems.map(({ pointer, code }) => `${pointer} ${code}`.trim()).join(', ') || 'ok'}`,
  )
