import { z } from 'zod'
import type { Scope } from './api-key.ts'
import type { HeldBound } from './bounds.ts'
import { idSchema } from './id.ts'

/**
 * One operation of the HTTP API, as data: the API validates by it, the OpenAPI document and the SDK are made from it.
 */
export interface Route {
  id: string
  method: 'get' | 'post' | 'patch' | 'delete'
  /** With `{name}` parameters. */
  path: string
  tag: string
  summary: string
  /** null: open to everybody. */
  scope: Scope | null
  params?: z.ZodObject
  query?: z.ZodObject
  headers?: z.ZodObject
  body?: z.ZodType
  /** True when a request without a body is fine. */
  isBodyOptional?: boolean
  /** Media types of a body that is handed to the handler as it comes in, unread. */
  streamedBody?: readonly string[]
  /** A request of it lasts, and is counted while it does. */
  holds?: HeldBound
  /** Every status it can answer with; from 400 on without a schema: a problem. */
  responses: Record<number, { description: string; schema?: z.ZodType; contentType?: string }>
}

export const idParams = z.strictObject({ id: idSchema })
export const pageSize = z
  .string()
  .regex(/^([1-9]\d?|100)$/, 'must be a number from 1 to 100')
  .transform(Number)
  .default(20)
  .meta({ type: 'integer', minimum: 1, maximum: 100, default: 20 })

/** Of the lists whose ids are ours. */
export const pageQuery = {
  limit: pageSize,
  cursor: idSchema.optional().meta({ description: 'next_cursor of the page before.' }),
}
export const pageSchema = <T extends z.ZodType>(item: T) =>
  z.object({ result: z.array(item), next_cursor: z.string().nullable() })
/** What a route that stores, starts or holds something can answer: docs/operating.md has the table. */
export const boundReached = {
  429: { description: 'A limit of the tenant is reached: detail says what makes room, Retry-After when to try again.' },
}

export const route = <R extends Route>(definition: R): R => definition

/** Sent with every create and every wait. RFC 7240. */
export const preferHeader = z.object({
  prefer: z.string().optional().meta({
    description:
      '`wait=N` holds the answer up to N (60 at most) seconds; `respond-async` does not; `handling=strict` refuses what the provider has no field for.',
  }),
})

export const idempotencyKeyHeader = z
  .string()
  .regex(/^("[\x20\x21\x23-\x7e]{1,255}"|[\x21\x23-\x7e]{1,255})$/, 'must be 1 to 255 visible ASCII characters')
  .transform((key) => key.replace(/^"(.*)"$/, '$1'))
  .meta({
    description:
      'Quoted or bare (draft-ietf-httpapi-idempotency-key-header-07). The same key with the same request is the same operation.',
  })

/** What any route that asks for a key can answer. */
export const refusals = {
  401: { description: 'No API key, or not a valid one.' },
  403: { description: 'The key lacks the scope.' },
  422: { description: 'Everything that is wrong with the input, at once.' },
  503: {
    description:
      'Redis is away. Retry-After says when to try again; with the same Idempotency-Key, nothing can happen twice.',
  },
}
export const notFound = { 404: { description: 'Not found, or owned by another tenant.' } }
/** What a route with a body can answer besides. */
export const bodyRefusals = {
  400: { description: 'Not JSON in UTF-8.' },
  413: { description: 'Too large.' },
  415: { description: 'Not application/json.' },
}
