import { z } from 'zod'
import { route, type Route } from './route.ts'

const readiness = z
  .object({
    status: z.enum(['ready', 'not_ready']),
    redis: z.boolean().meta({ description: 'Redis answers, is a primary, and takes writes.' }),
    draining: z.boolean().meta({ description: 'The process is stopping.' }),
    warnings: z.array(z.string()).meta({
      description:
        'Why Redis cannot be used, keys that do not fit it, and settings of it that would lose acknowledged work.',
    }),
  })
  .meta({ id: 'Readiness' })

const open = { method: 'get', tag: 'System', noun: 'page', scope: null } as const

/** For probes, scrapers and readers: without a key, and without data of any tenant. */
export const systemRoutes = {
  health: route({
    ...open,
    id: 'health',
    path: '/healthz',
    summary: 'Liveness: the process runs',
    description: 'Redis is not asked. The worker has this, /readyz and /metrics on a port of its own.',
    responses: { 200: { description: 'It runs.', schema: z.object({ status: z.literal('ok') }) } },
  }),
  readiness: route({
    ...open,
    id: 'readiness',
    path: '/readyz',
    summary: 'Readiness: requests can be served',
    description:
      '503 when Redis does not answer or takes no writes, when the encryption keys do not fit it, or while the process is stopping. `warnings` say why, and name settings of Redis that can lose work (docs/operating.md#redis).',
    responses: {
      200: { description: 'Ready.', schema: readiness },
      503: {
        description: 'Redis cannot be used, the encryption keys do not fit it, or the process is stopping.',
        schema: readiness,
      },
    },
  }),
  metrics: route({
    ...open,
    id: 'metrics',
    path: '/metrics',
    summary: 'Metrics for Prometheus',
    description: 'docs/operating.md#metrics lists them.',
    responses: { 200: { description: 'Text format 0.0.4.', schema: z.string(), contentType: 'text/plain' } },
  }),
  openApi: route({
    ...open,
    id: 'openApi',
    path: '/openapi.json',
    summary: 'The API as OpenAPI 3.1',
    description: 'Generated from the schemas that validate.',
    responses: { 200: { description: 'OpenAPI 3.1.', schema: z.looseObject({ openapi: z.string() }) } },
  }),
  docs: route({
    ...open,
    id: 'docs',
    path: '/docs',
    summary: 'The API to read and try, in a browser',
    responses: { 200: { description: 'A page.', schema: z.string(), contentType: 'text/html' } },
  }),
} as const satisfies Record<string, Route>
