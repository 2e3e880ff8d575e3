import { mapColumns } from '@muster/bulk/column-mapping'
import { UploadError } from '@muster/bulk/upload-error'
import { routes } from '@muster/contracts/routes'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { invalid, notFound, RequestError } from '../http/request-error.ts'

const MAX_MAPPINGS = 100

export function columnMappingRoutes({ store }: ApiDependencies) {
  return [
    defineEndpoint(routes.saveColumnMapping, async ({ tenantId, body }) => {
      try {
        mapColumns(Object.keys(body.columns), body.columns)
      } catch (error) {
        if (!(error instanceof UploadError)) throw error
        throw invalid([{ pointer: '/columns', code: error.code, detail: error.detail }])
      }
      const saved = await store.columnMappings.list(tenantId)
      if (saved.length >= MAX_MAPPINGS && !saved.some(({ name }) => name === body.name))
        throw new RequestError(
          'too_many_requests',
          `There are ${saved.length} mappings, and no more are allowed: remove one first.`,
        )
      await store.columnMappings.save(tenantId, body)
      return { status: 200, body }
    }),
    defineEndpoint(routes.listColumnMappings, async ({ tenantId }) => ({
      status: 200,
      body: { result: await store.columnMappings.list(tenantId) },
    })),
    defineEndpoint(routes.deleteColumnMapping, async ({ tenantId, params }) => {
      if (!(await store.columnMappings.remove(tenantId, params.name))) throw notFound('column mapping')
      return { status: 204 }
    }),
  ]
}
