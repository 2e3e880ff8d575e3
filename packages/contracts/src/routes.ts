import { accountRoutes } from './account-routes.ts'
import { apiKeyRoutes } from './api-key-routes.ts'
import { batchRoutes } from './batch-routes.ts'
import { operationRoutes } from './operation-routes.ts'
import { userRoutes } from './user-routes.ts'
import { webhookRoutes } from './webhook-routes.ts'

/** Every route that requires an API key, in the order of the documents; system-routes.ts has the others. */
export const routes = {
  ...userRoutes,
  ...operationRoutes,
  ...batchRoutes,
  ...accountRoutes,
  ...webhookRoutes,
  ...apiKeyRoutes,
}
