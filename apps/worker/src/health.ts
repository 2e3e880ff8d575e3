import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { whyKeysDoNotFit } from '@muster/store/crypto/check-keys'
import type { Redis } from '@muster/store/redis/connect'
import { checkRedis } from '@muster/store/redis/health'
import type { Registry } from 'prom-client'

/** Nobody is created twice by it, but what waits is taken up too early or too late. */
const MAX_SKEW_MS = 2_000

/**
 * /healthz: the event loop turns. /readyz: Redis is a primary that takes writes, the keys fit, and the worker is not stopping.
 * /metrics: Prometheus.
 */
export async function serveHealth(options: {
  host: string
  port: number
  redis: Redis
  registry: Registry
  clockSkewMs(): number
  checkKeys(): Promise<void>
}) {
  let isDraining = false
  const server = createServer((request, response) => {
    const answer = (status: number, body: string, type = 'application/json'): void => {
      response.writeHead(status, { 'content-type': type }).end(body)
    }
    const path = request.url?.split('?')[0]
    if (path === '/healthz') return answer(200, '{"status":"ok"}')
    if (path === '/readyz') {
      void checkRedis(options.redis).then(async (health) => {
        const wrongKeys = health.isUsable ? await whyKeysDoNotFit(options.checkKeys) : []
        const isReady = health.isUsable && wrongKeys.length === 0 && !isDraining
        answer(
          isReady ? 200 : 503,
          JSON.stringify({
            status: isReady ? 'ready' : 'not_ready',
            redis: health.isUsable,
            draining: isDraining,
            warnings: [...wrongKeys, ...health.warnings, ...skewWarnings(options.clockSkewMs())],
          }),
        )
      })
      return
    }
    if (path === '/metrics') {
      void options.registry.metrics().then(
        (text) => answer(200, text, options.registry.contentType),
        () => answer(500, '{}'),
      )
      return
    }
    answer(404, '{"status":"not_found"}')
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    drain(): void {
      isDraining = true
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function skewWarnings(exactSkewMs: number): string[] {
  const skewMs = Math.round(exactSkewMs)
  if (Math.abs(skewMs) <= MAX_SKEW_MS) return []
  return [
    `The clock of this machine differs from Redis' by ${skewMs} ms: delays and expiries come early or late by as much.`,
  ]
}
