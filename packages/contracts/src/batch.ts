import { z } from 'zod'
import { defaultBounds } from './bounds.ts'
import { createUserQuerySchema } from './create-user-parameters.ts'
import { idSchema } from './id.ts'
import { accountStatusSchema } from './integrated-account.ts'
import { inputProblemSchema, rejectedRowSchema } from './problem.ts'
import { providerIdSchema } from './provider-ids.ts'
import { unifiedUserInputSchema } from './unified-user.ts'
import { unreadableRecordsSchema } from './unreadable-record.ts'
import { batchCountsSchema } from './webhook-event.ts'

const batchFormats = ['json', 'ndjson', 'csv'] as const
export type BatchFormat = (typeof batchFormats)[number]

/**
 * uploading: rows are coming in, or the upload broke off; what came in runs already. running: all rows are in.
 * paused: by hand. stopped: by its failure limit. canceling: what was not sent is being canceled. canceled, completed:
 *   final.
 */
const batchStatuses = ['uploading', 'running', 'paused', 'stopped', 'canceling', 'canceled', 'completed'] as const
export const batchStatusSchema = z.enum(batchStatuses).meta({ id: 'BatchStatus' })
export type BatchStatus = (typeof batchStatuses)[number]

const batchOutcomes = ['all_succeeded', 'some_failed', 'all_failed'] as const
export type BatchOutcome = (typeof batchOutcomes)[number]

const query = createUserQuerySchema.shape
const whole = (maximum: number) =>
  z
    .string()
    .regex(/^\d{1,7}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(maximum))
    .meta({ type: 'integer', minimum: 1, maximum })

/** Parameters of a create are defaults for every row; the others are about the batch. */
export const bulkQuerySchema = z.strictObject({
  integrated_account_id: query.integrated_account_id
    .optional()
    .meta({ description: 'For every row that names no account of its own.' }),
  truto_response_format: query.truto_response_format,
  truto_ignore_remote_data: query.truto_ignore_remote_data,
  truto_exclude_fields: query.truto_exclude_fields,
  remote_query: query.remote_query,
  organization_id: query.organization_id,
  workspace_id: query.workspace_id,
  on_conflict: query.on_conflict,
  not_before: query.not_before,
  expires_at: query.expires_at,
  dry_run: query.dry_run.meta({ description: 'Validates every row, sends and stores nothing.' }),
  reference: query.reference.meta({ description: "The client's own id for the batch." }),
  callback_url: query.callback_url.meta({
    description:
      'Where the end of the batch is reported, signed with the callback secret. Rows can have one of their own.',
  }),
  on_invalid: z.enum(['continue', 'reject_all']).optional().meta({
    description:
      'A bad row is rejected alone (continue, default), or the whole upload is refused before anything is queued.',
  }),
  max_failures: whole(1_000_000).optional().meta({ description: 'Stops the batch when so many rows have failed.' }),
  max_failure_rate: z
    .string()
    .regex(/^(0?\.\d{1,4}|1|1\.0+)$/, 'must be a number above 0 and up to 1')
    .transform(Number)
    .pipe(z.number().gt(0).max(1))
    .optional()
    .meta({
      type: 'number',
      description: 'Stops the batch when this share of the rows that have ended, 20 at least, has failed.',
    }),
  mapping: z.string().min(1).max(100).optional().meta({ description: 'CSV: the name of a saved column mapping.' }),
  columns: z
    .record(z.string().min(1).max(200), z.string().max(200))
    .optional()
    .meta({ type: 'object', description: 'CSV: columns[Header]=target; an empty target leaves the column out.' }),
  defaults: z.record(z.string().min(1).max(defaultBounds.textLength), z.json()).optional().meta({
    type: 'object',
    description:
      'What holds for every row that does not say otherwise: defaults[timezone]=Europe/Berlin, nested like the body, or made of fields of the row (docs/bulk-formats.md#values-for-all-rows).',
  }),
  delimiter: z.string().min(1).max(10).optional().meta({
    description: 'CSV: what separates cells: one sign, or comma, semicolon, tab, pipe. Recognized without it.',
  }),
  charset: z.string().min(1).max(40).optional().meta({
    description: 'A WHATWG label, such as windows-1250. Without it UTF-8, a byte order mark, or for CSV windows-1252.',
  }),
  trim: query.trim,
  date_format: z.string().min(1).max(40).optional().meta({
    description: 'CSV: how dates are written that could be two, such as D/M/YYYY.',
  }),
  time_zone: z.string().min(1).max(64).optional().meta({
    description: 'CSV: of times without an offset, an IANA name; UTC without it.',
  }),
})
export type BulkQuery = z.infer<typeof bulkQuerySchema>

/**
 * One row: a create request with its options beside it. In JSON and NDJSON the fields of `user` may stand beside the
 * options too.
 */
export const batchItemSchema = z
  .strictObject({
    integrated_account_id: idSchema.optional(),
    truto_response_format: query.truto_response_format,
    truto_ignore_remote_data: z.boolean().optional(),
    truto_exclude_fields: z.array(z.string().max(100)).max(100).optional(),
    remote_query: query.remote_query,
    organization_id: query.organization_id,
    workspace_id: query.workspace_id,
    on_conflict: query.on_conflict,
    not_before: query.not_before,
    expires_at: query.expires_at,
    callback_url: query.callback_url,
    reference: query.reference,
    user: unifiedUserInputSchema,
  })
  .meta({ id: 'BatchItem' })

const time = z.iso.datetime()

/** Accounts that are shown with a batch. */
export const ACCOUNTS_SHOWN = 20

const batchAccountSchema = z
  .object({
    integrated_account_id: z.uuid(),
    provider: providerIdSchema,
    status: accountStatusSchema.nullable().meta({ description: 'null: it was removed.' }),
    counts: batchCountsSchema.omit({ total: true, rejected: true }),
    waiting_ahead: z.int().meta({ description: 'Operations of the account that come before those of this batch.' }),
    limit_per_second: z
      .number()
      .nullable()
      .meta({ description: 'Creates a second that the limit of the account allows.' }),
    resting_until: time
      .nullable()
      .meta({ description: 'End of the cooldown of its lane: the provider asked for it, or seems to be down.' }),
    eta_seconds: z.number().nullable(),
  })
  .meta({ id: 'BatchAccount' })

export const batchAccountPageSchema = z
  .object({ result: z.array(batchAccountSchema), next_cursor: z.string().nullable() })
  .meta({ id: 'BatchAccountPage' })

const headerSources = ['mapping', 'name', 'synonym', 'read_only', 'result'] as const

const mappedColumnSchema = z
  .object({
    header: z.string(),
    target: z.string().nullable().meta({ description: 'As a mapping would name it; null: the column is left out.' }),
    source: z.enum(headerSources).meta({
      description:
        'mapping: the request, or the saved mapping, says so. name: that of a field. synonym: what other programs call it. read_only, result: left out, since Google or Muster wrote it.',
    }),
  })
  .meta({ id: 'MappedColumn' })
export type MappedColumn = z.infer<typeof mappedColumnSchema>

/** Kinds of problems that are listed; further ones are in their rows only. */
export const PROBLEM_GROUPS = 100
/** Rows that each names. */
export const GROUP_ROWS = 10

const problemGroupSchema = z
  .object({
    code: z.string(),
    column: z.string().nullable().meta({
      description: 'The header of the client; of JSON the path of the field; null where the whole row is meant.',
    }),
    count: z.int(),
    first_rows: z.array(z.int()),
    example: z.string().nullable().meta({ description: 'What stands there in the first of them, secrets masked.' }),
  })
  .meta({ id: 'ProblemGroup' })
export type ProblemGroup = z.infer<typeof problemGroupSchema>

/** What the answer to an upload says of the file as a whole. */
const uploadReport = {
  columns: z.array(mappedColumnSchema).meta({ description: 'Of CSV: what each header has become.' }),
  problems: z.array(problemGroupSchema).meta({
    description: `Of the rejected rows, by code and column, the most frequent first; no more than ${PROBLEM_GROUPS}.`,
  }),
}

export const batchSchema = z
  .object({
    id: z.uuid(),
    status: batchStatusSchema,
    status_reason: z.string().nullable(),
    outcome: z
      .enum(batchOutcomes)
      .nullable()
      .meta({ description: 'Of a completed batch; rejected rows have failed too. null: it is not completed.' }),
    reference: z.string().nullable(),
    format: z.enum(batchFormats),
    on_invalid: z.enum(['continue', 'reject_all']),
    max_failures: z.int().nullable(),
    max_failure_rate: z.number().nullable(),
    counts: batchCountsSchema,
    is_uploading: z.boolean().meta({
      description:
        'A request is sending rows now. `uploading` without it: the upload broke off, and the same request with the same Idempotency-Key continues it.',
    }),
    rate_per_second: z
      .number()
      .nullable()
      .meta({ description: 'Rows that have ended, over the last minute; null while nothing is known.' }),
    eta_seconds: z.number().nullable().meta({
      description:
        'Until the last row has ended, by the limits of the accounts and what is ahead; of a batch over more accounts than are shown, by rate_per_second as well. null while it stands still, or nothing is known.',
    }),
    retry_skipped: z.int().meta({
      description:
        'Rows that a retry left out: their secrets were erased, another operation is creating their login, or the account as it is now would refuse them. Upload them again.',
    }),
    account_count: z.int().meta({ description: 'How many accounts its rows name.' }),
    accounts: z.array(batchAccountSchema).meta({
      description: `The first ${ACCOUNTS_SHOWN} of them; links.accounts pages through all.`,
    }),
    created_at: time,
    updated_at: time,
    uploaded_at: time.nullable(),
    finished_at: time.nullable(),
    ...z.object(uploadReport).partial().shape,
    links: z.object({
      self: z.string(),
      accounts: z.string(),
      results: z.string(),
      events: z.string(),
      cancel: z.string().optional(),
      pause: z.string().optional(),
      resume: z.string().optional(),
      retry: z.string().optional(),
    }),
  })
  .meta({ id: 'Batch' })
export type BatchResource = z.infer<typeof batchSchema>

export const batchPageSchema = z
  .object({
    result: z.array(batchSchema),
    next_cursor: z.string().nullable(),
    unreadable: unreadableRecordsSchema,
  })
  .meta({ id: 'BatchPage' })

export const bulkDryRunSchema = z
  .object({
    dry_run: z.literal(true),
    rows: z.int(),
    valid: z.int(),
    rejected: z.int(),
    rejected_rows: z.array(rejectedRowSchema).meta({ description: 'The first thousand.' }),
    columns: uploadReport.columns.optional(),
    problems: uploadReport.problems,
    accounts: z.array(
      z.object({
        integrated_account_id: z.uuid(),
        provider: providerIdSchema,
        rows: z.int(),
        estimated_wait_seconds: z.number().nullable(),
      }),
    ),
  })
  .meta({ id: 'BulkDryRun' })
export type BulkDryRun = z.infer<typeof bulkDryRunSchema>

/** One line of the results. */
export const batchResultStatuses = [
  'rejected',
  'queued',
  'running',
  'retrying',
  'held',
  'succeeded',
  'failed',
  'canceled',
  'expired',
  'gone',
  'unreadable',
] as const
export const batchResultFields = [
  'row',
  'line',
  'status',
  'reference',
  'integrated_account_id',
  'operation_id',
  'outcome',
  'remote_id',
  'error_code',
  'error_message',
  'error_pointer',
  'error_hint',
  'errors',
  'finished_at',
] as const
const batchResultSchema = z
  .object({
    row: z.int(),
    line: z.int().nullable(),
    status: z.enum(batchResultStatuses).meta({
      description:
        'gone: its retention is over. unreadable: it cannot be read; error_message says what its operator must do.',
    }),
    reference: z.string().nullable(),
    integrated_account_id: z.uuid().nullable(),
    operation_id: z.uuid().nullable(),
    outcome: z.enum(['created', 'adopted']).nullable(),
    remote_id: z.string().nullable(),
    error_code: z.string().nullable(),
    error_message: z.string().nullable(),
    error_pointer: z.string().nullable(),
    error_hint: z.string().nullable(),
    errors: z.array(inputProblemSchema).nullable().meta({ description: 'Why a row was rejected.' }),
    finished_at: time.nullable(),
  })
  .meta({ id: 'BatchResult' })
export type BatchResult = z.infer<typeof batchResultSchema>

export const columnMappingSchema = z
  .strictObject({
    name: z.string().regex(/^[\w-]{1,100}$/, 'must be 1 to 100 letters, digits, _ or -'),
    columns: z.record(z.string().min(1).max(200), z.string().max(200)).meta({
      type: 'object',
      description: 'Headers of the client and what each one is; an empty target leaves the column out.',
    }),
  })
  .meta({ id: 'ColumnMapping' })
export type ColumnMapping = z.infer<typeof columnMappingSchema>
