import { BoundReachedError } from '@muster/contracts/bounds'
import { wantsEvent, type EventRecord, type EventSourceRef } from '@muster/domain/event'
import { endpointLane, type LaneId } from '@muster/domain/lane-id'
import type { WebhookEndpointRecord } from '@muster/domain/webhook-endpoint/record'
import { UnreadableError } from '../crypto/unreadable.ts'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'
import type { Deliveries } from './deliveries.ts'
import type { WebhookEndpoints } from './webhook-endpoints.ts'

/** Lanes are woken page by page: the first event of a long outbox must not wait for the last. */
const PAGE = 25
/** More of a tenant that has all callback hosts it may are not looked at each time. */
const MOST_WITHOUT_HOST = 1_000

export interface DispatchDependencies {
  redis: Redis
  endpoints: WebhookEndpoints
  deliveries: Deliveries
  /** Where the end of an operation, or of a batch, is reported besides. */
  readCallback(event: EventRecord): Promise<string | undefined>
  /** The mode of what it is about. */
  readMode(event: EventRecord): Promise<'test' | undefined>
  /** A lane was given something. */
  wake(laneId: LaneId): Promise<void>
  now(): number
}

/**
 * Events → deliveries. An entry leaves the outbox once every endpoint has its delivery; a crash before that repeats,
 * and repeating changes nothing, so any number of processes may do it at once.
 * @throws UnreadableError, BoundReachedError at the end, when a callback address does not open, or the tenant has all
 *   callback hosts it may: its event stays, and holds up no other
 */
export async function dispatchEvents(dependencies: DispatchDependencies, source: EventSourceRef): Promise<void> {
  const { redis, endpoints, wake } = dependencies
  let waiting: WaitingError | undefined
  let withoutHost = 0
  for (let kept = 0; withoutHost < MOST_WITHOUT_HOST;) {
    const entries = await redis.zrange(keys.eventOutbox(source), String(kept), String(kept + PAGE - 1))
    if (entries.length === 0) break
    const done: string[] = []
    const lanes = new Set<LaneId>()
    const registered = readOnce(endpoints.listRegistered)
    for (const entry of entries) {
      const event = JSON.parse(entry) as EventRecord
      const given = await giveToEndpoints(dependencies, source, event, await registered(event.tenantId))
      for (const laneId of given.lanes) lanes.add(laneId)
      if (!given.waiting) done.push(entry)
      else {
        waiting = given.waiting
        kept += 1
        if (waiting instanceof BoundReachedError) withoutHost += 1
      }
    }
    // Before the entries go: a process that dies in between repeats both.
    await Promise.all([...lanes].map(wake))
    if (done.length > 0) await redis.zrem(keys.eventOutbox(source), ...done)
  }
  if (waiting) throw waiting
}

/** Why an event stays in the outbox for now. */
type WaitingError = UnreadableError | BoundReachedError

/** The endpoints of a tenant, read once for a page of events. */
function readOnce(read: WebhookEndpoints['listRegistered']): WebhookEndpoints['listRegistered'] {
  const byTenant = new Map<string, Promise<WebhookEndpointRecord[]>>()
  return (tenantId) => {
    const present = byTenant.get(tenantId) ?? read(tenantId)
    byTenant.set(tenantId, present)
    return present
  }
}

/** To those that want it, and to the callback address. */
async function giveToEndpoints(
  dependencies: DispatchDependencies,
  source: EventSourceRef,
  event: EventRecord,
  registered: readonly WebhookEndpointRecord[],
): Promise<{ lanes: LaneId[]; waiting?: WaitingError }> {
  const { deliveries, readCallback, readMode, now } = dependencies
  // Read only where it matters: most tenants have neither.
  const isModeNeeded = event.hasCallback || registered.some(({ mode }) => mode === 'test')
  const mode = isModeNeeded ? await readMode(event) : undefined
  const wanting = registered.filter((endpoint) => wantsEvent(endpoint, event, source, mode))
  await Promise.all(wanting.map((endpoint) => deliveries.create(endpoint, event, undefined, now())))
  const lanes = wanting.map(({ id }) => endpointLane(id))
  try {
    const callbackUrl = event.hasCallback ? await readCallback(event) : undefined
    if (callbackUrl !== undefined) lanes.push(await giveToCallback(dependencies, event, callbackUrl, mode))
    return { lanes }
  } catch (error) {
    if (error instanceof UnreadableError || error instanceof BoundReachedError) return { lanes, waiting: error }
    throw error
  }
}

/**
 * Again where the janitor has just removed the endpoint of a host that no request had named for long. It is made within
 * the same bound as by a request: the tenant may have taken other hosts meanwhile.
 * @throws BoundReachedError
 */
async function giveToCallback(
  { endpoints, deliveries, now }: DispatchDependencies,
  event: EventRecord,
  callbackUrl: string,
  mode: 'test' | undefined,
): Promise<LaneId> {
  for (;;) {
    const endpoint = await endpoints.ensureCallbackEndpoint(event.tenantId, callbackUrl, now(), mode)
    if ((await deliveries.create(endpoint, event, callbackUrl, now())) !== undefined) return endpointLane(endpoint.id)
  }
}
