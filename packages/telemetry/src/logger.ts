import { pino, type Logger } from 'pino'

export type { Logger } from 'pino'

/**
 * Errors are logged by an allow-list. A serializer that copies every property copies request bodies and tokens too: body-parser and HTTP
 * clients hang them on their errors. The message is left out of the stack, since it can quote input.
 */
export function safeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error }
  const code = (error as { code?: unknown }).code
  const frames = error.stack?.split('\n').filter((line) => /^\s+at /.test(line)).slice(0, 6).map((line) => line.trim())
  return { type: error.name, ...(typeof code === 'string' ? { code } : {}), stack: frames }
}

export function createLogger(level: string, name: string): Logger {
  return pino({ level, base: { name }, serializers: { err: safeError, error: safeError }, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } })
}
