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

const open = { method: 'get', tag: 'System', scope: null } as const

/** For probes, scrapers and readers: without a key, and free of anybody's data. */
export const systemRoutes = {
  health: route({
    ...open,
    id: 'health',
    path: '/healthz',
    summary: 'The process runs',
    responses: { 200: { description: 'It does.', schema: z.object({ status: z.literal('ok') }) } },
  }),
  readiness: route({
    ...open,
    id: 'readiness',
    path: '/readyz',
    summary: 'Requests can be served',
    responses: {
      200: { description: 'They can.', schema: readiness },
      503: {
        description: 'Redis is away or takes no writes, the keys do not fit it, or the process is stopping.',
        schema: readiness,
      },
    },
  }),
  metrics: route({
    ...open,
    id: 'metrics',
    path: '/metrics',
    summary: 'Metrics for Prometheus',
    responses: { 200: { description: 'Text format 0.0.4.', schema: z.string(), contentType: 'text/plain' } },
  }),
  openApi: route({
    ...open,
    id: 'openApi',
    path: '/openapi.json',
    summary: 'This document',
    responses: { 200: { description: 'OpenAPI 3.1.', schema: z.looseObject({ openapi: z.string() }) } },
  }),
  docs: route({
    ...open,
    id: 'docs',
    path: '/docs',
    summary: 'This document, for people',
    responses: { 200: { description: 'A page.', schema: z.string(), contentType: 'text/html' } },
  }),
} as const satisfies Record<string, Route>
