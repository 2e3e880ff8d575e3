import { z } from 'zod'
import { modeSchema } from './api-key.ts'
import { unreadableRecordsSchema } from './unreadable-record.ts'
import { idSchema } from './id.ts'
import { providerIdSchema, providerIds } from './provider-ids.ts'
import { webhookEventTypes, webhookEventTypeSchema } from './webhook-event.ts'

const url = z.string().min(1).max(2_000).meta({
  description: 'https; its host must resolve to public addresses only.',
  example: 'https://hooks.example.com/muster',
})
const filters = {
  events: z
    .array(webhookEventTypeSchema)
    .min(1)
    .max(webhookEventTypes.length)
    .nullable()
    .optional()
    .meta({ description: 'Only these; null: all but batch.progress.' }),
  integrated_account_ids: z
    .array(idSchema)
    .min(1)
    .max(100)
    .nullable()
    .optional()
    .meta({ description: 'Only events about one of these; null: all. Events about no account are always sent.' }),
  providers: z.array(providerIdSchema).min(1).max(providerIds.length).nullable().optional(),
}
const settings = {
  description: z.string().trim().min(1).max(200).nullable().optional(),
  ...filters,
  payload: z.enum(['thin', 'full']).optional().meta({
    description: 'thin (default): ids, states and codes. full: the created user and the whole error as well.',
  }),
  rate: z
    .strictObject({ requests: z.int().min(1).max(1_000), per_seconds: z.int().min(1).max(60) })
    .nullable()
    .optional()
    .meta({ description: 'At most so many deliveries; null: 100 a second.' }),
  concurrency: z.int().min(1).max(50).nullable().optional().meta({ description: 'Concurrent deliveries; null: 10.' }),
}

export const webhookEndpointInputSchema = z
  .strictObject({
    url,
    ...settings,
    asymmetric: z.boolean().optional().meta({
      description:
        'Signs with an ed25519 key (v1a) besides the secret (v1), for receivers that should not be able to sign.',
    }),
  })
  .meta({ id: 'WebhookEndpointInput' })

export const webhookEndpointPatchSchema = z
  .strictObject({
    url: url.optional(),
    ...settings,
    status: z
      .enum(['active', 'disabled'])
      .optional()
      .meta({ description: 'active sends what has waited since it was disabled.' }),
  })
  .meta({ id: 'WebhookEndpointPatch' })

export const webhookEndpointSchema = z
  .object({
    id: z.uuid(),
    kind: z
      .enum(['registered', 'callback'])
      .meta({ description: 'callback: created automatically for the host of a callback_url.' }),
    url: z.string(),
    mode: modeSchema.meta({
      description: 'test: made with a test key, and receives events of accounts of mode test only.',
    }),
    description: z.string().nullable(),
    events: z.array(webhookEventTypeSchema).nullable(),
    integrated_account_ids: z.array(z.uuid()).nullable(),
    providers: z.array(providerIdSchema).nullable(),
    payload: z.enum(['thin', 'full']),
    rate: z.object({ requests: z.int(), per_seconds: z.int() }).nullable(),
    concurrency: z.int().nullable(),
    status: z.enum(['active', 'disabled']),
    status_reason: z.string().nullable(),
    status_since: z.iso.datetime(),
    failing_since: z.iso
      .datetime()
      .nullable()
      .meta({ description: 'Of the first failure since the last success; after five days it is disabled.' }),
    public_key: z.string().nullable().meta({ description: 'whpk_…, for signatures of kind v1a.' }),
    secrets: z.array(z.object({ created_at: z.iso.datetime(), expires_at: z.iso.datetime().nullable() })).meta({
      description: 'The secrets that sign now, newest first, without the secrets themselves.',
    }),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'WebhookEndpoint' })
export type WebhookEndpointResource = z.infer<typeof webhookEndpointSchema>

export const createdWebhookEndpointSchema = webhookEndpointSchema
  .extend({ secret: z.string().meta({ description: 'whsec_…, shown only once.' }) })
  .meta({ id: 'CreatedWebhookEndpoint' })

export const rotateSecretInputSchema = z
  .strictObject({
    overlap_hours: z
      .number()
      .min(0)
      .max(24 * 7)
      .optional()
      .meta({ description: 'How long messages are signed with the old secret too; 24 without it.' }),
  })
  .meta({ id: 'RotateSecretInput' })

export const rotatedSecretSchema = z
  .object({
    secret: z.string().meta({ description: 'whsec_…, shown only once.' }),
    previous_expires_at: z.iso
      .datetime()
      .nullable()
      .meta({ description: 'null: there was none before, or it has ended.' }),
  })
  .meta({ id: 'RotatedSecret' })

export const deliveryStatuses = ['pending', 'delivered', 'failed'] as const

export const deliverySchema = z
  .object({
    id: z.uuid(),
    webhook_endpoint_id: z.uuid(),
    event_id: z.uuid().meta({ description: 'The header webhook-id.' }),
    event_type: webhookEventTypeSchema,
    operation_id: z.uuid().nullable(),
    status: z.enum(deliveryStatuses).meta({
      description:
        'pending: not delivered yet. failed: all attempts used up, the receiver is gone, or see reason; can be replayed.',
    }),
    created_at: z.iso.datetime(),
    finished_at: z.iso.datetime().nullable(),
    next_attempt_at: z.iso.datetime().nullable(),
    reason: z.string().nullable().meta({
      description: 'too_many_pending: failed without an attempt, since its endpoint had all pending deliveries it may.',
    }),
    attempt_count: z.int(),
    attempts: z.array(
      z.object({
        number: z.int(),
        started_at: z.iso.datetime(),
        duration_ms: z.int(),
        status: z.int().nullable().meta({ description: 'null when no answer came.' }),
        reason: z.string().nullable().meta({
          description:
            'Why it counts as failed: status_500, redirect, timeout, connection_failed, address_refused, tls …',
        }),
        reply: z.string().nullable().meta({ description: 'The first KiB of the answer.' }),
      }),
    ),
    links: z.object({ self: z.string(), replay: z.string() }),
  })
  .meta({ id: 'Delivery' })
export type DeliveryResource = z.infer<typeof deliverySchema>

export const deliveryPageSchema = z
  .object({
    result: z.array(deliverySchema),
    next_cursor: z.string().nullable(),
    unreadable: unreadableRecordsSchema,
  })
  .meta({ id: 'DeliveryPage' })

export const replayInputSchema = z
  .strictObject({
    since: z.iso
      .datetime({ offset: true })
      .meta({ description: 'Failed deliveries of events from then on are sent again.' }),
    until: z.iso.datetime({ offset: true }).optional(),
  })
  .meta({ id: 'ReplayInput' })
export const replayedSchema = z.object({ replayed: z.int() }).meta({ id: 'Replayed' })
