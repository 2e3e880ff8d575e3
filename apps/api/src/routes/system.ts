import { createRequire } from 'node:module'
import path from 'node:path'
import express, { Router } from 'express'
import type { ApiDependencies } from '../dependencies.ts'
import { checkRedis } from '../redis-health.ts'
import { createOpenApiDocument } from '../openapi.ts'

const assets = path.dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))

const docsPage = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Muster API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css"><link rel="icon" href="/docs/favicon-32x32.png"></head>
<body><div id="swagger-ui"></div><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body>
</html>`
const docsScript = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, persistAuthorization: false })`

/** Health, metrics and documentation: open to everybody who can reach the port, and free of anybody's data. */
export function systemRoutes({ redis, metrics, isDraining }: ApiDependencies): Router {
  const router = Router()
  const document = JSON.stringify(createOpenApiDocument())
  router.get('/healthz', (_, response) => void response.json({ status: 'ok' }))
  router.get('/readyz', async (_, response) => {
    const health = await checkRedis(redis)
    const isReady = health.isReachable && !isDraining()
    response.status(isReady ? 200 : 503).json({ status: isReady ? 'ready' : 'not_ready', redis: health.isReachable, draining: isDraining(), warnings: health.warnings })
  })
  router.get('/metrics', async (_, response) => void response.type(metrics.registry.contentType).send(await metrics.registry.metrics()))
  router.get('/openapi.json', (_, response) => void response.type('application/json').send(document))
  router.get('/docs', (_, response) => void response.type('html').send(docsPage))
  router.get('/docs/start.js', (_, response) => void response.type('text/javascript').send(docsScript))
  router.use('/docs', express.static(assets, { index: false, maxAge: '1d' }))
  return router
}
