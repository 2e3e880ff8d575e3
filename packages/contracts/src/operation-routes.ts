import { z } from 'zod'
import { responseViewParameters } from './create-user-parameters.ts'
import { idSchema } from './id.ts'
import { operationPageSchema, operationSchema, operationStatusSchema, retryInputSchema } from './operation.ts'
import { providerIdSchema } from './provider-ids.ts'
import {
  bodyRefusals,
  boundReached,
  idParams,
  notFound,
  pageQuery,
  preferHeader,
  refusals,
  route,
  type Route,
} from './route.ts'

const operations = { tag: 'Operations', noun: 'operation' } as const
const instant = z.iso.datetime({ offset: true })

export const operationRoutes = {
  listOperations: route({
    ...operations,
    id: 'listOperations',
    method: 'get',
    path: '/operations',
    summary: 'List operations, newest first',
    description:
      'Without attempts, warnings and results. A page can be short, or empty, and still have a `next_cursor`: a search for rare matches is split over pages. No page of any list is larger than 256 KiB, unless a single entry is.',
    scope: 'read',
    query: z.strictObject({
      integrated_account_id: idSchema.optional(),
      status: operationStatusSchema.optional(),
      provider: providerIdSchema.optional(),
      batch_id: idSchema.optional(),
      reference: z.string().min(1).max(200).optional(),
      created_after: instant.optional().meta({ description: 'Created then or later.' }),
      created_before: instant.optional().meta({ description: 'Created then or earlier.' }),
      ...pageQuery,
    }),
    responses: {
      200: {
        description: 'A page. It can be short, or empty, and still have a next_cursor.',
        schema: operationPageSchema,
      },
      ...refusals,
      ...notFound,
    },
  }),
  readOperation: route({
    ...operations,
    id: 'readOperation',
    method: 'get',
    path: '/operations/{id}',
    summary: 'Read an operation, or wait for its end',
    description:
      'With `Prefer: wait=N` the answer comes when the operation has ended, or after N seconds. The parameters choose how the result is shown; without them it is as the create call asked. `If-None-Match` with the last `ETag` answers 304 when nothing has changed.',
    scope: 'read',
    params: idParams,
    query: z.strictObject(responseViewParameters),
    headers: preferHeader.extend({ 'if-none-match': z.string().optional() }),
    responses: {
      200: { description: 'As it is now.', schema: operationSchema },
      304: { description: 'Unchanged since the ETag.' },
      ...boundReached,
      ...refusals,
      ...notFound,
    },
  }),
  cancelOperation: route({
    ...operations,
    id: 'cancelOperation',
    method: 'post',
    path: '/operations/{id}/cancel',
    summary: 'Cancel an operation that was not sent',
    description:
      '409 `operation_not_cancelable` when it runs, has ended, or may have reached the provider: only a look-up can tell then.',
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
    ...operations,
    id: 'eraseOperation',
    method: 'delete',
    path: '/operations/{id}',
    summary: "Erase a person's data from an operation that has ended",
    description:
      "Erases the request, the result, the provider's words and addresses, the reference and the callback address. A webhook that is still to be sent is sent without them, to its callback address too. What a receiver already has is not touched, nor is the log of deliveries, which ends with its retention (docs/webhooks.md#the-log-of-deliveries). A tombstone of ids, states, codes and times stays until the retention is over, so that a repeated request finds it. The user at the provider is not touched.",
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
    ...operations,
    id: 'retryOperation',
    method: 'post',
    path: '/operations/{id}/retry',
    summary: 'Run a failed, expired or canceled operation again',
    description:
      'Under the same id; a completed batch is `running` again until this row has ended. Secrets of the request were erased when it ended: a request that had some needs `password`, or the secret parts of `remote_data`, again.\n\nThe retry passes the checks of a create, and creates the same login. Where `remote_data`, or the config of the account as it is now, would change the login, it is refused with 422 and the code `other_login`, since an earlier create may have reached the provider under the first one. An operation whose outcome is unknown begins with a look-up.',
    scope: 'provision',
    params: idParams,
    body: retryInputSchema,
    isBodyOptional: true,
    responses: {
      202: { description: 'Queued again.', schema: operationSchema },
      409: { description: 'It has not failed, or another operation is creating this login.' },
      ...boundReached,
      ...refusals,
      ...notFound,
      ...bodyRefusals,
    },
  }),
} as const satisfies Record<string, Route>
