import type { Route } from '@muster/contracts/route'
import express, { type Express } from 'express'
import type { ApiDependencies } from './dependencies.ts'
import { answerErrors, assignRequestId } from './http/answer-errors.ts'
import { checkHead } from './http/check-head.ts'
import type { Endpoint } from './http/endpoint.ts'
import { refuseOtherMethods } from './http/refuse-other-methods.ts'
import { RequestError } from './http/request-error.ts'
import { setSecurityHeaders } from './http/security-headers.ts'
import { serveEndpoint } from './http/serve-endpoint.ts'
import { apiKeyRoutes } from './system/api-keys.ts'
import { batchRoutes } from './batches/batches.ts'
import { columnMappingRoutes } from './batches/column-mappings.ts'
import { createUser } from './operations/create-user.ts'
import { createUsers } from './batches/create-users.ts'
import { describeCreate } from './operations/describe-create.ts'
import { integratedAccountRoutes } from './accounts/integrated-accounts.ts'
import { operationRoutes } from './operations/operations.ts'
import { serveDocs } from './system/docs.ts'
import { serveSystem } from './system/system.ts'
import { deliveryRoutes } from './webhooks/deliveries.ts'
import { secretRoutes } from './webhooks/rotate-secrets.ts'
import { webhookEndpointRoutes } from './webhooks/webhook-endpoints.ts'

const toExpressPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1')

/** Middleware and routes, in order. */
export function createApp(dependencies: ApiDependencies): Express {
  const app = express()
  app.disable('x-powered-by').disable('etag').set('query parser', false)
  app.use(assignRequestId)
  app.use(setSecurityHeaders)
  app.use(checkHead)
  for (const endpoint of endpointsOf(dependencies)) {
    const { method, path }: Route = endpoint.route
    app[method](toExpressPath(path), serveEndpoint(dependencies, endpoint))
  }
  serveSystem(app, dependencies)
  serveDocs(app)
  refuseOtherMethods(app, toExpressPath)
  app.use(() => {
    throw new RequestError('not_found', 'There is no such path; /openapi.json lists all paths.')
  })
  app.use(answerErrors(dependencies))
  return app
}

const endpointsOf = (dependencies: ApiDependencies): Endpoint[] => [
  createUser(dependencies),
  createUsers(dependencies),
  describeCreate(dependencies),
  ...operationRoutes(dependencies),
  ...batchRoutes(dependencies),
  ...columnMappingRoutes(dependencies),
  ...integratedAccountRoutes(dependencies),
  ...apiKeyRoutes(dependencies),
  ...webhookEndpointRoutes(dependencies),
  ...deliveryRoutes(dependencies),
  ...secretRoutes(dependencies),
]
