import { z } from 'zod'

/** A yes or no in a query, which knows text only. */
export const flag = z
  .stringbool({ truthy: ['true', '1'], falsy: ['false', '0'], case: 'sensitive' })
  .meta({ type: 'boolean' })
