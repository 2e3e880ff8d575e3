import type { UnreadableRecord } from '@muster/contracts/unreadable-record'
import type { OnUnreadable } from '@muster/store/crypto/unreadable'
import { fitPage } from './page.ts'
import { idOf, toUnreadable, withUnreadable } from './unreadable-records.ts'

/** Rare matches must not make one request read everything: a page stops after so many, and says where to continue. */
const SCANNED_AT_MOST = 2_000
const SCANNED_AT_ONCE = 500

export interface Scan<Found, Shown> {
  limit: number
  cursor: string | undefined
  /** Every listed record matches, so that no more are read than are shown. */
  isExact?: boolean
  /** Newest first. */
  listIds(before: string | null, count: number): Promise<string[]>
  /** Those of the records that match, in the same order. */
  readMatches(ids: string[], onUnreadable: OnUnreadable): Promise<Found[]>
  show(found: Found): Shown
}

export interface ScannedPage<Shown> {
  result: Shown[]
  next_cursor: string | null
  unreadable?: UnreadableRecord[]
}

/** A page of a list that is filtered record by record. */
export async function scanPage<Found, Shown extends { id: string }>(
  scan: Scan<Found, Shown>,
): Promise<ScannedPage<Shown>> {
  const { limit, cursor = null, isExact = false } = scan
  // One more than asked for shows whether there is a next page.
  const count = isExact ? limit + 1 : SCANNED_AT_ONCE
  const found: Found[] = []
  const unreadable: UnreadableRecord[] = []
  let before: string | null = cursor
  for (let scanned = 0; scanned < SCANNED_AT_MOST && found.length <= limit; scanned += count) {
    const ids = await scan.listIds(before, count)
    found.push(...(await scan.readMatches(ids, (error) => unreadable.push(toUnreadable(idOf(error), error)))))
    before = ids.length < count ? null : (ids.at(-1) ?? null)
    if (before === null) break
  }
  const shown = found.slice(0, limit).map((one) => scan.show(one))
  const next = found.length > limit ? (shown.at(-1)?.id ?? null) : before
  const page = fitPage(shown, next, ({ id }) => id)
  // Unreadable records cannot be filtered, so that each page has those of its own range.
  const isOnPage = ({ id }: UnreadableRecord): boolean => page.next_cursor === null || id >= page.next_cursor
  return withUnreadable(page, unreadable.filter(isOnPage))
}
