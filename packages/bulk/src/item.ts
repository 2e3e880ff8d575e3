import { rowBounds } from '@muster/contracts/bounds'
import { createUserQuerySchema } from '@muster/contracts/create-user-parameters'
import type { InputProblem } from '@muster/contracts/problem'
import { unifiedUserInputSchema } from '@muster/contracts/unified-user'
import { checkValue, escapePointer } from '@muster/contracts/untrusted-value'

export const userFields: ReadonlySet<string> = new Set(Object.keys(unifiedUserInputSchema.shape))

/** Parameters of a create that are said of a whole upload, never of one row. */
const ofUpload: ReadonlySet<string> = new Set(['dry_run', 'trim'])

/** What may stand beside the user: the parameters of a create. */
export const itemOptions: ReadonlySet<string> = new Set(
  Object.keys(createUserQuerySchema.shape).filter((name) => !ofUpload.has(name)),
)

export interface ParsedItem {
  /** `{ …options, user: {…} }` */
  value: Record<string, unknown> | undefined
  problems: InputProblem[]
}

/**
 * Nested, or flat with the fields of the user beside the options; what comes back is nested. What the fields hold is
 * for the schemas.
 */
export function toItem(value: unknown): ParsedItem {
  if (!isObject(value))
    return {
      value: undefined,
      problems: [{ pointer: '', code: 'not_an_object', detail: 'An item must be an object.' }],
    }
  const unsafe = checkValue(value, 'row', rowBounds.values)
  if (unsafe.length > 0) return { value: undefined, problems: unsafe }
  const isNested = Object.hasOwn(value, 'user')
  const item: Record<string, unknown> = {}
  const user: Record<string, unknown> = {}
  const problems: InputProblem[] = []
  for (const [name, inner] of Object.entries(value)) {
    const pointer = `/${escapePointer(name)}`
    if (itemOptions.has(name)) item[name] = inner
    else if (name === 'user') continue
    else if (!userFields.has(name)) problems.push({ pointer, code: 'unknown_field', detail: 'There is no such field.' })
    else if (isNested)
      problems.push({
        pointer,
        code: 'field_beside_user',
        detail: 'Where user is given, the fields of the user belong into it.',
      })
    else user[name] = inner
  }
  if (isNested && !isObject(value.user))
    problems.push({ pointer: '/user', code: 'not_an_object', detail: 'The user must be an object.' })
  return { value: { ...item, user: isNested ? value.user : user }, problems }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
