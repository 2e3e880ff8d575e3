import { z } from 'zod'

const unreadableRecordSchema = z
  .object({ id: z.uuid(), reason: z.string().meta({ description: 'For the operator of Muster: which key it lacks.' }) })
  .meta({ id: 'UnreadableRecord' })
export type UnreadableRecord = z.infer<typeof unreadableRecordSchema>

/** Beside the `result` of a list. */
export const unreadableRecordsSchema = z.array(unreadableRecordSchema).optional().meta({
  description: 'What belongs to this page and cannot be read, a hundred at most; left out where everything can.',
})
