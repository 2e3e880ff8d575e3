import type { LaneId } from '@muster/domain/lane-id'
import type { WaitingLane } from './lane-turns.ts'

/** Lanes that are due while this process has no room for them: since when, and of which tenant. */
export function createWaitingLanes(source: { tenantOf(laneId: LaneId): Promise<string | undefined> }) {
  let since = new Map<LaneId, number>()
  /** The tenant of a lane never changes. Filled only under the cap, for lanes of this process and those that wait. */
  const tenants = new Map<LaneId, string>()
  const MOST_TENANTS = 10_000

  async function tenantOf(laneId: LaneId): Promise<string> {
    const known = tenants.get(laneId)
    if (known !== undefined) return known
    const tenantId = (await source.tenantOf(laneId)) ?? laneId
    if (tenants.size >= MOST_TENANTS) tenants.clear()
    tenants.set(laneId, tenantId)
    return tenantId
  }

  return {
    get size(): number {
      return since.size
    },
    /** One more. */
    add(laneId: LaneId): void {
      if (!since.has(laneId)) since.set(laneId, performance.now())
    },
    /** All that wait now. */
    note(laneIds: readonly LaneId[]): void {
      since = new Map(laneIds.map((laneId) => [laneId, since.get(laneId) ?? performance.now()]))
    },
    view: (): Promise<WaitingLane[]> =>
      Promise.all(
        [...since].map(async ([laneId, at]) => ({
          laneId,
          tenantId: await tenantOf(laneId),
          waitedMs: performance.now() - at,
        })),
      ),
    tenantOf,
  }
}
export type WaitingLanes = ReturnType<typeof createWaitingLanes>
