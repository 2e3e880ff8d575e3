import type { z } from 'zod'

const TYPES: Record<string, string> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
}

/** The unit of a value that has a length. */
const COUNTED: Record<string, { one: string; many: string }> = {
  string: { one: 'character', many: 'characters' },
  array: { one: 'entry', many: 'entries' },
}

/** Messages for `safeParse`, in the style of the schemas' own; they quote no value. Undefined: zod's message. */
export const issueWords: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is required'
      return issue.expected in TYPES ? `must be ${TYPES[issue.expected]}` : undefined
    case 'too_small':
      if (issue.origin in COUNTED && issue.minimum === 1) return 'must not be empty'
      return bounded(issue.origin, issue.inclusive ? 'at least' : 'more than', issue.minimum)
    case 'too_big':
      return bounded(issue.origin, issue.inclusive ? 'at most' : 'less than', issue.maximum)
    case 'invalid_value': {
      const allowed = issue.values.map((value) => JSON.stringify(value))
      return `must be ${allowed.length > 1 ? 'one of ' : ''}${allowed.join(', ')}`
    }
    case 'invalid_format':
      return issue.format === 'uuid' ? 'must be a UUID' : undefined
    default:
      return undefined
  }
}

function bounded(origin: string, how: string, limit: number | bigint): string {
  const counted = COUNTED[origin]
  return counted ? `must have ${how} ${limit} ${limit === 1 ? counted.one : counted.many}` : `must be ${how} ${limit}`
}
