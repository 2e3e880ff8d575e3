import { problemSchema } from '@muster/contracts/problem'
import type { Route } from '@muster/contracts/route'
import { routes } from '@muster/contracts/routes'
import { systemRoutes } from '@muster/contracts/system-routes'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi'

const PROBLEM = { 'application/problem+json': { schema: problemSchema } }

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
export function createOpenApiDocument(): Record<string, unknown> {
  const paths: ZodOpenApiPathsObject = {}
  for (const route of Object.values<Route>({ ...routes, ...systemRoutes })) paths[route.path] = { ...paths[route.path], [route.method]: toOperation(route) }
  return createDocument({
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
  }) as unknown as Record<string, unknown>
}
