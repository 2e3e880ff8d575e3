import { wantsEvent, type EventRecord, type EventSourceRef } from '@muster/domain/event'
import { endpointLane, type LaneId } from '@muster/domain/lane-id'
import type { Deliveries } from './deliveries.ts'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'
import { UnreadableError } from '../crypto/unreadable.ts'
import type { WebhookEndpointRecord } from '@muster/domain/webhook-endpoint/record'
import type { WebhookEndpoints } from './webhook-endpoints.ts'

/** Lanes are woken page by page: the first event of a long outbox must not wait for the last. */
const PAGE = 25

export interface DispatchDependencies {
  redis: Redis
  endpoints: WebhookEndpoints
  deliveries: Deliveries
  /** Where the end of an operation, or of a batch, is to be told besides. */
  readCallback(event: EventRecord): Promise<string | undefined>
  /** The mode of what it is about. */
  readMode(event: EventRecord): Promise<'test' | undefined>
  /** A lane was given something. */
  wake(laneId: LaneId): Promise<void>
  now(): number
}

/**
 * Events → deliveries. An entry leaves the outbox once every endpoint has its delivery; a crash between repeats, and
 * repeating changes nothing, so any number of processes may do it at once.
 * @throws UnreadableError at the end, when a callback address does not open: its event stays, and holds up no other
 */
export async function dispatchEvents(
  { redis, endpoints, deliveries, readCallback, readMode, wake, now }: DispatchDependencies,
  source: EventSourceRef,
): Promise<void> {
  let unreadable: UnreadableError | undefined
  for (let kept = 0; ;) {
    const entries = await redis.zrange(keys.eventOutbox(source), String(kept), String(kept + PAGE - 1))
    if (entries.length === 0) break
    const done: string[] = []
    const lanes = new Set<LaneId>()
    const byTenant = new Map<string, WebhookEndpointRecord[]>()
    for (const entry of entries) {
      const event = JSON.parse(entry) as EventRecord
      let own = byTenant.get(event.tenantId)
      if (!own) byTenant.set(event.tenantId, (own = await endpoints.listRegistered(event.tenantId)))
      // Asked for where it matters only: most tenants have neither.
      const isModal = event.hasCallback || own.some(({ mode }) => mode === 'test')
      const mode = isModal ? await readMode(event) : undefined
      const wanting = own.filter((endpoint) => wantsEvent(endpoint, event, source, mode))
      await Promise.all(wanting.map((endpoint) => deliveries.create(endpoint, event, undefined, now())))
      for (const { id } of wanting) lanes.add(endpointLane(id))
      const callbackUrl = event.hasCallback ? await readCallback(event).catch(keepUnreadable) : undefined
      if (callbackUrl instanceof UnreadableError) {
        unreadable = callbackUrl
        kept += 1
        continue
      }
      if (callbackUrl !== undefined) {
        // The janitor may just have taken away the lane of a host that nobody had named for long.
        for (let isWritten = false; !isWritten;) {
          const endpoint = await endpoints.ensureCallbackEndpoint(event.tenantId, callbackUrl, now(), mode)
          isWritten = (await deliveries.create(endpoint, event, callbackUrl, now())) !== undefined
          lanes.add(endpointLane(endpoint.id))
        }
      }
      done.push(entry)
    }
    // Before the entries go: whoever dies in between repeats both.
    await Promise.all([...lanes].map(wake))
    if (done.length > 0) await redis.zrem(keys.eventOutbox(source), ...done)
  }
  if (unreadable) throw unreadable
}

function keepUnreadable(error: unknown): UnreadableError {
  if (error instanceof UnreadableError) return error
  throw error
}
