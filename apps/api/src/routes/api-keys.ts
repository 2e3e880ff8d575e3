import type { ApiKeyResource } from '@muster/contracts/api-key'
import { routes } from '@muster/contracts/routes'
import type { ApiKeyRecord } from '@muster/store/tenants'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { fitPage, toPageOptions } from '../http/page.ts'
import { notFound } from '../http/request-error.ts'

const toResource = ({ id, name, scopes, prefix, createdAt }: ApiKeyRecord): ApiKeyResource => ({
  id,
  name,
  scopes,
  prefix,
  created_at: new Date(createdAt).toISOString(),
})

export function apiKeyRoutes({ store }: ApiDependencies) {
  return [
    defineEndpoint(routes.createApiKey, async ({ tenantId, body }) => {
      const { record, apiKey } = await store.tenants.createApiKey(
        tenantId,
        body.name,
        [...new Set(body.scopes)],
        body.mode ?? 'live',
      )
      return { status: 201, headers: { 'cache-control': 'no-store' }, body: { ...toResource(record), api_key: apiKey } }
    }),
    defineEndpoint(routes.listApiKeys, async ({ tenantId, query }) => {
      const { records, next } = await store.tenants.listApiKeys(tenantId, toPageOptions(query))
      return { status: 200, body: fitPage(records.map(toResource), next, ({ id }) => id) }
    }),
    defineEndpoint(routes.revokeApiKey, async ({ tenantId, params }) => {
      if (!(await store.tenants.revokeApiKey(tenantId, params.id))) throw notFound('API key')
      return { status: 204 }
    }),
  ]
}
