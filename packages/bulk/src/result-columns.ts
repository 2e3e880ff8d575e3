import { batchResultFields } from '@muster/contracts/batch'

const fields: readonly string[] = batchResultFields
/** Fields of a create, or options, are called so as well. */
const ambiguous: ReadonlySet<string> = new Set(['status', 'reference', 'integrated_account_id'])

/** No client means anything else by it. */
export const isResultField = (header: string): boolean => fields.includes(header) && !ambiguous.has(header)

/**
 * How many columns of a file of results are the client's: those of the result follow, all or some of them, in their
 * order. The first column that the client's mapping names is its own, whatever it is called.
 */
export function countOwnColumns(headers: readonly string[], isMapped: (header: string) => boolean): number {
  const isOwn = headers.map(
    (header, index) => isResultField(header) && isMapped(header) && headers.indexOf(header) === index,
  )
  const start = headers.findIndex((header, index) => isResultField(header) && areResultFields(headers.slice(index)))
  return start < 0 ? headers.length : Math.max(start, isOwn.lastIndexOf(true) + 1)
}

const areResultFields = (headers: readonly string[]): boolean =>
  headers.every((header, index) => fields.includes(header) && (index === 0 || isAfter(header, headers[index - 1])))

const isAfter = (header: string, before: string | undefined): boolean =>
  before !== undefined && fields.indexOf(header) > fields.indexOf(before)
