import { systemRoutes } from '@muster/contracts/system-routes'
import { whyKeysDoNotFit } from '@muster/store/crypto/check-keys'
import { checkRedis } from '@muster/store/redis/health'
import type { Express } from 'express'
import type { ApiDependencies } from '../dependencies.ts'
import { createOpenApiDocument } from './openapi.ts'

/** Health, metrics and the OpenAPI document: open to everyone, without data of tenants. Probes may add parameters. */
export function serveSystem(
  app: Express,
  { redis, metrics, isDraining, store }: Pick<ApiDependencies, 'redis' | 'metrics' | 'isDraining' | 'store'>,
): void {
  const document = JSON.stringify(createOpenApiDocument())
  app.get(systemRoutes.health.path, (_, response) => void response.json({ status: 'ok' }))
  app.get(systemRoutes.readiness.path, async (_, response) => {
    const [health, wrongKeys] = await Promise.all([checkRedis(redis), whyKeysDoNotFit(store.checkKeys)])
    const isReady = health.isUsable && wrongKeys.length === 0 && !isDraining()
    response.status(isReady ? 200 : 503).json({
      status: isReady ? 'ready' : 'not_ready',
      redis: health.isUsable,
      draining: isDraining(),
      warnings: [...wrongKeys, ...health.warnings],
    })
  })
  app.get(
    systemRoutes.metrics.path,
    async (_, response) => void response.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  )
  app.get(systemRoutes.openApi.path, (_, response) => void response.type('application/json').send(document))
}
