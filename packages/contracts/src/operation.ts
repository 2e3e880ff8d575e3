import { z } from 'zod'
import { operationErrorCodeSchema } from './error-codes.ts'
import { jsonObjectSchema } from './json.ts'
import { providerIdSchema } from './provider-ids.ts'
import { unreadableRecordsSchema } from './unreadable-record.ts'

/**
 * queued: accepted, waits for its turn. running: an attempt is under way. retrying: waits for `next_attempt_at`.
 * held: its integrated account is on hold. The other four are terminal.
 */
export const operationStatuses = [
  'queued',
  'running',
  'retrying',
  'held',
  'succeeded',
  'failed',
  'canceled',
  'expired',
] as const
export const operationStatusSchema = z.enum(operationStatuses).meta({ id: 'OperationStatus' })
export type OperationStatus = z.infer<typeof operationStatusSchema>

export const terminalStatuses = ['succeeded', 'failed', 'canceled', 'expired'] as const
export type TerminalStatus = (typeof terminalStatuses)[number]

export function isTerminal(status: OperationStatus): status is TerminalStatus {
  return (terminalStatuses as readonly string[]).includes(status)
}

export const warningSchema = z.object({ code: z.string(), pointer: z.string().nullable(), detail: z.string() }).meta({
  id: 'Warning',
  description: 'A part of the request that the provider does not accept, or a choice made for the caller.',
})
export type Warning = z.infer<typeof warningSchema>

/** One HTTP call to the provider. Its URL holds no secret; bodies are not kept. */
export const remoteCallSchema = z
  .object({
    purpose: z.string().meta({ description: 'token, look_up, find, create, read or check.' }),
    method: z.string(),
    url: z.string(),
    status: z.int().nullable().meta({ description: 'null when no answer came.' }),
    duration_ms: z.int(),
    provider_request_id: z.string().nullable(),
    error: z.string().nullable().meta({ description: 'The transport error where no answer came, such as ECONNRESET.' }),
  })
  .meta({ id: 'RemoteCall' })
export type RemoteCall = z.infer<typeof remoteCallSchema>

/**
 * succeeded, failed: final. retrying: safe to repeat, nothing was created. rate_limited: does not count as an attempt.
 * held: the account went on hold. unknown: the create may have reached the provider, so the next attempt begins with a
 * look-up. reconciling: a look-up found nothing yet, within the settling time. interrupted: the worker died.
 */
export const attemptOutcomes = [
  'succeeded',
  'failed',
  'retrying',
  'rate_limited',
  'held',
  'unknown',
  'reconciling',
  'interrupted',
] as const
export type AttemptOutcome = (typeof attemptOutcomes)[number]

const attemptSchema = z
  .object({
    number: z.int(),
    started_at: z.iso.datetime(),
    create_sent_at: z.iso
      .datetime()
      .nullable()
      .meta({ description: 'When the intent to create was recorded; null when the attempt ended before.' }),
    finished_at: z.iso.datetime().nullable(),
    outcome: z.enum(attemptOutcomes).nullable().meta({ description: 'null while it runs.' }),
    error_code: operationErrorCodeSchema.nullable(),
    calls: z.array(remoteCallSchema),
  })
  .meta({ id: 'Attempt' })
export type Attempt = z.infer<typeof attemptSchema>

export const operationErrorSchema = z
  .object({
    code: operationErrorCodeSchema,
    message: z.string(),
    origin: z.enum(['client', 'muster', 'provider']),
    retryable: z.boolean(),
    pointer: z.string().nullable().meta({ description: 'JSON pointer of the unified field it is about.' }),
    provider_status: z.int().nullable(),
    raw_response: z.unknown().meta({ description: "The provider's answer, with secrets masked." }),
    hint: z.string(),
  })
  .meta({ id: 'OperationError' })
export type OperationError = z.infer<typeof operationErrorSchema>

export const operationSchema = z
  .object({
    id: z.uuid(),
    type: z.literal('user.create'),
    status: operationStatusSchema,
    status_reason: z.string().nullable().meta({ description: 'Why it waits, while held or retrying.' }),
    integrated_account_id: z.uuid(),
    provider: providerIdSchema,
    batch_id: z.uuid().nullable(),
    reference: z.string().nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    started_at: z.iso.datetime().nullable(),
    finished_at: z.iso.datetime().nullable(),
    not_before: z.iso.datetime().nullable(),
    expires_at: z.iso.datetime(),
    next_attempt_at: z.iso.datetime().nullable(),
    attempt_count: z.int().meta({ description: 'All attempts ever made; `attempts` keeps the first and the latest.' }),
    attempts: z.array(attemptSchema),
    warnings: z.array(warningSchema),
    outcome: z.enum(['created', 'adopted']).nullable(),
    remote_id: z.string().nullable().meta({ description: "The user's id at the provider." }),
    result: z
      .unknown()
      .meta({ description: 'The user, in the requested response format; null until the operation succeeds.' }),
    error: operationErrorSchema.nullable(),
    erased_at: z.iso
      .datetime()
      .nullable()
      .meta({ description: "When the person's data was erased on request; a tombstone is left." }),
    links: z.object({ self: z.string(), cancel: z.string().optional(), retry: z.string().optional() }),
  })
  .meta({ id: 'Operation' })
export type OperationResource = z.infer<typeof operationSchema>

export const retryInputSchema = z
  .strictObject({
    password: z.string().min(1).max(1024).optional().meta({
      description: 'Needed again when the first request had one: it was erased when the operation ended.',
      writeOnly: true,
    }),
    remote_data: jsonObjectSchema
      .optional()
      .meta({ description: 'Merged over the first remote_data; secrets in it were erased and are needed again.' }),
    expires_at: z.iso.datetime({ offset: true }).optional(),
  })
  .meta({ id: 'RetryInput' })
export type RetryInput = z.infer<typeof retryInputSchema>

const operationSummarySchema = operationSchema
  .omit({ attempts: true, result: true, warnings: true })
  .meta({ id: 'OperationSummary', description: 'An operation without its attempts and result.' })

export const operationPageSchema = z
  .object({
    result: z.array(operationSummarySchema),
    next_cursor: z.string().nullable(),
    unreadable: unreadableRecordsSchema,
  })
  .meta({ id: 'OperationPage' })
