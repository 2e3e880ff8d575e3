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
  type ZodOpenApiRequestBodyObject,
  type ZodOpenApiResponsesObject,
  type oas31,
} from 'zod-openapi'

const PROBLEM = { 'application/problem+json': { schema: problemSchema } }

/** Standard Webhooks. */
const webhookHeaders = z.object({
  'webhook-id': z.string().meta({ description: 'The same on every repeat of the event.' }),
  'webhook-timestamp': z.string().meta({ description: 'Unix seconds of this attempt.' }),
  'webhook-signature': z.string().meta({
    description:
      'v1,<base64> of HMAC-SHA256 over id.timestamp.body for each secret, and v1a,<base64> of ed25519 where requested; separated by spaces.',
  }),
})

function toOperation(route: Route): ZodOpenApiOperationObject {
  const requestBody = toRequestBody(route)
  return {
    operationId: route.id,
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    tags: [route.tag],
    ...(route.scope === null ? {} : { security: [{ api_key: [] }], 'x-required-scope': route.scope }),
    requestParams: {
      ...(route.params ? { path: route.params } : {}),
      ...(route.query ? { query: route.query } : {}),
      ...(route.headers ? { header: route.headers } : {}),
    },
    ...(requestBody ? { requestBody } : {}),
    responses: toResponses(route),
  }
}

function toRequestBody({ body, isBodyOptional, streamedBody }: Route): ZodOpenApiRequestBodyObject | undefined {
  if (body) return { required: !isBodyOptional, content: { 'application/json': { schema: body } } }
  if (!streamedBody) return undefined
  const schemaOf = (type: string) =>
    type === 'application/json' ? z.object({ items: z.array(batchItemSchema) }) : z.string()
  return {
    required: true,
    content: Object.fromEntries(streamedBody.map((type) => [type, { schema: schemaOf(type) }])),
  }
}

function toResponses({ responses }: Route): ZodOpenApiResponsesObject {
  return Object.fromEntries(
    Object.entries(responses).map(([status, { description, schema, contentType = 'application/json' }]) => {
      if (schema) return [status, { description, content: { [contentType]: { schema } } }]
      return [status, Number(status) >= 400 ? { description, content: PROBLEM } : { description }]
    }),
  )
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
        410: { description: 'No more events, please: the endpoint is disabled.' },
        default: { description: 'Failed; sent again later, redirects are not followed.' },
      },
    },
  }
}

/** OpenAPI 3.1, made from the schemas that validate. */
export function createOpenApiDocument(): oas31.OpenAPIObject {
  const paths: ZodOpenApiPathsObject = {}
  for (const route of Object.values<Route>({ ...routes, ...systemRoutes }))
    paths[route.path] = { ...paths[route.path], [route.method]: toOperation(route) }
  const document = createDocument({
    openapi: '3.1.1',
    info: {
      title: 'Muster',
      version: '0.1.0',
      description:
        "Creates users in other companies' directories: one request, six providers. Accepted work is never lost, and no user is created twice.",
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
  })
  for (const { get, post, patch, delete: remove } of Object.values(document.paths ?? {}))
    for (const operation of [get, post, patch, remove]) operation?.parameters?.forEach(writeObjectsInBrackets)
  return document
}

/** `remote_query[activate]=false`; by default each key of an object would be a parameter of its own. */
function writeObjectsInBrackets(parameter: oas31.ParameterObject | oas31.ReferenceObject): void {
  if (!('in' in parameter) || parameter.in !== 'query' || !parameter.schema) return
  if ('type' in parameter.schema && parameter.schema.type === 'object')
    Object.assign(parameter, { style: 'deepObject', explode: true })
}
