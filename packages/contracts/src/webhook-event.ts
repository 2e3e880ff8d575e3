import { z } from 'zod'
import { accountStatusSchema } from './integrated-account.ts'
import { operationErrorCodeSchema } from './error-codes.ts'
import { operationStatusSchema } from './operation.ts'
import { providerIdSchema } from './provider-ids.ts'

/** `noun.past`. Those of `optInEventTypes` are sent only to endpoints that name them. */
export const webhookEventTypes = [
  'operation.succeeded',
  'operation.failed',
  'operation.canceled',
  'operation.expired',
  'operation.held',
  'batch.completed',
  'batch.progress',
  'integrated_account.needs_reauth',
  'integrated_account.resumed',
  'webhook_endpoint.disabled',
  'webhook_endpoint.test',
] as const
export type WebhookEventType = (typeof webhookEventTypes)[number]
export const optInEventTypes: readonly WebhookEventType[] = ['batch.progress']
export const webhookEventTypeSchema = z.enum(webhookEventTypes).meta({ id: 'WebhookEventType' })

/** Grows when a field changes its meaning or goes; new fields may come at any time. */
export const WEBHOOK_EVENT_VERSION = 1

const operationData = z
  .object({
    operation_id: z.uuid(),
    status: operationStatusSchema,
    integrated_account_id: z.uuid(),
    provider: providerIdSchema,
    batch_id: z.uuid().nullable(),
    reference: z
      .string()
      .nullable()
      .meta({ description: "The client's own id, as given with the create; null once the operation is erased." }),
    remote_id: z.string().nullable().meta({ description: "The user's id at the provider." }),
    outcome: z.enum(['created', 'adopted']).nullable(),
    error: z
      .object({
        code: operationErrorCodeSchema,
        retryable: z.boolean(),
        message: z.string().optional().meta({ description: 'With payload=full.' }),
        hint: z.string().optional(),
        pointer: z.string().nullable().optional(),
      })
      .nullable(),
    result: z
      .unknown()
      .optional()
      .meta({ description: 'With payload=full: the user, in the response format of the create call.' }),
    links: z.object({ self: z.string() }),
  })
  .meta({ id: 'OperationEventData' })

export const batchCountsSchema = z
  .object({
    total: z.int().meta({ description: 'Rows read so far, the rejected among them.' }),
    rejected: z.int(),
    queued: z.int(),
    running: z.int(),
    retrying: z.int(),
    succeeded: z.int(),
    failed: z.int(),
    canceled: z.int(),
    expired: z.int(),
  })
  .meta({ id: 'BatchCounts' })
export type BatchCounts = z.infer<typeof batchCountsSchema>

const batchData = z
  .object({
    batch_id: z.uuid(),
    status: z.string(),
    status_reason: z.string().nullable(),
    reference: z.string().nullable(),
    counts: batchCountsSchema,
    links: z.object({ self: z.string(), results: z.string() }),
  })
  .meta({ id: 'BatchEventData' })

const accountData = z
  .object({
    integrated_account_id: z.uuid(),
    provider: providerIdSchema,
    status: accountStatusSchema,
    status_reason: z.string().nullable(),
    links: z.object({ self: z.string() }),
  })
  .meta({ id: 'IntegratedAccountEventData' })

const endpointData = z
  .object({ webhook_endpoint_id: z.uuid(), reason: z.string().nullable(), links: z.object({ self: z.string() }) })
  .meta({ id: 'WebhookEndpointEventData' })

const dataByType = {
  'operation.succeeded': operationData,
  'operation.failed': operationData,
  'operation.canceled': operationData,
  'operation.expired': operationData,
  'operation.held': operationData,
  'batch.completed': batchData,
  'batch.progress': batchData,
  'integrated_account.needs_reauth': accountData,
  'integrated_account.resumed': accountData,
  'webhook_endpoint.disabled': endpointData,
  'webhook_endpoint.test': endpointData,
} as const satisfies Record<WebhookEventType, z.ZodObject>

export const webhookEventSummaries: Record<WebhookEventType, string> = {
  'operation.succeeded': 'The user exists at the provider.',
  'operation.failed': 'It ended without a user; error says why.',
  'operation.canceled': 'It was canceled before anything was sent.',
  'operation.expired': 'Its expires_at passed before the user was created.',
  'operation.held':
    'It waits, since the provider rejected the credentials or their rights; the event of the account reports it once for all that wait.',
  'batch.completed': 'Every row of the batch has ended.',
  'batch.progress': 'Counts of a running batch, every few seconds at most. Sent only to endpoints that name it.',
  'integrated_account.needs_reauth':
    'The provider rejects the credentials of the account, or does not let them create users: its operations wait. status says which.',
  'integrated_account.resumed': 'The account is active again, and what waited continues.',
  'webhook_endpoint.disabled':
    'An endpoint of the tenant receives no more events; reason says why. Sent to its other endpoints.',
  'webhook_endpoint.test': 'Requested by POST /webhook-endpoints/{id}/test.',
}

const eventSchemaOf = (type: WebhookEventType): z.ZodObject =>
  z
    .object({
      id: z.uuid().meta({ description: 'As in the header webhook-id; the same on every repeat.' }),
      type: z.literal(type),
      version: z.literal(WEBHOOK_EVENT_VERSION),
      timestamp: z.iso
        .datetime()
        .meta({ description: 'When it happened; the header webhook-timestamp is when this attempt was made.' }),
      sequence: z.int().meta({
        description:
          'Grows with every change of the operation, batch, account or endpoint it is about: a lower one than seen before is stale.',
      }),
      data: dataByType[type],
    })
    .meta({ id: `WebhookEvent_${type.replace('.', '_')}`, description: webhookEventSummaries[type] })

/** The body of every webhook, by its type: `type`, `timestamp` and `data` of Standard Webhooks, and members of ours. */
export const webhookEventSchemas = Object.fromEntries(
  webhookEventTypes.map((type) => [type, eventSchemaOf(type)]),
) as Record<WebhookEventType, z.ZodObject>

export type OperationEventData = z.infer<typeof operationData>
export type BatchEventData = z.infer<typeof batchData>
export type AccountEventData = z.infer<typeof accountData>
export type EndpointEventData = z.infer<typeof endpointData>
export interface WebhookEvent {
  id: string
  type: WebhookEventType
  version: typeof WEBHOOK_EVENT_VERSION
  timestamp: string
  sequence: number
  data: OperationEventData | BatchEventData | AccountEventData | EndpointEventData
}
