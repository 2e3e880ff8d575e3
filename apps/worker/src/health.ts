import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Redis } from '@muster/store/redis'
import type { Registry } from 'prom-client'

const PING_TIMEOUT_MS = 1_000
/** Nobody is created twice by it, but what waits is taken up too early or too late. */
const MAX_SKEW_MS = 2_000

/** /healthz: the event loop turns. /readyz: Redis answers, and the worker is not stopping. /metrics: Prometheus. */
export async function serveHealth(options: {
  host: string
  port: number
  redis: Redis
  registry: Registry
  clockSkewMs(): number
}) {
  let isDraining = false
  const isRedisThere = async (): Promise<boolean> => {
    const timeout = new Promise<false>((resolve) => setTimeout(() => resolve(false), PING_TIMEOUT_MS).unref())
    return Promise.race([
      options.redis.ping().then(
        () => true,
        () => false,
      ),
      timeout,
    ])
  }
  const server = createServer((request, response) => {
    const answer = (status: number, body: string, type = 'application/json'): void => {
      response.writeHead(status, { 'content-type': type }).end(body)
    }
    const path = request.url?.split('?')[0]
    if (path === '/healthz') return answer(200, '{"status":"ok"}')
    if (path === '/readyz') {
      void isRedisThere().then((isThere) => {
        const isReady = isThere && !isDraining
        const skewMs = Math.round(options.clockSkewMs())
        const warnings =
          Math.abs(skewMs) > MAX_SKEW_MS
            ? [
                `The clock of this machine differs from Redis' by ${skewMs} ms: delays and expiries come early or late by as much.`,
              ]
            : []
        answer(
          isReady ? 200 : 503,
          JSON.stringify({ status: isReady ? 'ready' : 'not_ready', redis: isThere, draining: isDraining, warnings }),
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
