import { z } from 'zod'

/**
 * One thing wrong with the request. `pointer` is an RFC 6901 pointer into the body, or `?name` for a query parameter.
 */
export const inputProblemSchema = z
  .object({ pointer: z.string(), detail: z.string(), code: z.string() })
  .meta({ id: 'InputProblem' })
export type InputProblem = z.infer<typeof inputProblemSchema>

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
  })
  .meta({ id: 'Problem' })
export type Problem = z.infer<typeof problemSchema>
