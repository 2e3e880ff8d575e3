import { z } from 'zod'
import type { Scope } from './api-key.ts'
import type { HeldBound } from './bounds.ts'
import { idSchema } from './id.ts'

/** One route of the HTTP API as data: the API validates by it; OpenAPI and docs/api.md are generated from it. */
export interface Route {
  id: string
  method: 'get' | 'post' | 'patch' | 'delete'
  /** With `{name}` parameters. */
  path: string
  /** The group it is listed under. */
  tag: string
  /** What its path is about, as in "There is no such integrated account". */
  noun: string
  summary: string
  /** What the summary leaves out, in plain sentences. Pages are named as docs/bulk.md#limits. */
  description?: string
  /** null: open to everyone. */
  scope: Scope | null
  params?: z.ZodObject
  query?: z.ZodObject
  headers?: z.ZodObject
  body?: z.ZodType
  /**
   * Spaces and invisible characters in its texts are dealt with before its schema sees it; `trim=false` keeps spaces.
   */
  hasCleanTexts?: boolean
  /** True when a request without a body is fine. */
  isBodyOptional?: boolean
  /** Media types of a body that the handler reads itself, as it arrives. */
  streamedBody?: readonly string[]
  /** Its requests last, and count against this bound meanwhile. */
  holds?: HeldBound
  /** Every status it can answer with. From 400 on, the body is a problem unless a schema is given. */
  responses: Record<number, { description: string; schema?: z.ZodType; contentType?: string }>
}

export const idParams = z.strictObject({ id: idSchema })
export const pageSize = z
  .string()
  .regex(/^([1-9]\d?|100)$/, 'must be a number from 1 to 100')
  .transform(Number)
  .default(20)
  .meta({ type: 'integer', minimum: 1, maximum: 100, default: 20 })

/** For lists that are paged by an id of Muster. */
export const pageQuery = {
  limit: pageSize,
  cursor: idSchema.optional().meta({ description: 'next_cursor of the page before.' }),
}
export const pageSchema = <T extends z.ZodType>(item: T) =>
  z.object({ result: z.array(item), next_cursor: z.string().nullable() })
/** For routes that store, start or hold something; docs/operating.md has the table of limits. */
export const boundReached = {
  429: {
    description: 'A limit of the tenant is reached: detail says how to make room, Retry-After when to try again.',
  },
}

export const route = <R extends Route>(definition: R): R => definition

/** RFC 7240. */
export const preferHeader = z.object({
  prefer: z.string().optional().meta({
    description:
      '`wait=N` delays the answer until the end, up to N seconds (at most 60). `respond-async` answers at once, whatever else is preferred. `handling=strict` refuses fields that the provider has no place for, instead of warning.',
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

/** For every route that requires a key. */
export const refusals = {
  401: { description: 'No API key, or not a valid one.' },
  403: { description: 'The key lacks the scope.' },
  422: { description: 'The input is invalid; errors lists every problem at once.' },
  503: {
    description:
      'Redis cannot be reached. Retry-After says when to try again; with the same Idempotency-Key, nothing can happen twice.',
  },
}
export const notFound = { 404: { description: 'Not found, or owned by another tenant.' } }
/** For routes with a body. */
export const bodyRefusals = {
  400: { description: 'The body is not JSON in UTF-8.' },
  413: { description: 'The body is too large.' },
  415: { description: 'The body is not application/json.' },
}
