import type { CsvLayout, EndMark, ResultRow } from '@muster/bulk/write-results'
import type { routes } from '@muster/contracts/routes'
import type { BatchRecord } from '@muster/domain/batch/record'
import type { ApiRequest } from '../http/endpoint.ts'
import { invalid } from '../http/request-error.ts'

type ResultsQuery = ApiRequest<typeof routes.readBatchResults>['query']

const delimiters = { comma: ',', semicolon: ';', tab: '\t', pipe: '|' } as const

export const toEndMark: EndMark = (rows, sha256) => ({ row: rows, status: 'end', reference: `sha256:${sha256}` })

export const toLayout = ({ delimiter = 'comma', bom = false }: ResultsQuery): CsvLayout => ({
  delimiter: delimiters[delimiter],
  hasByteOrderMark: bom,
})

/** A row without cells, since they could not be read or were erased, cannot be mended. */
export function toFilter({ status, shape }: ResultsQuery): (row: ResultRow) => boolean {
  const statuses: ReadonlySet<unknown> | undefined = status && new Set(status)
  return ({ columns, result }) =>
    (statuses === undefined || statuses.has(result.status)) && (shape !== 'upload' || columns !== undefined)
}

/** @throws RequestError where the file would not be what is asked for */
export function refuseLayout({ format, delimiter, bom, shape, end_mark }: ResultsQuery, batch: BatchRecord): void {
  const refuse = (name: string, detail: string): never => {
    throw invalid([{ pointer: `?${name}`, code: 'not_for_this_format', detail }])
  }
  if (format !== 'csv')
    for (const [name, value] of Object.entries({ delimiter, bom, shape }))
      if (value !== undefined) refuse(name, 'Only format=csv has it.')
  if (shape !== 'upload') return
  if (batch.format !== 'csv') refuse('shape', 'The batch was not uploaded as CSV, and has no columns of the client.')
  if (end_mark) refuse('end_mark', 'A file to be uploaded has no line of its own.')
}
