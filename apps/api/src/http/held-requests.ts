import { BoundReachedError, bounds, type HeldBound, type Limits } from '@muster/contracts/bounds'
import type { ApiKeyRecord, Tenants } from '@muster/store/tenants/tenants'

/** How soon a revoked key is noticed. */
const LOOK_EVERY_MS = 1_000

export type Access = Pick<ApiKeyRecord, 'id' | 'tenantId'>

interface Held {
  bound: HeldBound
  access: Access
  end(): void
}

export type HeldRequests = ReturnType<typeof createHeldRequests>

/**
 * Requests that last: waits, streams, downloads, uploads. They occupy this process, so that they are counted; and since
 * their key is not checked again, they end when it is revoked.
 */
export function createHeldRequests({
  tenants,
  limits,
  everyMs = LOOK_EVERY_MS,
}: {
  tenants: Pick<Tenants, 'areValid'>
  limits: Limits
  everyMs?: number
}) {
  const held = new Set<Held>()
  const stop = every(everyMs, () => endRevoked(tenants, held))
  const countOf = (bound: HeldBound, tenantId?: string): number =>
    [...held].filter((one) => one.bound === bound && (tenantId === undefined || one.access.tenantId === tenantId))
      .length
  return {
    /**
     * @param end is called when the key is revoked
     * @returns to be called when the request has ended
     * @throws BoundReachedError
     */
    enter(bound: HeldBound, access: Access, end: () => void): () => void {
      if (countOf(bound, access.tenantId) >= limits[bound]) throw new BoundReachedError(bound, limits[bound])
      const { perProcess } = bounds[bound]
      if (countOf(bound) >= perProcess) throw new BoundReachedError(bound, perProcess, 'process')
      const one = { bound, access, end }
      held.add(one)
      return () => void held.delete(one)
    },
    stop,
  }
}

async function endRevoked(tenants: Pick<Tenants, 'areValid'>, held: ReadonlySet<Held>): Promise<void> {
  if (held.size === 0) return
  const all = [...held]
  const accesses = [...new Map(all.map(({ access }) => [access.id, access])).values()]
  const valid = await tenants.areValid(accesses)
  const revoked = new Set(accesses.flatMap(({ id }, index) => (valid[index] === false ? [id] : [])))
  for (const one of all) if (revoked.has(one.access.id)) one.end()
}

/** Runs `work` again and again, never twice at the same time. @returns stops it */
function every(milliseconds: number, work: () => Promise<void>): () => void {
  let isRunning = false
  const timer = setInterval(() => {
    if (isRunning) return
    isRunning = true
    work()
      // While Redis is away, no key can be revoked either.
      .catch(() => undefined)
      .finally(() => {
        isRunning = false
      })
  }, milliseconds)
  timer.unref()
  return () => clearInterval(timer)
}
