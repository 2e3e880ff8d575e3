import { z } from 'zod'
import { apiKeyInputSchema, apiKeySchema, createdApiKeySchema } from './api-key.ts'
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

const keys = { tag: 'API keys', noun: 'API key', path: '/api-keys', scope: 'admin' } as const

export const apiKeyRoutes = {
  createApiKey: route({
    ...keys,
    id: 'createApiKey',
    method: 'post',
    summary: 'Create an API key',
    description:
      'The key is shown only once. A test key creates, lists and revokes test keys only. The first key of a tenant comes from the bootstrap command (docs/operating.md#tenants-and-keys).',
    body: apiKeyInputSchema,
    responses: {
      201: { description: 'The key, shown only once.', schema: createdApiKeySchema },
      ...boundReached,
      ...refusals,
      ...bodyRefusals,
    },
  }),
  listApiKeys: route({
    ...keys,
    id: 'listApiKeys',
    method: 'get',
    summary: 'List the API keys, oldest first',
    query: z.strictObject(pageQuery),
    responses: {
      200: { description: 'A page, without the keys themselves.', schema: pageSchema(apiKeySchema) },
      ...refusals,
    },
  }),
  revokeApiKey: route({
    ...keys,
    id: 'revokeApiKey',
    method: 'delete',
    path: `${keys.path}/{id}`,
    summary: 'Revoke an API key',
    description: 'It stops working within a second; requests that last, such as waits and streams, end then.',
    params: idParams,
    responses: { 204: { description: 'Revoked.' }, ...refusals, ...notFound },
  }),
} as const satisfies Record<string, Route>
