import { z } from 'zod'
import { bounds, type SettableBound } from '@muster/contracts/bounds'
import { issueWords } from '@muster/contracts/issue-words'

/** A setting with a parser of its own, which throws a RangeError in one clear sentence that quotes no secret. */
export function parsedBy<T>(parse: (text: string) => T) {
  return z.string().transform((text, context): T => {
    try {
      return parse(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'cannot be read' })
      return z.NEVER
    }
  })
}

export const logLevelSchema = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
export const portSchema = z.coerce.number().int().min(0).max(65_535)
export const redisUrlSchema = z.string().regex(/^rediss?:\/\//, 'must begin with redis:// or rediss://')

/** The limit that an operator sets, within those of packages/contracts/src/bounds.ts. */
export const boundSetting = (name: SettableBound) =>
  z.coerce.number().int().min(1).max(bounds[name].setting.most).default(bounds[name].most)

/** @throws RangeError with one line that names every bad setting and no value. */
export function readSettings<S extends z.ZodType>(
  schema: S,
  environment: Record<string, string | undefined>,
): z.output<S> {
  // An empty setting is an absent one: compose files write `NAME=`.
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== ''),
  )
  const parsed = schema.safeParse(given, { error: issueWords })
  if (parsed.success) return parsed.data
  throw new RangeError(
    `Bad settings: ${parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ')}.`,
  )
}
