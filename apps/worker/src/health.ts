import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { whyKeysDoNotFit } from '@muster/store/crypto/check-keys'
import type { Redis } from '@muster/store/redis/connect'
import { checkRedis } from '@muster/store/redis/health'
import type { Registry } from 'prom-client'

/** Skew creates no user twice, but waiting work starts too early or too late. */
const MAX_SKEW_MS = 2_000

export interface HealthOptions {
  host: string
  port: number
  redis: Redis
  registry: Registry
  clockSkewMs(): number
  checkKeys(): Promise<void>
}

interface Answer {
  status: number
  body: string
  type?: string
}

/**
 * /healthz: the event loop turns. /readyz: Redis is a primary that takes writes, the keys fit, and the worker is not
 * stopping. /metrics: Prometheus.
 */
export async function serveHealth(options: HealthOptions) {
  let isDraining = false
  const pages: Record<string, () => Promise<Answer>> = {
    '/healthz': async () => ({ status: 200, body: '{"status":"ok"}' }),
    '/readyz': () => readiness(options, isDraining),
    '/metrics': async () => ({
      status: 200,
      body: await options.registry.metrics(),
      type: options.registry.contentType,
    }),
  }
  const server = createServer((request, response) => {
    const page =
      pages[request.url?.split('?')[0] ?? ''] ?? (async () => ({ status: 404, body: '{"status":"not_found"}' }))
    const send = ({ status, body, type = 'application/json' }: Answer): void =>
      void response.writeHead(status, { 'content-type': type }).end(body)
    page().then(send, () => send({ status: 500, body: '{}' }))
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

async function readiness({ redis, clockSkewMs, checkKeys }: HealthOptions, isDraining: boolean): Promise<Answer> {
  const health = await checkRedis(redis)
  const wrongKeys = health.isUsable ? await whyKeysDoNotFit(checkKeys) : []
  const isReady = health.isUsable && wrongKeys.length === 0 && !isDraining
  const body = JSON.stringify({
    status: isReady ? 'ready' : 'not_ready',
    redis: health.isUsable,
    draining: isDraining,
    warnings: [...wrongKeys, ...health.warnings, ...skewWarnings(clockSkewMs())],
  })
  return { status: isReady ? 200 : 503, body }
}

function skewWarnings(exactSkewMs: number): string[] {
  const skewMs = Math.round(exactSkewMs)
  if (Math.abs(skewMs) <= MAX_SKEW_MS) return []
  return [
    `The clock of this machine differs from Redis' by ${skewMs} ms: delays and expiries come early or late by as much.`,
  ]
}
