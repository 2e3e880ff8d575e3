import { mapColumns } from '@muster/bulk/column-mapping'
import { UploadError } from '@muster/bulk/upload-error'
import { refuseLarge } from '@muster/contracts/bounds'
import { routes } from '@muster/contracts/routes'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { fitPage, toPageOptions } from '../http/page.ts'
import { invalid, notFound } from '../http/request-error.ts'
import { modeOf } from '../http/own-records.ts'

export function columnMappingRoutes({ store }: ApiDependencies) {
  return [
    defineEndpoint(routes.saveColumnMapping, async ({ tenantId, caller, body }) => {
      refuseLarge('columnMappings', Buffer.byteLength(JSON.stringify(body.columns)))
      try {
        mapColumns(Object.keys(body.columns), body.columns)
      } catch (error) {
        if (!(error instanceof UploadError)) throw error
        throw invalid([{ pointer: '/columns', code: error.code, detail: error.detail }])
      }
      await store.columnMappings.save(tenantId, body, modeOf(caller))
      return { status: 200, body }
    }),
    defineEndpoint(routes.listColumnMappings, async ({ tenantId, caller, query }) => {
      const { mappings, next } = await store.columnMappings.list(tenantId, toPageOptions(query), modeOf(caller))
      return { status: 200, body: fitPage(mappings, next, ({ name }) => name) }
    }),
    defineEndpoint(routes.deleteColumnMapping, async ({ tenantId, caller, params }) => {
      if (!(await store.columnMappings.remove(tenantId, params.name, modeOf(caller)))) throw notFound('column mapping')
      return { status: 204 }
    }),
  ]
}
