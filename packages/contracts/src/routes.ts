import { z } from 'zod'
import { apiKeyInputSchema, apiKeySchema, createdApiKeySchema } from './api-key.ts'
import { batchRoutes } from './batch-routes.ts'
import { createMetadataSchema, dryRunSchema } from './create-metadata.ts'
import { createUserQuerySchema, responseViewParameters } from './create-user-parameters.ts'
import { idSchema } from './id.ts'
import {
  accountTestQuerySchema,
  accountTestSchema,
  connectedAccountSchema,
  integratedAccountInputSchema,
  integratedAccountPatchSchema,
  integratedAccountSchema,
} from './integrated-account.ts'
import { jsonObjectSchema } from './json.ts'
import { operationPageSchema, operationSchema, operationStatusSchema, retryInputSchema } from './operation.ts'
import { providerIdSchema } from './provider-ids.ts'
import {
  bodyRefusals,
  idempotencyKeyHeader,
  idParams,
  notFound,
  pageSize,
  preferHeader,
  refusals,
  route,
  type Route,
} from './route.ts'
import { unifiedUserInputSchema, unifiedUserSchema } from './unified-user.ts'
import { webhookRoutes } from './webhook-routes.ts'

const instant = z.iso.datetime({ offset: true })
/** What a synchronous create answers, by its response format. */
const createdUserSchema = z.union([
  unifiedUserSchema,
  jsonObjectSchema.meta({ description: 'With truto_response_format=raw: the body of the provider as it came.' }),
])

export const routes = {
  createUser: route({
    id: 'createUser',
    method: 'post',
    path: '/unified/user-directory/users',
    tag: 'Users',
    summary: 'Create a user through an integrated account',
    scope: 'provision',
    query: createUserQuerySchema,
    headers: preferHeader.extend({ 'idempotency-key': idempotencyKeyHeader.optional() }),
    body: unifiedUserInputSchema,
    responses: {
      200: {
        description: 'With dry_run: what would be sent. With Prefer: wait and on_conflict=adopt: the existing user.',
        schema: z.union([dryRunSchema, createdUserSchema]),
      },
      201: { description: 'With Prefer: wait: the user, created.', schema: createdUserSchema },
      202: { description: 'Accepted; Location names the operation.', schema: operationSchema },
      409: {
        description:
          'An unfinished operation is creating this login (operation_in_progress), or with Prefer: wait the user exists.',
      },
      424: {
        description:
          'With Prefer: wait: the provider rejects the credentials of the account, or does not let it create users.',
      },
      500: { description: 'With Prefer: wait: the operation failed for a reason inside Muster.' },
      504: { description: 'With Prefer: wait: the outcome could not be established.' },
      ...refusals,
      ...notFound,
      ...bodyRefusals,
    },
  }),
  describeCreate: route({
    id: 'describeCreate',
    method: 'get',
    path: '/unified/user-directory/users/meta/create',
    tag: 'Users',
    summary: 'What a provider, or one account, needs and takes',
    scope: 'read',
    query: z.strictObject({ provider: providerIdSchema.optional(), integrated_account_id: idSchema.optional() }),
    responses: {
      200: {
        description: 'Schemas, quirks, limits and retry policy; all providers when none is named.',
        schema: z.union([createMetadataSchema, z.object({ result: z.array(createMetadataSchema) })]),
      },
      ...refusals,
      ...notFound,
    },
  }),
  listOperations: route({
    id: 'listOperations',
    method: 'get',
    path: '/operations',
    tag: 'Operations',
    summary: 'List operations, newest first',
    scope: 'read',
    query: z.strictObject({
      integrated_account_id: idSchema.optional(),
      status: operationStatusSchema.optional(),
      provider: providerIdSchema.optional(),
      batch_id: idSchema.optional(),
      reference: z.string().min(1).max(200).optional(),
      created_after: instant.optional().meta({ description: 'Created then or later.' }),
      created_before: instant.optional().meta({ description: 'Created then or earlier.' }),
      limit: pageSize,
      cursor: idSchema.optional().meta({ description: 'next_cursor of the page before.' }),
    }),
    responses: {
      200: {
        description: 'A page. With rare matches it can be short, or empty, and still have a next_cursor.',
        schema: operationPageSchema,
      },
      ...refusals,
      ...notFound,
    },
  }),
  readOperation: route({
    id: 'readOperation',
    method: 'get',
    path: '/operations/{id}',
    tag: 'Operations',
    summary: 'Read an operation, or wait for its end',
    scope: 'read',
    params: idParams,
    query: z.strictObject(responseViewParameters),
    headers: preferHeader.extend({ 'if-none-match': z.string().optional() }),
    responses: {
      200: { description: 'As it is now.', schema: operationSchema },
      304: { description: 'Unchanged since the ETag.' },
      ...refusals,
      ...notFound,
    },
  }),
  cancelOperation: route({
    id: 'cancelOperation',
    method: 'post',
    path: '/operations/{id}/cancel',
    tag: 'Operations',
    summary: 'Cancel what has not been sent',
    scope: 'provision',
    params: idParams,
    responses: {
      200: { description: 'Canceled.', schema: operationSchema },
      409: { description: 'It has ended, runs, or may have reached the provider.' },
      ...refusals,
      ...notFound,
    },
  }),
  eraseOperation: route({
    id: 'eraseOperation',
    method: 'delete',
    path: '/operations/{id}',
    tag: 'Operations',
    summary: "Take a person's data out of an operation that has ended",
    scope: 'admin',
    params: idParams,
    responses: {
      200: {
        description: 'The tombstone: ids, states, codes and times. The user at the provider is not touched.',
        schema: operationSchema,
      },
      409: { description: 'It has not ended: cancel it first.' },
      ...refusals,
      ...notFound,
    },
  }),
  retryOperation: route({
    id: 'retryOperation',
    method: 'post',
    path: '/operations/{id}/retry',
    tag: 'Operations',
    summary: 'Run a failed, expired or canceled operation again',
    scope: 'provision',
    params: idParams,
    body: retryInputSchema,
    isBodyOptional: true,
    responses: {
      202: { description: 'Queued again.', schema: operationSchema },
      409: { description: 'It has not failed, or another operation is creating this login.' },
      ...refusals,
      ...notFound,
      ...bodyRefusals,
    },
  }),
  createIntegratedAccount: route({
    id: 'createIntegratedAccount',
    method: 'post',
    path: '/integrated-accounts',
    tag: 'Integrated accounts',
    summary: 'Connect a customer to a provider',
    scope: 'admin',
    query: accountTestQuerySchema,
    body: integratedAccountInputSchema,
    responses: {
      201: { description: 'Connected; the credentials are never returned.', schema: connectedAccountSchema },
      ...refusals,
      ...bodyRefusals,
    },
  }),
  listIntegratedAccounts: route({
    id: 'listIntegratedAccounts',
    method: 'get',
    path: '/integrated-accounts',
    tag: 'Integrated accounts',
    summary: 'List the accounts',
    scope: 'read',
    query: z.strictObject({ provider: providerIdSchema.optional() }),
    responses: {
      200: { description: 'All of them.', schema: z.object({ result: z.array(integratedAccountSchema) }) },
      ...refusals,
    },
  }),
  readIntegratedAccount: route({
    id: 'readIntegratedAccount',
    method: 'get',
    path: '/integrated-accounts/{id}',
    tag: 'Integrated accounts',
    summary: 'Read an account',
    scope: 'read',
    params: idParams,
    responses: { 200: { description: 'The account.', schema: integratedAccountSchema }, ...refusals, ...notFound },
  }),
  updateIntegratedAccount: route({
    id: 'updateIntegratedAccount',
    method: 'patch',
    path: '/integrated-accounts/{id}',
    tag: 'Integrated accounts',
    summary: 'Change an account; new credentials take it off hold',
    scope: 'admin',
    params: idParams,
    query: accountTestQuerySchema,
    body: integratedAccountPatchSchema,
    responses: {
      200: { description: 'Changed.', schema: connectedAccountSchema },
      ...refusals,
      ...notFound,
      ...bodyRefusals,
    },
  }),
  deleteIntegratedAccount: route({
    id: 'deleteIntegratedAccount',
    method: 'delete',
    path: '/integrated-accounts/{id}',
    tag: 'Integrated accounts',
    summary: 'Disconnect an account that has no unfinished operation',
    scope: 'admin',
    params: idParams,
    responses: {
      204: { description: 'Gone, its credentials with it.' },
      409: { description: 'It has unfinished operations.' },
      ...refusals,
      ...notFound,
    },
  }),
  testIntegratedAccount: route({
    id: 'testIntegratedAccount',
    method: 'post',
    path: '/integrated-accounts/{id}/test',
    tag: 'Integrated accounts',
    summary: 'Call the provider with the credentials, without effect',
    scope: 'admin',
    params: idParams,
    responses: { 200: { description: 'What the provider said.', schema: accountTestSchema }, ...refusals, ...notFound },
  }),
  pauseIntegratedAccount: route({
    id: 'pauseIntegratedAccount',
    method: 'post',
    path: '/integrated-accounts/{id}/pause',
    tag: 'Integrated accounts',
    summary: 'Hold every operation of the account',
    scope: 'admin',
    params: idParams,
    responses: { 200: { description: 'On hold.', schema: integratedAccountSchema }, ...refusals, ...notFound },
  }),
  resumeIntegratedAccount: route({
    id: 'resumeIntegratedAccount',
    method: 'post',
    path: '/integrated-accounts/{id}/resume',
    tag: 'Integrated accounts',
    summary: 'Take the account off hold',
    scope: 'admin',
    params: idParams,
    responses: { 200: { description: 'Active.', schema: integratedAccountSchema }, ...refusals, ...notFound },
  }),
  createApiKey: route({
    id: 'createApiKey',
    method: 'post',
    path: '/api-keys',
    tag: 'API keys',
    summary: 'Make an API key',
    scope: 'admin',
    body: apiKeyInputSchema,
    responses: {
      201: { description: 'The key, shown this once.', schema: createdApiKeySchema },
      ...refusals,
      ...bodyRefusals,
    },
  }),
  listApiKeys: route({
    id: 'listApiKeys',
    method: 'get',
    path: '/api-keys',
    tag: 'API keys',
    summary: 'List the API keys',
    scope: 'admin',
    responses: {
      200: {
        description: 'All of them, without the keys themselves.',
        schema: z.object({ result: z.array(apiKeySchema) }),
      },
      ...refusals,
    },
  }),
  revokeApiKey: route({
    id: 'revokeApiKey',
    method: 'delete',
    path: '/api-keys/{id}',
    tag: 'API keys',
    summary: 'Revoke an API key',
    scope: 'admin',
    params: idParams,
    responses: { 204: { description: 'It opens nothing any more.' }, ...refusals, ...notFound },
  }),
  ...batchRoutes,
  ...webhookRoutes,
} as const satisfies Record<string, Route>

export type RouteId = keyof typeof routes
