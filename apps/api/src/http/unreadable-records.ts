import type { UnreadableRecord } from '@muster/contracts/unreadable-record'
import { UnreadableError } from '@muster/store/crypto/unreadable'

const MAX_SHOWN = 100

export const toUnreadable = (id: string, { message }: UnreadableError): UnreadableRecord => ({ id, reason: message })

/** Of `operation:<id>:record` and the like. */
export const idOf = ({ record }: UnreadableError): string => record.split(':')[1] ?? ''

/** A list names what it cannot show, instead of failing. */
export function withUnreadable<T extends object>(
  page: T,
  unreadable: readonly UnreadableRecord[],
): T & { unreadable?: UnreadableRecord[] } {
  return unreadable.length === 0 ? page : { ...page, unreadable: unreadable.slice(0, MAX_SHOWN) }
}

/** What `show` makes of the records, and those that it cannot read. */
export async function showEach<T extends { id: string }, R>(
  records: readonly T[],
  show: (record: T) => Promise<R>,
): Promise<{ shown: R[]; unreadable: UnreadableRecord[] }> {
  const unreadable: UnreadableRecord[] = []
  const shown = await Promise.all(
    records.map(async (record) => {
      try {
        return [await show(record)]
      } catch (error) {
        if (!(error instanceof UnreadableError)) throw error
        unreadable.push(toUnreadable(record.id, error))
        return []
      }
    }),
  )
  return { shown: shown.flat(), unreadable }
}
