import { z } from 'zod'
import { createMetadataSchema, dryRunSchema } from './create-metadata.ts'
import { createUserQuerySchema } from './create-user-parameters.ts'
import { idSchema } from './id.ts'
import { jsonObjectSchema } from './json.ts'
import { operationSchema } from './operation.ts'
import { providerIdSchema } from './provider-ids.ts'
import {
  bodyRefusals,
  boundReached,
  idempotencyKeyHeader,
  notFound,
  preferHeader,
  refusals,
  route,
  type Route,
} from './route.ts'
import { unifiedUserInputSchema, unifiedUserSchema } from './unified-user.ts'

const users = { tag: 'Users', noun: 'user' } as const

/** What a synchronous create answers, by its response format. */
const createdUserSchema = z.union([
  unifiedUserSchema,
  jsonObjectSchema.meta({ description: "With truto_response_format=raw: the provider's body, unchanged." }),
])

export const userRoutes = {
  createUser: route({
    ...users,
    id: 'createUser',
    method: 'post',
    path: '/unified/user-directory/users',
    summary: 'Create a user through an integrated account',
    description:
      'Accepts the create as an operation and answers 202. With `Prefer: wait=N`, an operation that ends in time is answered like a synchronous call: 201 with the user (200 when it was adopted), or the error of the operation as a problem with the status of its code. If it does not end in time, or the account is put on hold, the answer is 202.\n\nA second create for a login that an unfinished operation is creating is refused with 409 `operation_in_progress`, which names that operation.',
    scope: 'provision',
    query: createUserQuerySchema,
    headers: preferHeader.extend({ 'idempotency-key': idempotencyKeyHeader.optional() }),
    body: unifiedUserInputSchema,
    hasCleanTexts: true,
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
      ...boundReached,
      504: { description: 'With Prefer: wait: the outcome could not be established.' },
      ...refusals,
      ...notFound,
      ...bodyRefusals,
    },
  }),
  describeCreate: route({
    ...users,
    id: 'describeCreate',
    method: 'get',
    path: '/unified/user-directory/users/meta/create',
    summary: 'Describe what a provider, or one account, requires and accepts',
    description:
      'JSON Schemas of query, body, credentials and config, and quirks, limits and retry policy. Without a parameter: all providers.',
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
} as const satisfies Record<string, Route>
