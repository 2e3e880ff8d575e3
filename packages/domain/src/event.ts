import type { ProviderId } from '@muster/contracts/provider-ids'
import {
  optInEventTypes,
  type AccountEventData,
  type BatchEventData,
  type EndpointEventData,
  type OperationEventData,
  type WebhookEventType,
} from '@muster/contracts/webhook-event'
import type { WebhookEndpointRecord } from './webhook-endpoint/record.ts'

/** Whose outbox an event waits in. What happens to an operation is in its account's. */
export interface EventSourceRef {
  kind: 'account' | 'batch' | 'endpoint'
  id: string
}

const sourcePrefixes = { account: '', batch: 'batch-', endpoint: 'webhook-' } as const

/** As it stands in keys and messages. */
export const eventSourceText = ({ kind, id }: EventSourceRef): string => sourcePrefixes[kind] + id

export function parseEventSource(text: string): EventSourceRef {
  for (const kind of ['batch', 'endpoint'] as const)
    if (text.startsWith(sourcePrefixes[kind])) return { kind, id: text.slice(sourcePrefixes[kind].length) }
  return { kind: 'account', id: text }
}

type TypeOf<Noun extends string> = Extract<WebhookEventType, `${Noun}.${string}`>

/** The part of an operation that its event stores; the rest is read when the event is sent. */
export type OperationFacts = Pick<
  OperationEventData,
  'operation_id' | 'status' | 'integrated_account_id' | 'provider' | 'batch_id' | 'outcome'
> & { error: Pick<NonNullable<OperationEventData['error']>, 'code' | 'retryable'> | null }

/** What the event is about. An account or provider of null passes every endpoint's filter. */
type EventSubject =
  | {
      type: TypeOf<'operation'>
      accountId: string
      provider: ProviderId
      operationId: string
      batchId?: never
      data: OperationFacts
    }
  | {
      type: TypeOf<'integrated_account'>
      accountId: string
      provider: ProviderId
      operationId: null
      batchId?: never
      data: AccountEventData
    }
  | {
      type: TypeOf<'batch'>
      accountId: null
      provider: null
      operationId: null
      batchId: string
      data: Omit<BatchEventData, 'reference'>
    }
  | {
      type: TypeOf<'webhook_endpoint'>
      accountId: null
      provider: null
      operationId: null
      batchId?: never
      data: EndpointEventData
    }

/**
 * What happened, written in the same step as the change itself. It holds no personal data: that is read from the
 * operation when the event is sent, so an erased operation names no one.
 */
export type EventRecord = EventSubject & {
  id: string
  /** Unix milliseconds. */
  at: number
  tenantId: string
  /** The version of the record that it is about. */
  sequence: number
  /** Also sent to the address that came with the request, which is sealed in the operation or batch. */
  hasCallback: boolean
  /** Sent to this endpoint alone: a test. */
  onlyEndpointId?: string
}

type WithoutId<Event> = Event extends EventRecord ? Omit<Event, 'id'> : never
/** An event that has no id yet: the store gives it one, made of its time. */
export type EventDraft = WithoutId<EventRecord>

/**
 * Whether an endpoint wants an event. A disabled one does too: its deliveries wait, as operations wait for an account
 * on hold. @param mode of the account or batch that the event is about
 */
export function wantsEvent(
  endpoint: WebhookEndpointRecord,
  event: EventRecord,
  source: EventSourceRef,
  mode?: 'test',
): boolean {
  if (event.onlyEndpointId !== undefined) return endpoint.id === event.onlyEndpointId
  if (endpoint.mode === 'test' && mode !== 'test') return false
  if (endpoint.kind !== 'registered') return false
  // An endpoint receives no events about itself.
  if (source.kind === 'endpoint' && source.id === endpoint.id) return false
  return (
    (endpoint.events === null ? !optInEventTypes.includes(event.type) : endpoint.events.includes(event.type)) &&
    passes(endpoint.accountIds, event.accountId) &&
    passes(endpoint.providers, event.provider)
  )
}

const passes = <T>(filter: readonly T[] | null, value: T | null): boolean =>
  filter === null || value === null || filter.includes(value)
