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
import { flag } from './flag.ts'
import { idSchema } from './id.ts'
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

const tag = 'Batches'
const one = '/batches/{id}'
const change = { method: 'post', tag, scope: 'provision', params: idParams } as const
const wrongState = { 409: { description: 'Its state does not allow it.' } }

export const batchRoutes = {
  createUsers: route({
    id: 'createUsers',
    holds: 'uploads',
    method: 'post',
    path: '/unified/user-directory/users/bulk',
    tag,
    summary: 'Create many users with one upload of JSON, NDJSON or CSV',
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
      409: { description: 'Another request is uploading this batch at the moment.' },
      ...boundReached,
      ...refusals,
      ...notFound,
      ...bodyRefusals,
    },
  }),
  listBatches: route({
    id: 'listBatches',
    method: 'get',
    path: '/batches',
    tag,
    summary: 'List batches, newest first',
    scope: 'read',
    query: z.strictObject({
      status: batchStatusSchema.optional(),
      limit: pageSize,
      cursor: idSchema.optional().meta({ description: 'next_cursor of the page before.' }),
    }),
    responses: { 200: { description: 'A page.', schema: batchPageSchema }, ...refusals },
  }),
  readBatch: route({
    id: 'readBatch',
    method: 'get',
    path: one,
    tag,
    summary: 'Read a batch, or wait for its end',
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
    id: 'listBatchAccounts',
    method: 'get',
    path: `${one}/accounts`,
    tag,
    summary: 'The accounts of a batch, in the order of their first rows',
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
    id: 'readBatchResults',
    holds: 'downloads',
    method: 'get',
    path: `${one}/results`,
    tag,
    summary: 'What became of each row, in the order of the upload',
    scope: 'read',
    params: idParams,
    query: z.strictObject({
      format: z.enum(['ndjson', 'csv']).optional().meta({ description: 'ndjson without it.' }),
      status: z.enum(batchResultStatuses).optional(),
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
    id: 'watchBatch',
    holds: 'progressStreams',
    method: 'get',
    path: `${one}/events`,
    tag,
    summary: 'Progress as server-sent events, until the batch has ended',
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
    summary: 'Start no more rows',
    responses: {
      200: { description: 'Paused; rows under way come to their end.', schema: batchSchema },
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
    responses: {
      202: { description: 'Being canceled; rows under way come to their end.', schema: batchSchema },
      ...wrongState,
      ...refusals,
      ...notFound,
    },
  }),
  retryBatch: route({
    ...change,
    id: 'retryBatch',
    path: `${one}/retry`,
    summary: 'Run the failed rows again',
    responses: {
      202: { description: 'Being queued again.', schema: batchSchema },
      ...boundReached,
      ...wrongState,
      ...refusals,
      ...notFound,
    },
  }),
  saveColumnMapping: route({
    id: 'saveColumnMapping',
    method: 'post',
    path: '/column-mappings',
    tag: 'Column mappings',
    summary: 'Save what the columns of a CSV file are, under a name',
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
    id: 'listColumnMappings',
    method: 'get',
    path: '/column-mappings',
    tag: 'Column mappings',
    summary: 'List the saved mappings',
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
    id: 'deleteColumnMapping',
    method: 'delete',
    path: '/column-mappings/{name}',
    tag: 'Column mappings',
    summary: 'Remove a saved mapping',
    scope: 'provision',
    params: z.strictObject({ name: columnMappingSchema.shape.name }),
    responses: { 204: { description: 'Gone.' }, ...refusals, ...notFound },
  }),
} as const satisfies Record<string, Route>
