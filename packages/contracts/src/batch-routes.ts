import { z } from 'zod'
import {
  batchAccountPageSchema,
  batchPageSchema,
  batchResultStatuses,
  batchSchema,
  batchStatusSchema,
  bulkDryRunSchema,
  bulkQuerySchema,
  columnMappingSchema,
} from './batch.ts'
import { toList } from './create-user-parameters.ts'
import { flag } from './flag.ts'
import {
  bodyRefusals,
  boundReached,
  idempotencyKeyHeader,
  idParams,
  notFound,
  pageQuery,
  pageSchema,
  pageSize,
  preferHeader,
  refusals,
  route,
  type Route,
} from './route.ts'

const batches = { tag: 'Batches', noun: 'batch' } as const
const mappings = { tag: 'Column mappings', noun: 'column mapping' } as const
const one = '/batches/{id}'
const change = { ...batches, method: 'post', scope: 'provision', params: idParams } as const
const wrongState = { 409: { description: 'Its state does not allow this.' } }

export const batchRoutes = {
  createUsers: route({
    ...batches,
    id: 'createUsers',
    holds: 'uploads',
    method: 'post',
    path: '/unified/user-directory/users/bulk',
    summary: 'Create many users with one upload of JSON, NDJSON or CSV',
    description:
      'The body is a file of rows (docs/bulk-formats.md), read as it arrives; gzip is accepted. The parameters of a create hold for every row that does not say otherwise, and `Prefer: handling=strict` for every row. `Idempotency-Key` counts within the tenant: the same request with the same rows is the same batch, and after an interrupted upload it continues it (docs/bulk.md#when-an-upload-breaks-off).\n\nThe answer comes when every row is in: 202 with the batch, or a problem. A problem that comes after rows were accepted has `batch` and `batch_id`. `malformed_upload` and `payload_too_large` have `upload_error` (docs/bulk-formats.md#errors-of-an-upload), `line` and `byte`. The 422 of `on_invalid=reject_all` has `rows`, `rejected` and the first hundred `rejected_rows`.',
    scope: 'provision',
    query: bulkQuerySchema,
    headers: preferHeader.extend({
      'idempotency-key': idempotencyKeyHeader.optional(),
      'content-type': z.string().optional(),
      'content-encoding': z.string().optional(),
    }),
    streamedBody: ['application/json', 'application/x-ndjson', 'text/csv'],
    responses: {
      200: { description: 'With dry_run: what would become of each row.', schema: bulkDryRunSchema },
      202: { description: 'Every row is in; Location names the batch.', schema: batchSchema },
      409: { description: 'Another request is uploading this batch now.' },
      ...boundReached,
      ...refusals,
      ...notFound,
      ...bodyRefusals,
    },
  }),
  listBatches: route({
    ...batches,
    id: 'listBatches',
    method: 'get',
    path: '/batches',
    summary: 'List batches, newest first',
    scope: 'read',
    query: z.strictObject({
      status: batchStatusSchema.optional(),
      ...pageQuery,
    }),
    responses: { 200: { description: 'A page.', schema: batchPageSchema }, ...refusals },
  }),
  readBatch: route({
    ...batches,
    id: 'readBatch',
    method: 'get',
    path: one,
    summary: 'Read a batch, or wait for its end',
    description: 'docs/batch-states.md explains its states, docs/bulk.md#following-it its figures.',
    scope: 'read',
    params: idParams,
    headers: preferHeader,
    responses: {
      200: { description: 'As it is now.', schema: batchSchema },
      ...boundReached,
      ...refusals,
      ...notFound,
    },
  }),
  listBatchAccounts: route({
    ...batches,
    id: 'listBatchAccounts',
    method: 'get',
    path: `${one}/accounts`,
    summary: 'List the accounts of a batch, in the order of their first rows',
    description:
      'A batch shows only its first 20 accounts, and their number in `account_count`; this lists all of them.',
    scope: 'read',
    params: idParams,
    query: z.strictObject({
      limit: pageSize,
      cursor: z
        .string()
        .regex(/^\d{1,7}$/, 'must be the next_cursor of another page')
        .optional()
        .meta({ description: 'next_cursor of the page before.' }),
    }),
    responses: { 200: { description: 'A page.', schema: batchAccountPageSchema }, ...refusals, ...notFound },
  }),
  readBatchResults: route({
    ...batches,
    id: 'readBatchResults',
    holds: 'downloads',
    method: 'get',
    path: `${one}/results`,
    summary: 'Download the result of each row, in the order of the upload',
    description:
      'Streams one line per row, also while the batch runs. `status` filters, by one or several: `gone` means the retention of the row is over, `unreadable` that it cannot be read (`error_message` says why). `x-total-rows` is the number of rows. `end_mark=true` adds a last line, so that you can tell a complete file from a truncated one (docs/bulk-formats.md#results).',
    scope: 'read',
    params: idParams,
    query: z.strictObject({
      format: z.enum(['ndjson', 'csv']).optional().meta({ description: 'ndjson without it.' }),
      status: toList
        .pipe(z.array(z.enum(batchResultStatuses)).min(1).max(batchResultStatuses.length))
        .optional()
        .meta({
          type: 'array',
          items: { type: 'string', enum: [...batchResultStatuses] },
          description: 'Only rows of these: status=failed,rejected.',
        }),
      shape: z.enum(['results', 'upload']).optional().meta({
        description:
          'CSV: upload leaves out the columns of the result, so that the file can be mended and uploaded again.',
      }),
      delimiter: z
        .enum(['comma', 'semicolon', 'tab', 'pipe'])
        .optional()
        .meta({ description: 'CSV: a comma without it.' }),
      bom: flag.optional().meta({ description: 'CSV: true: a byte order mark, by which Excel knows UTF-8.' }),
      end_mark: flag.optional().meta({
        description:
          'true: a last line with the status `end`, in `row` the number of rows before it, in `reference` the SHA-256 of their bytes.',
      }),
    }),
    responses: {
      200: {
        description: 'Streamed, one row a line, with the columns of the client.',
        schema: z.string(),
        contentType: 'application/x-ndjson',
      },
      ...boundReached,
      ...refusals,
      ...notFound,
    },
  }),
  watchBatch: route({
    ...batches,
    id: 'watchBatch',
    holds: 'progressStreams',
    method: 'get',
    path: `${one}/events`,
    summary: 'Follow a batch by server-sent events, until it has ended',
    description:
      '`progress` at most once a second while something changes, then `completed`, also for a canceled batch. `data` is the batch. `Last-Event-ID` continues from that event.',
    scope: 'read',
    params: idParams,
    headers: z.object({ 'last-event-id': z.string().max(40).optional() }),
    responses: {
      200: {
        description:
          'Events `progress` and, last, `completed`; data is the batch. Each is whole, so nothing is missed over a reconnect.',
        schema: z.string(),
        contentType: 'text/event-stream',
      },
      ...boundReached,
      ...refusals,
      ...notFound,
    },
  }),
  pauseBatch: route({
    ...change,
    id: 'pauseBatch',
    path: `${one}/pause`,
    summary: 'Pause a batch: start no more rows',
    description: 'Running rows finish. 409 `conflict` unless the batch is `uploading` or `running`.',
    responses: {
      200: { description: 'Paused; running rows finish.', schema: batchSchema },
      ...wrongState,
      ...refusals,
      ...notFound,
    },
  }),
  resumeBatch: route({
    ...change,
    id: 'resumeBatch',
    path: `${one}/resume`,
    summary: 'Resume a batch that was paused or stopped',
    description: 'Its failure limit counts from zero again. 409 `conflict` unless the batch is `paused` or `stopped`.',
    responses: {
      200: { description: 'Running again; its failure limit counts from zero.', schema: batchSchema },
      ...wrongState,
      ...refusals,
      ...notFound,
    },
  }),
  cancelBatch: route({
    ...change,
    id: 'cancelBatch',
    path: `${one}/cancel`,
    summary: 'Cancel every row that was not sent',
    description: 'The other rows finish, then the batch is `canceled`. 409 `conflict` when it has ended.',
    responses: {
      202: { description: 'Being canceled; running rows finish.', schema: batchSchema },
      ...wrongState,
      ...refusals,
      ...notFound,
    },
  }),
  retryBatch: route({
    ...change,
    id: 'retryBatch',
    path: `${one}/retry`,
    summary: 'Run the failed and expired rows again',
    description:
      'Under the same ids, with a new expiry after `MUSTER_DEFAULT_EXPIRY_HOURS`. Rows whose request had secrets, or that the account as it is now would refuse or create under another login, are left out and counted in `retry_skipped`. 409 `conflict` unless the batch is `completed` and a row has failed or expired.',
    responses: {
      202: { description: 'Being queued again.', schema: batchSchema },
      ...boundReached,
      ...wrongState,
      ...refusals,
      ...notFound,
    },
  }),
  saveColumnMapping: route({
    ...mappings,
    id: 'saveColumnMapping',
    method: 'post',
    path: '/column-mappings',
    summary: 'Save a column mapping under a name',
    description:
      'For `mapping=…` of an upload, which takes the mapping as it is then: later changes do not affect it. One of the same name is replaced. Mappings saved with a test key are visible to test keys only, and uploads with a live key do not use them.',
    scope: 'provision',
    body: columnMappingSchema,
    responses: {
      200: { description: 'Saved, over one of the same name.', schema: columnMappingSchema },
      ...boundReached,
      ...refusals,
      ...bodyRefusals,
    },
  }),
  listColumnMappings: route({
    ...mappings,
    id: 'listColumnMappings',
    method: 'get',
    path: '/column-mappings',
    summary: 'List the saved mappings, by name',
    scope: 'read',
    query: z.strictObject({
      ...pageQuery,
      cursor: columnMappingSchema.shape.name.optional().meta({ description: 'next_cursor of the page before.' }),
    }),
    responses: {
      200: { description: 'A page, by name.', schema: pageSchema(columnMappingSchema) },
      ...refusals,
    },
  }),
  deleteColumnMapping: route({
    ...mappings,
    id: 'deleteColumnMapping',
    method: 'delete',
    path: '/column-mappings/{name}',
    summary: 'Delete a saved mapping',
    scope: 'provision',
    params: z.strictObject({ name: columnMappingSchema.shape.name }),
    responses: { 204: { description: 'Deleted.' }, ...refusals, ...notFound },
  }),
} as const satisfies Record<string, Route>
