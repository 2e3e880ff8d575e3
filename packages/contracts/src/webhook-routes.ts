import { z } from 'zod'
import { idSchema } from './id.ts'
import { unreadableRecordsSchema } from './unreadable-record.ts'
import {
  bodyRefusals,
  boundReached,
  idParams,
  notFound,
  pageQuery,
  pageSchema,
  refusals,
  route,
  type Route,
} from './route.ts'
import {
  createdWebhookEndpointSchema,
  deliveryPageSchema,
  deliverySchema,
  deliveryStatuses,
  replayedSchema,
  replayInputSchema,
  rotatedSecretSchema,
  rotateSecretInputSchema,
  webhookEndpointInputSchema,
  webhookEndpointPatchSchema,
  webhookEndpointSchema,
} from './webhook-endpoint.ts'
import { webhookEventTypeSchema } from './webhook-event.ts'

const endpoints = { tag: 'Webhook endpoints', noun: 'webhook endpoint' } as const
const deliveries = { tag: 'Deliveries', noun: 'delivery' } as const
const path = '/webhook-endpoints'
const one = `${path}/{id}`

export const webhookRoutes = {
  createWebhookEndpoint: route({
    ...endpoints,
    id: 'createWebhookEndpoint',
    method: 'post',
    path,
    summary: 'Register an address that receives events',
    description:
      'The address must be https and lead to public addresses only (docs/webhooks.md#which-addresses-are-taken). `secret` is shown only once. What is sent, and how to verify it: docs/webhooks.md. An endpoint made with a test key has mode `test`: it receives events of test accounts only, and test keys see no others.',
    scope: 'admin',
    body: webhookEndpointInputSchema,
    responses: {
      201: { description: 'Registered; the secret is shown only once.', schema: createdWebhookEndpointSchema },
      ...boundReached,
      ...refusals,
      ...bodyRefusals,
    },
  }),
  listWebhookEndpoints: route({
    ...endpoints,
    id: 'listWebhookEndpoints',
    method: 'get',
    path,
    summary: 'List the endpoints',
    description:
      'The registered ones, and one of kind `callback` for each host of callback addresses; callbacks of test accounts have a `callback` endpoint of their own.',
    scope: 'read',
    query: z.strictObject(pageQuery),
    responses: {
      200: {
        description: 'A page, those of callback addresses among them.',
        schema: pageSchema(webhookEndpointSchema).extend({ unreadable: unreadableRecordsSchema }),
      },
      ...refusals,
    },
  }),
  readWebhookEndpoint: route({
    ...endpoints,
    id: 'readWebhookEndpoint',
    method: 'get',
    path: one,
    summary: 'Read an endpoint',
    scope: 'read',
    params: idParams,
    responses: { 200: { description: 'The endpoint.', schema: webhookEndpointSchema }, ...refusals, ...notFound },
  }),
  updateWebhookEndpoint: route({
    ...endpoints,
    id: 'updateWebhookEndpoint',
    method: 'patch',
    path: one,
    summary: 'Change an endpoint',
    description:
      'Everything but `asymmetric`; `null` removes a filter or limit. `status` is `active`, which sends what has waited, or `disabled`. The `url` of a callback endpoint comes with each request and cannot be changed: 409.',
    scope: 'admin',
    params: idParams,
    body: webhookEndpointPatchSchema,
    responses: {
      200: { description: 'Changed.', schema: webhookEndpointSchema },
      409: { description: 'The address of a callback endpoint comes with each request.' },
      ...refusals,
      ...notFound,
      ...bodyRefusals,
    },
  }),
  deleteWebhookEndpoint: route({
    ...endpoints,
    id: 'deleteWebhookEndpoint',
    method: 'delete',
    path: one,
    summary: 'Delete an endpoint and its deliveries',
    description:
      'Waiting deliveries are deleted too. A callback endpoint is created again with the next callback address of its host.',
    scope: 'admin',
    params: idParams,
    responses: { 204: { description: 'Deleted; nothing more is sent to it.' }, ...refusals, ...notFound },
  }),
  testWebhookEndpoint: route({
    ...endpoints,
    id: 'testWebhookEndpoint',
    method: 'post',
    path: `${one}/test`,
    summary: 'Send a test event',
    description: 'Sends `webhook_endpoint.test`, and answers with the delivery.',
    scope: 'admin',
    params: idParams,
    responses: {
      202: { description: 'On its way; Location names the delivery.', schema: deliverySchema },
      409: { description: 'The endpoint is disabled, or one of callback addresses.' },
      ...refusals,
      ...notFound,
    },
  }),
  rotateWebhookSecret: route({
    ...endpoints,
    id: 'rotateWebhookSecret',
    method: 'post',
    path: `${one}/rotate-secret`,
    summary: 'Replace the signing secret',
    description:
      'The new secret is shown only once. The old one signs too, for `overlap_hours`. 409 for a callback endpoint, which has none.',
    scope: 'admin',
    params: idParams,
    body: rotateSecretInputSchema,
    isBodyOptional: true,
    responses: {
      200: { description: 'The new secret, shown only once.', schema: rotatedSecretSchema },
      409: { description: 'An endpoint of callback addresses signs with the callback secret.' },
      ...refusals,
      ...notFound,
      ...bodyRefusals,
    },
  }),
  replayWebhookEndpoint: route({
    ...endpoints,
    id: 'replayWebhookEndpoint',
    method: 'post',
    path: `${one}/replay`,
    summary: 'Send every failed delivery of a period again',
    description:
      'Those of events between `since` and `until` (now, if left out), newest first. `replayed` says how many: those that the endpoint has no room for as pending stay `failed`, and come with the next replay. 429 where it has room for none.',
    scope: 'admin',
    params: idParams,
    body: replayInputSchema,
    responses: {
      202: { description: 'Queued again.', schema: replayedSchema },
      ...boundReached,
      ...refusals,
      ...notFound,
      ...bodyRefusals,
    },
  }),
  listDeliveries: route({
    ...endpoints,
    id: 'listDeliveries',
    method: 'get',
    path: `${one}/deliveries`,
    summary: 'List the deliveries of an endpoint, newest first',
    scope: 'read',
    params: idParams,
    query: z.strictObject({
      status: z.enum(deliveryStatuses).optional(),
      event_type: webhookEventTypeSchema.optional(),
      operation_id: idSchema.optional(),
      ...pageQuery,
    }),
    responses: {
      200: {
        description: 'A page. It can be short, or empty, and still have a next_cursor.',
        schema: deliveryPageSchema,
      },
      ...refusals,
      ...notFound,
    },
  }),
  readDelivery: route({
    ...deliveries,
    id: 'readDelivery',
    method: 'get',
    path: '/deliveries/{id}',
    summary: 'Read a delivery with every attempt',
    description:
      'Each attempt has the `status` of the answer (`null` when none came), a `reason` (docs/webhooks.md#the-log-of-deliveries) and the first 1,024 characters of the `reply`.',
    scope: 'read',
    params: idParams,
    responses: { 200: { description: 'The delivery.', schema: deliverySchema }, ...refusals, ...notFound },
  }),
  replayDelivery: route({
    ...deliveries,
    id: 'replayDelivery',
    method: 'post',
    path: '/deliveries/{id}/replay',
    summary: 'Send a delivery again, under the same webhook-id',
    description: 'From the beginning of the schedule. 409 `conflict` while it is pending.',
    scope: 'admin',
    params: idParams,
    responses: {
      202: { description: 'Queued again.', schema: deliverySchema },
      409: { description: 'It is still pending.' },
      ...boundReached,
      ...refusals,
      ...notFound,
    },
  }),
  rotateCallbackSecret: route({
    tag: 'Callback secret',
    noun: 'callback secret',
    id: 'rotateCallbackSecret',
    method: 'post',
    path: '/callback-secret',
    summary: 'Create or replace the secret that signs callbacks',
    description:
      'Without it, a `callback_url` is refused. The old secret signs too, for `overlap_hours`. A secret made with a test key signs callbacks of test accounts only; until there is one the live secret signs those too, and keeps signing them during the overlap.',
    scope: 'admin',
    body: rotateSecretInputSchema,
    isBodyOptional: true,
    responses: {
      200: { description: 'The secret, shown only once.', schema: rotatedSecretSchema },
      ...refusals,
      ...bodyRefusals,
    },
  }),
} as const satisfies Record<string, Route>
