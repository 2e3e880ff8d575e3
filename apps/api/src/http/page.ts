import { PAGE_BYTES } from '@muster/contracts/bounds'

export const toPageOptions = ({ cursor, limit }: { cursor?: string | undefined; limit: number }) => ({
  after: cursor ?? null,
  limit,
})

/**
 * A page bounded in bytes as well: at least one entry, and as many more as fit.
 * @param next where the next page begins; null when there is none
 */
export function fitPage<T>(
  result: T[],
  next: string | null,
  cursorOf: (entry: T) => string,
): { result: T[]; next_cursor: string | null } {
  let bytes = 0
  const fitting = result.filter(
    (entry, index) => (bytes += Buffer.byteLength(JSON.stringify(entry))) <= PAGE_BYTES || index === 0,
  )
  const last = fitting.at(-1)
  return { result: fitting, next_cursor: last && fitting.length < result.length ? cursorOf(last) : next }
}
