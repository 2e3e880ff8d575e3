import { problemSchema } from '@muster/contracts/problem'
import type { Route } from '@muster/contracts/route'
import { routes } from '@muster/contracts/routes'
import { systemRoutes } from '@muster/contracts/system-routes'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi'

const PROBLEM = { 'application/problem+json': { schema: problemSchema } }

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
    requestParams: { ...(route.params ? { path: route.params } : {}), ...(route.query ? { query: route.query } : {}), ...(route.headers ? { header: route.headers } : {}) },
    ...(route.body ? { requestBody: { required: !route.isBodyOptional, content: { 'application/json': { schema: route.body } } } } : {}),
    responses: Object.fromEntries(
      Object.entries(route.responses).map(([status, { description, schema, contentType = 'application/json' }]) => [
        status,
        { description, ...(schema ? { content: { [contentType]: { schema } } } : Number(status) >= 400 ? { content: PROBLEM } : {}) },
      ]),
    ),
  }
}

/** OpenAPI 3.1, made from the schemas that validate. */
export function createOpenApiDocument(): OpenApiDocument {
  const paths: ZodOpenApiPathsObject = {}
  for (const route of Object.values<Route>({ ...routes, ...systemRoutes })) paths[route.path] = { ...paths[route.path], [route.method]: toOperation(route) }
  const document = createDocument({
    openapi: '3.1.1',
    info: {
      title: 'Muster',
      version: '0.1.0',
      description: "Creates users in other companies' directories: one request, six providers. Accepted work is never lost, and nobody is created twice.",
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    components: { securitySchemes: { api_key: { type: 'http', scheme: 'bearer', description: 'An API key of Muster, mk_live_… or mk_test_….' } } },
    paths,
  }) as unknown as OpenApiDocument
  for (const path of Object.values(document.paths)) for (const operation of Object.values(path)) operation.parameters?.forEach(writeObjectsInBrackets)
  return document
}

/** By default, an object's keys would become parameters of their own: remote_query[activate]=false has its own style. */
function writeObjectsInBrackets(parameter: Parameter): void {
  if (parameter.in === 'query' && parameter.schema?.type === 'object') Object.assign(parameter, { style: 'deepObject', explode: true })
}
