import { z } from 'zod'

/** A boolean in a query, which has only text. */
export const flag = z
  .stringbool({ truthy: ['true', '1'], falsy: ['false', '0'], case: 'sensitive' })
  .meta({ type: 'boolean' })
