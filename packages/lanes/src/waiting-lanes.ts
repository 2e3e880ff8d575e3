import type { LaneId } from '@muster/domain/lane-id'
import type { WaitingLane } from './lane-turns.ts'

/** Lanes that are due and found no place in this process, since when, and whose they are. */
export function createWaitingLanes(source: { tenantOf(laneId: LaneId): Promise<string | undefined> }) {
  let since = new Map<LaneId, number>()
  /** Whose a lane is never changes. Filled only under the cap, for lanes of this process and those that wait for it. */
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
