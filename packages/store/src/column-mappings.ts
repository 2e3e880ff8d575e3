import type { ColumnMapping } from '@muster/contracts/batch'
import { keys } from './keys.ts'
import type { Redis } from './redis.ts'

export type ColumnMappings = ReturnType<typeof createColumnMappings>

/** What the columns of a client's CSV files are, by name. */
export function createColumnMappings({ redis }: { redis: Redis }) {
  return {
    async save(tenantId: string, { name, columns }: ColumnMapping): Promise<void> {
      await redis.hset(keys.columnMappings(tenantId), name, JSON.stringify(columns))
    },
    async read(tenantId: string, name: string): Promise<Record<string, string> | undefined> {
      const columns = await redis.hget(keys.columnMappings(tenantId), name)
      return columns ? (JSON.parse(columns) as Record<string, string>) : undefined
    },
    async list(tenantId: string): Promise<ColumnMapping[]> {
      const saved = await redis.hgetall(keys.columnMappings(tenantId))
      return Object.entries(saved)
        .map(([name, columns]) => ({ name, columns: JSON.parse(columns) as Record<string, string> }))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
    },
    remove: async (tenantId: string, name: string): Promise<boolean> =>
      (await redis.hdel(keys.columnMappings(tenantId), name)) === 1,
  }
}
