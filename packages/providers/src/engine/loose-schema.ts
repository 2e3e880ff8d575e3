import { z } from 'zod'

/**
 * For answers: a field of an unexpected type counts as absent. It must not make a user who was created look like none,
 * nor one who exists look absent.
 */
export const looseText = z.string().nullish().catch(null)
export const looseFlag = z.boolean().nullish().catch(null)
export const looseList = <T extends z.ZodType>(item: T) => z.array(item).nullish().catch(null)
