import { batchItemSchema } from '@muster/contracts/batch'
import { problemSchema } from '@muster/contracts/problem'
import type { Route } from '@muster/contracts/route'
import { routes } from '@muster/contracts/routes'
import { systemRoutes } from '@muster/contracts/system-routes'
import {
  webhookEventSchemas,
  webhookEventSummaries,
  webhookEventTypes,
  type WebhookEventType,
} from '@muster/contracts/webhook-event'
import { z } from 'zod'
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathItemObject,
  type ZodOpenApiPathsObject,
} from 'zod-openapi'

const PROBLEM = { 'application/problem+json': { schema: problemSchema } }

/** Standard Webhooks. */
const webhookHeaders = z.object({
  'webhook-id': z.string().meta({ description: 'The same on every repeat of the event.' }),
  'webhook-timestamp': z.string().meta({ description: 'Unix seconds of this attempt.' }),
  'webhook-signature': z.string().meta({
    description:
      'v1,<base64> of HMAC-SHA256 over id.timestamp.body for each secret, and v1a,<base64> of ed25519 where asked for; parted by spaces.',
  }),
})

interface Parameter {
  in: string
  schema?: { type?: unknown }
}
interface OpenApiDocument {
  openapi: string
  paths: Record<string, Record<string, { parameters?: Parameter[] }>>
}

function toOperation(route: Route): ZodOpenApiOperationObject {
  return {
    operationId: route.id,
    summary: route.summary,
    tags: [route.tag],
    ...(route.scope === null ? {} : { security: [{ api_key: [] }], 'x-required-scope': route.scope }),
    requestParams: {
      ...(route.params ? { path: route.params } : {}),
      ...(route.query ? { query: route.query } : {}),
      ...(route.headers ? { header: route.headers } : {}),
    },
    ...(route.streamedBody
      ? {
          requestBody: {
            required: true,
            content: Object.fromEntries(
              route.streamedBody.map((type) => [
                type,
                { schema: type === 'application/json' ? z.object({ items: z.array(batchItemSchema) }) : z.string() },
              ]),
            ),
          },
        }
      : {}),
    ...(route.body
      ? { requestBody: { required: !route.isBodyOptional, content: { 'application/json': { schema: route.body } } } }
      : {}),
    responses: Object.fromEntries(
      Object.entries(route.responses).map(([status, { description, schema, contentType = 'application/json' }]) => [
        status,
        {
          description,
          ...(schema ? { content: { [contentType]: { schema } } } : Number(status) >= 400 ? { content: PROBLEM } : {}),
        },
      ]),
    ),
  }
}

function toWebhook(type: WebhookEventType): ZodOpenApiPathItemObject {
  return {
    post: {
      summary: webhookEventSummaries[type],
      tags: ['Webhooks'],
      requestParams: { header: webhookHeaders },
      requestBody: { required: true, content: { 'application/json': { schema: webhookEventSchemas[type] } } },
      responses: {
        '2XX': { description: 'Delivered.' },
        410: { description: 'Nothing more is wanted: the endpoint is disabled.' },
        default: { description: 'Failed; sent again later, redirects are not followed.' },
      },
    },
  }
}

/** OpenAPI 3.1, made from the schemas that validate. */
export function createOpenApiDocument(): OpenApiDocument {
  const paths: ZodOpenApiPathsObject = {}
  for (const route of Object.values<Route>({ ...routes, ...systemRoutes }))
    paths[route.path] = { ...paths[route.path], [route.method]: toOperation(route) }
  const document = createDocument({
    openapi: '3.1.1',
    info: {
      title: 'Muster',
      version: '0.1.0',
      description:
        "Creates users in other companies' directories: one request, six providers. Accepted work is never lost, and no one is created twice.",
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    components: {
      securitySchemes: {
        api_key: { type: 'http', scheme: 'bearer', description: 'An API key of Muster, mk_live_… or mk_test_….' },
      },
    },
    webhooks: Object.fromEntries(webhookEventTypes.map((type) => [type, toWebhook(type)])),
    paths,
  }) as unknown as OpenApiDocument
  for (const path of Object.values(document.paths))
    for (const operation of Object.values(path)) operation.parameters?.forEach(writeObjectsInBrackets)
  return document
}

/**
 * By default, an object's keys would become parameters of their own: remote_query[activate]=false has its own style.
 */
function writeObjectsInBrackets(parameter: Parameter): void {
  if (parameter.in === 'query' && parameter.schema?.type === 'object')
    Object.assign(parameter, { style: 'deepObject', explode: true })
}
