import type { ApiKeyResource } from '@muster/contracts/api-key'
import { routes } from '@muster/contracts/routes'
import { isTestKey, type ApiKeyRecord } from '@muster/store/tenants/tenants'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { fitPage, toPageOptions } from '../http/page.ts'
import { invalid, notFound } from '../http/request-error.ts'
import { checkMode, type Caller } from '../http/own-records.ts'

const toResource = ({ id, name, scopes, prefix, createdAt }: ApiKeyRecord): ApiKeyResource => ({
  id,
  name,
  scopes,
  prefix,
  created_at: new Date(createdAt).toISOString(),
})

/** A test key sees only test keys, so that it cannot revoke a live one. */
const isOwnKey = ({ isTest }: Caller, key: ApiKeyRecord): boolean => !isTest || isTestKey(key)

export function apiKeyRoutes({ store }: ApiDependencies) {
  return [
    defineEndpoint(routes.createApiKey, async ({ tenantId, caller, body }) => {
      const problems = checkMode(caller, body.mode)
      if (problems.length > 0) throw invalid(problems)
      const { record, apiKey } = await store.tenants.createApiKey(
        tenantId,
        body.name,
        [...new Set(body.scopes)],
        body.mode ?? 'live',
      )
      return { status: 201, headers: { 'cache-control': 'no-store' }, body: { ...toResource(record), api_key: apiKey } }
    }),
    defineEndpoint(routes.listApiKeys, async ({ tenantId, caller, query }) => {
      const { records, next } = await store.tenants.listApiKeys(tenantId, toPageOptions(query))
      const own = records.filter((key) => isOwnKey(caller, key))
      return { status: 200, body: fitPage(own.map(toResource), next, ({ id }) => id) }
    }),
    defineEndpoint(routes.revokeApiKey, async ({ tenantId, caller, params }) => {
      const key = await store.tenants.readApiKey(tenantId, params.id)
      if (!key || !isOwnKey(caller, key) || !(await store.tenants.revokeApiKey(tenantId, params.id)))
        throw notFound('API key')
      return { status: 204 }
    }),
  ]
}
