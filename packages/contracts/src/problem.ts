import { z } from 'zod'
import { bounds, type BoundName } from './bounds.ts'
import { operationErrorSchema } from './operation.ts'

/**
 * One thing wrong with the request. `pointer` is an RFC 6901 pointer into the body, or `?name` for a query parameter.
 */
export const inputProblemSchema = z
  .object({ pointer: z.string(), detail: z.string(), code: z.string() })
  .meta({ id: 'InputProblem' })
export type InputProblem = z.infer<typeof inputProblemSchema>

export const rejectedRowSchema = z
  .object({ row: z.int(), line: z.int().nullable(), errors: z.array(inputProblemSchema) })
  .meta({ id: 'RejectedRow' })

const boundNames = Object.keys(bounds) as [BoundName, ...BoundName[]]

/** Members that some codes add. */
const furtherMembers = z
  .object({
    bound: z.enum(boundNames).meta({ description: 'too_many_requests, payload_too_large: which limit is reached.' }),
    limit: z
      .int()
      .meta({ description: 'With bound: the limit, a number of things, or of bytes for payload_too_large.' }),
    required_scope: z.string().meta({ description: 'forbidden: what the API key lacks.' }),
    record: z.string().meta({ description: 'record_unreadable: the record that cannot be decrypted.' }),
    operation: z.string().meta({ description: 'The path of the operation that it is about.' }),
    operation_id: z.uuid(),
    batch: z.string().meta({ description: 'Of an upload that was partly accepted: the path of its batch.' }),
    batch_id: z.uuid(),
    upload_error: z
      .string()
      .meta({ description: 'malformed_upload, payload_too_large: why the upload cannot be read any further.' }),
    line: z.int().nullable().meta({ description: 'With upload_error.' }),
    byte: z.int().nullable().meta({
      description: 'With upload_error: of the unpacked upload, the byte that cannot be read, counted from 1.',
    }),
    rows: z.int().meta({ description: 'on_invalid=reject_all.' }),
    rejected: z.int().meta({ description: 'on_invalid=reject_all.' }),
    rejected_rows: z.array(rejectedRowSchema).meta({ description: 'on_invalid=reject_all: the first hundred.' }),
    origin: operationErrorSchema.shape.origin.meta({ description: 'Of a failed operation, with Prefer: wait.' }),
    retryable: operationErrorSchema.shape.retryable,
    hint: operationErrorSchema.shape.hint,
    provider_status: operationErrorSchema.shape.provider_status,
    raw_response: operationErrorSchema.shape.raw_response,
    remote_id: z.string().nullable().meta({ description: 'user_exists: the existing user.' }),
  })
  .partial()

/** RFC 9457 problem details. */
export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().meta({ description: 'Stable; branch on this.' }),
    request_id: z.string(),
    errors: z
      .array(inputProblemSchema)
      .optional()
      .meta({ description: 'Every problem of the input, reported at once.' }),
    ...furtherMembers.shape,
  })
  .meta({ id: 'Problem' })
export type Problem = z.infer<typeof problemSchema>
