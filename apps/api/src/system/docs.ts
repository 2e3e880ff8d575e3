import { createRequire } from 'node:module'
import path from 'node:path'
import { systemRoutes } from '@muster/contracts/system-routes'
import type { Express } from 'express'

const folder = path.dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
/** The files of the package that the page needs. */
const assets = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png']

const page = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Muster API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css"><link rel="icon" href="/docs/favicon-32x32.png"></head>
<body><div id="swagger-ui"></div><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body>
</html>`
const script = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, persistAuthorization: false, validatorUrl: null })`

/** Swagger UI over /openapi.json, with nothing loaded from other servers. */
export function serveDocs(app: Express): void {
  app.get(systemRoutes.docs.path, (_, response) => void response.type('html').send(page))
  app.get('/docs/start.js', (_, response) => void response.type('text/javascript').send(script))
  for (const asset of assets)
    app.get(`/docs/${asset}`, (_, response) => response.sendFile(asset, { root: folder, maxAge: '1d' }))
}
