import type { ColumnMapping } from '@muster/contracts/batch'
import { defaultLimits, PAGE_BYTES, refuseLarge, type Limits } from '@muster/contracts/bounds'
import { addWithin, pageOf, type PageOptions } from '../redis/bounded-index.ts'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'

export type ColumnMappings = ReturnType<typeof createColumnMappings>

/** What the columns of a client's CSV files are, by name. */
export function createColumnMappings({ redis, limits = defaultLimits }: { redis: Redis; limits?: Limits }) {
  /** As many of these as one page may hold, at least one. Measured before they are read. */
  async function fitting(key: string, names: readonly string[]): Promise<string[]> {
    const pipeline = redis.pipeline()
    for (const name of names) pipeline.hstrlen(key, name)
    const lengths = ((await pipeline.exec()) ?? []).map(([, length]) => Number(length))
    let bytes = 0
    return names.filter((_, index) => (bytes += lengths[index] ?? 0) <= PAGE_BYTES || index === 0)
  }

  return {
    /** @throws BoundReachedError, TooLargeError */
    async save(tenantId: string, { name, columns }: ColumnMapping, mode?: 'test'): Promise<void> {
      const text = JSON.stringify(columns)
      refuseLarge('columnMappings', Buffer.byteLength(text))
      await addWithin(redis, limits, {
        bound: 'columnMappings',
        kind: 'hash',
        key: keys.columnMappings(tenantId, mode),
        id: name,
        value: text,
      })
    },
    async read(tenantId: string, name: string, mode?: 'test'): Promise<Record<string, string> | undefined> {
      const columns = await redis.hget(keys.columnMappings(tenantId, mode), name)
      return columns ? (JSON.parse(columns) as Record<string, string>) : undefined
    },
    /** A page, by name. */
    async list(
      tenantId: string,
      page: PageOptions,
      mode?: 'test',
    ): Promise<{ mappings: ColumnMapping[]; next: string | null }> {
      const key = keys.columnMappings(tenantId, mode)
      const { ids, next } = pageOf(await redis.hkeys(key), page)
      const names = await fitting(key, ids)
      const saved = names.length === 0 ? [] : await redis.hmget(key, ...names)
      const mappings = names.flatMap((name, index) => {
        const columns = saved[index]
        return columns ? [{ name, columns: JSON.parse(columns) as Record<string, string> }] : []
      })
      return { mappings, next: names.length < ids.length ? (names.at(-1) ?? null) : next }
    },
    remove: async (tenantId: string, name: string, mode?: 'test'): Promise<boolean> =>
      (await redis.hdel(keys.columnMappings(tenantId, mode), name)) === 1,
  }
}
