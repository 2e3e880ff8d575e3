import type { Redis } from './connect.ts'

const PAGE = 1_000

/** Ids of an index that is sorted by id, page by page. @param upTo where it ends, as ZRANGEBYLEX takes it. */
export async function* idPagesOf(redis: Redis, index: string, upTo = '+'): AsyncGenerator<string[]> {
  for (let from = '-'; ;) {
    const page = await redis.zrangebylex(index, from, upTo, 'LIMIT', 0, PAGE)
    if (page.length > 0) yield page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    from = `(${last}`
  }
}

/** Those ids of a page of which no key is there any more. */
export async function findGone(
  redis: Redis,
  ids: readonly string[],
  keysOf: (id: string, position: number) => string[],
): Promise<string[]> {
  const pipeline = redis.pipeline()
  ids.forEach((id, position) => pipeline.exists(...keysOf(id, position)))
  const present = (await pipeline.exec()) ?? []
  return ids.filter((_, position) => present[position]?.[1] === 0)
}

/** Ids of any sorted set, in no order, while it may change: each one that stays is given at least once. */
export async function* scannedIdsOf(redis: Redis, index: string): AsyncGenerator<string[]> {
  let cursor = '0'
  do {
    const [next, entries] = await redis.zscan(index, cursor, 'COUNT', PAGE / 2)
    cursor = next
    // Each id has its score behind it.
    yield entries.filter((_, position) => position % 2 === 0)
  } while (cursor !== '0')
}
