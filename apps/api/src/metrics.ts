import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client'

/** Labels are few and bounded: routes by their id, never by their path. */
export function createApiMetrics() {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  return {
    registry,
    requests: new Histogram({
      name: 'muster_http_request_seconds',
      help: 'Requests by route and status, waits of Prefer included.',
      labelNames: ['route', 'status'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
      registers,
    }),
    accepted: new Counter({
      name: 'muster_operations_accepted_total',
      help: 'Operations acknowledged.',
      labelNames: ['provider'],
      registers,
    }),
    refused: new Counter({
      name: 'muster_operations_refused_total',
      help: 'Creates that were not accepted, by the reason.',
      labelNames: ['reason'],
      registers,
    }),
  }
}
export type ApiMetrics = ReturnType<typeof createApiMetrics>
