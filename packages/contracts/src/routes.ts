import { z } from 'zod'
import { apiKeyInputSchema, apiKeySchema, createdApiKeySchema, type Scope } from './api-key.ts'
import { createUserQuerySchema, responseViewParameters } from './create-user-parameters.ts'
import { integratedAccountInputSchema, integratedAccountPatchSchema, integratedAccountSchema } from './integrated-account.ts'
import { operationSchema, operationStatusSchema, remoteCallSchema, retryInputSchema, warningSchema } from './operation.ts'
import { providerIdSchema } from './provider-ids.ts'
import { unifiedUserInputSchema, unifiedUserSchema } from './unified-user.ts'

/** One operation of the HTTP API, as data: the API validates by it, the OpenAPI document and the SDK are made from it. */
export interface Route {
  id: string
  method: 'get' | 'post' | 'patch' | 'delete'
  /** With `{name}` parameters. */
  path: string
  tag: string
  summary: string
  /** null: open to everybody. */
  scope: Scope | null
  params?: z.ZodObject
  query?: z.ZodObject
  headers?: z.ZodObject
  body?: z.ZodType
  /** True when a request without a body is fine. */
  isBodyOptional?: boolean
  responses: Record<number, { description: string; schema?: z.ZodType }>
}

const idParams = z.strictObject({ id: z.uuid() })
const instant = z.iso.datetime({ offset: true })
const pageSize = z.coerce.number().int().min(1).max(100).default(20).meta({ type: 'integer' })

export const operationSummarySchema = operationSchema.omit({ attempts: true, result: true, warnings: true }).meta({ id: 'OperationSummary', description: 'An operation without its attempts and result.' })

export const dryRunSchema = z
  .object({
    dry_run: z.literal(true),
    provider: providerIdSchema,
    requests: z.array(
      z.object({
        purpose: z.string().meta({ description: 'token, look_up, create or read; answers of earlier ones stand as <placeholders> in later ones.' }),
        method: z.string(),
        url: z.string(),
        headers: z.record(z.string(), z.string()),
        body: z.unknown(),
      }),
    ),
    warnings: z.array(warningSchema),
    estimated_wait_seconds: z.number().nullable().meta({ description: 'null while the account is on hold.' }),
    account_status: z.string(),
  })
  .meta({ id: 'DryRun' })

export const accountTestSchema = z
  .object({
    ok: z.boolean(),
    status: z.string().meta({ description: 'What the account would be after this answer: active, needs_reauth or permission_denied; unreachable when nobody answered.' }),
    message: z.string(),
    calls: z.array(remoteCallSchema),
  })
  .meta({ id: 'IntegratedAccountTest' })

export const createMetadataSchema = z
  .object({
    provider: providerIdSchema,
    name: z.string(),
    documentation_url: z.string(),
    query_schema: z.unknown().meta({ description: 'JSON Schema of the query.' }),
    body_schema: z.unknown().meta({ description: 'JSON Schema of the body.' }),
    fields: z.record(z.string(), z.enum(['required', 'supported', 'extension'])),
    response_fields: z.array(z.string()),
    quirks: z.array(z.string()),
    credential_types: z.record(z.string(), z.unknown()).meta({ description: 'JSON Schema of each type of credentials.' }),
    config_schema: z.unknown(),
    base_url: z.object({ default: z.string().nullable(), hosts: z.array(z.string()), custom_domain: z.boolean() }),
    limits: z.object({ requests: z.number(), per_seconds: z.number(), concurrency: z.number(), calls_per_create: z.number(), source: z.string() }),
    retry: z.object({ max_attempts: z.number(), backoff: z.string(), look_up_after_ms: z.array(z.number()), timeout_ms: z.number() }),
  })
  .meta({ id: 'CreateMetadata' })

export const operationPageSchema = z.object({ result: z.array(operationSummarySchema), next_cursor: z.string().nullable() }).meta({ id: 'OperationPage' })

/** Sent with every create and every wait. RFC 7240. */
const preferHeader = z.object({ prefer: z.string().optional().meta({ description: '`wait=N` holds the answer up to N (60 at most) seconds; `respond-async` does not; `handling=strict` refuses what the provider has no field for.' }) })

const problems = { 401: { description: 'No API key, or not a valid one.' }, 403: { description: 'The key lacks the scope.' } }
const notFound = { 404: { description: 'No such thing, or not yours.' } }
const invalid = { 400: { description: 'Not JSON.' }, 413: { description: 'Too large.' }, 415: { description: 'Not application/json.' }, 422: { description: 'Everything that is wrong with the input, at once.' } }
const unavailable = { 503: { description: 'Redis is away; nothing was accepted. Retry-After says when to try again.' } }

const route = <R extends Route>(definition: R): R => definition

export const routes = {
  createUser: route({
    id: 'createUser',
    method: 'post',
    path: '/unified/user-directory/users',
    tag: 'Users',
    summary: 'Create a user through an integrated account',
    scope: 'provision',
    query: createUserQuerySchema,
    headers: preferHeader.extend({ 'idempotency-key': z.string().optional().meta({ description: 'Quoted or bare. The same key with the same request is the same operation.' }) }),
    body: unifiedUserInputSchema,
    responses: {
      200: { description: 'With dry_run: what would be sent. With Prefer: wait and on_conflict=adopt: the existing user.', schema: z.union([dryRunSchema, unifiedUserSchema]) },
      201: { description: 'With Prefer: wait: the user, created.', schema: unifiedUserSchema },
      202: { description: 'Accepted; Location names the operation.', schema: operationSchema },
      409: { description: 'An unfinished operation is creating this login (operation_in_progress), or with Prefer: wait the user exists.' },
      424: { description: 'With Prefer: wait: the provider rejects the credentials of the account.' },
      504: { description: 'With Prefer: wait: the outcome could not be established.' },
      ...problems,
      ...notFound,
      ...invalid,
      ...unavailable,
    },
  }),
  describeCreate: route({
    id: 'describeCreate',
    method: 'get',
    path: '/unified/user-directory/users/meta/create',
    tag: 'Users',
    summary: 'What a provider, or one account, needs and takes',
    scope: 'read',
    query: z.strictObject({ provider: providerIdSchema.optional(), integrated_account_id: z.uuid().optional() }),
    responses: { 200: { description: 'Schemas, quirks, limits and retry policy; all providers when none is named.', schema: z.union([createMetadataSchema, z.object({ result: z.array(createMetadataSchema) })]) }, ...problems, ...notFound, 422: invalid[422], ...unavailable },
  }),
  listOperations: route({
    id: 'listOperations',
    method: 'get',
    path: '/operations',
    tag: 'Operations',
    summary: 'List operations, newest first',
    scope: 'read',
    query: z.strictObject({
      integrated_account_id: z.uuid().optional(),
      status: operationStatusSchema.optional(),
      provider: providerIdSchema.optional(),
      reference: z.string().min(1).max(200).optional(),
      created_after: instant.optional(),
      created_before: instant.optional(),
      limit: pageSize,
      cursor: z.uuid().optional(),
    }),
    responses: { 200: { description: 'A page. With rare matches it can be short, or empty, and still have a next_cursor.', schema: operationPageSchema }, ...problems, ...notFound, 422: invalid[422], ...unavailable },
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
    responses: { 200: { description: 'As it is now.', schema: operationSchema }, 304: { description: 'Unchanged since the ETag.' }, ...problems, ...notFound, 422: invalid[422], ...unavailable },
  }),
  cancelOperation: route({
    id: 'cancelOperation',
    method: 'post',
    path: '/operations/{id}/cancel',
    tag: 'Operations',
    summary: 'Cancel what has not been sent',
    scope: 'provision',
    params: idParams,
    responses: { 200: { description: 'Canceled.', schema: operationSchema }, 409: { description: 'It has ended, runs, or may have reached the provider.' }, ...problems, ...notFound, ...unavailable },
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
    responses: { 202: { description: 'Queued again.', schema: operationSchema }, 409: { description: 'It has not failed, or another operation is creating this login.' }, ...problems, ...notFound, ...invalid, ...unavailable },
  }),
  createIntegratedAccount: route({
    id: 'createIntegratedAccount',
    method: 'post',
    path: '/integrated-accounts',
    tag: 'Integrated accounts',
    summary: 'Connect a customer to a provider',
    scope: 'admin',
    body: integratedAccountInputSchema,
    responses: { 201: { description: 'Connected; the credentials are never returned.', schema: integratedAccountSchema }, ...problems, ...invalid, ...unavailable },
  }),
  listIntegratedAccounts: route({
    id: 'listIntegratedAccounts',
    method: 'get',
    path: '/integrated-accounts',
    tag: 'Integrated accounts',
    summary: 'List the accounts',
    scope: 'read',
    query: z.strictObject({ provider: providerIdSchema.optional() }),
    responses: { 200: { description: 'All of them.', schema: z.object({ result: z.array(integratedAccountSchema) }) }, ...problems, 422: invalid[422], ...unavailable },
  }),
  readIntegratedAccount: route({
    id: 'readIntegratedAccount',
    method: 'get',
    path: '/integrated-accounts/{id}',
    tag: 'Integrated accounts',
    summary: 'Read an account',
    scope: 'read',
    params: idParams,
    responses: { 200: { description: 'The account.', schema: integratedAccountSchema }, ...problems, ...notFound, ...unavailable },
  }),
  updateIntegratedAccount: route({
    id: 'updateIntegratedAccount',
    method: 'patch',
    path: '/integrated-accounts/{id}',
    tag: 'Integrated accounts',
    summary: 'Change an account; new credentials take it off hold',
    scope: 'admin',
    params: idParams,
    body: integratedAccountPatchSchema,
    responses: { 200: { description: 'Changed.', schema: integratedAccountSchema }, ...problems, ...notFound, ...invalid, ...unavailable },
  }),
  deleteIntegratedAccount: route({
    id: 'deleteIntegratedAccount',
    method: 'delete',
    path: '/integrated-accounts/{id}',
    tag: 'Integrated accounts',
    summary: 'Disconnect an account that has no unfinished operation',
    scope: 'admin',
    params: idParams,
    responses: { 204: { description: 'Gone, its credentials with it.' }, 409: { description: 'It has unfinished operations.' }, ...problems, ...notFound, ...unavailable },
  }),
  testIntegratedAccount: route({
    id: 'testIntegratedAccount',
    method: 'post',
    path: '/integrated-accounts/{id}/test',
    tag: 'Integrated accounts',
    summary: 'Call the provider with the credentials, without effect',
    scope: 'admin',
    params: idParams,
    responses: { 200: { description: 'What the provider said.', schema: accountTestSchema }, ...problems, ...notFound, ...unavailable },
  }),
  pauseIntegratedAccount: route({
    id: 'pauseIntegratedAccount',
    method: 'post',
    path: '/integrated-accounts/{id}/pause',
    tag: 'Integrated accounts',
    summary: 'Hold every operation of the account',
    scope: 'admin',
    params: idParams,
    responses: { 200: { description: 'On hold.', schema: integratedAccountSchema }, ...problems, ...notFound, ...unavailable },
  }),
  resumeIntegratedAccount: route({
    id: 'resumeIntegratedAccount',
    method: 'post',
    path: '/integrated-accounts/{id}/resume',
    tag: 'Integrated accounts',
    summary: 'Take the account off hold',
    scope: 'admin',
    params: idParams,
    responses: { 200: { description: 'Active.', schema: integratedAccountSchema }, ...problems, ...notFound, ...unavailable },
  }),
  createApiKey: route({
    id: 'createApiKey',
    method: 'post',
    path: '/api-keys',
    tag: 'API keys',
    summary: 'Make an API key',
    scope: 'admin',
    body: apiKeyInputSchema,
    responses: { 201: { description: 'The key, shown this once.', schema: createdApiKeySchema }, ...problems, ...invalid, ...unavailable },
  }),
  listApiKeys: route({
    id: 'listApiKeys',
    method: 'get',
    path: '/api-keys',
    tag: 'API keys',
    summary: 'List the API keys',
    scope: 'admin',
    responses: { 200: { description: 'All of them, without the keys themselves.', schema: z.object({ result: z.array(apiKeySchema) }) }, ...problems, ...unavailable },
  }),
  revokeApiKey: route({
    id: 'revokeApiKey',
    method: 'delete',
    path: '/api-keys/{id}',
    tag: 'API keys',
    summary: 'Revoke an API key',
    scope: 'admin',
    params: idParams,
    responses: { 204: { description: 'It opens nothing any more.' }, ...problems, ...notFound, ...unavailable },
  }),
} as const satisfies Record<string, Route>

export type RouteId = keyof typeof routes
