import { z } from 'zod'
import { vendors } from './registry.ts'

const schema = z.object({
  /** The first vendor's port; the others follow. 0: a free port for each. */
  MUSTER_SIMULATOR_PORT: z
    .stringFormat('port', /^\d{1,5}$/)
    .transform(Number)
    .refine((port) => port <= 65_536 - vendors.length, 'must leave room for a port per vendor below 65536')
    .default(9100),
  MUSTER_SIMULATOR_HOST: z.string().min(1).default('127.0.0.1'),
})

/** Throws an Error whose message is one line. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env) {
  const parsed = schema.safeParse(environment)
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    throw new Error(`Bad settings: ${issues.join('; ')}`)
  }
  return { port: parsed.data.MUSTER_SIMULATOR_PORT, host: parsed.data.MUSTER_SIMULATOR_HOST }
}
