import { pino, stdTimeFunctions, type DestinationStream, type Logger, type LoggerOptions } from 'pino'
import { createLogStream } from './log-stream.ts'

export type { Logger } from 'pino'

const MAX_FRAMES = 6
/** `at run (file:1:2)`, `at file:1:2`, `at Array.map (<anonymous>)`: what V8 writes, and nothing with words in it. */
const FRAME = /^\s+at (?:.* \()?(?:[^\s()]+:\d+:\d+|<anonymous>|native|index \d+)\)?$/

/** Redis begins a refusal with a word of its own, such as READONLY; Redis 6.2 hides it behind the script it met. */
const REDIS_WORD = /^(?:ERR Error running script .*?: -)?([A-Z]{2,20})\b/

function codeOf(error: Error): string | undefined {
  const code = (error as { code?: unknown }).code
  if (typeof code === 'string') return code
  return error.name === 'ReplyError' ? REDIS_WORD.exec(error.message)?.[1] : undefined
}

/**
 * Errors are logged by an allow-list. A serializer that copies every property copies request bodies and tokens too:
 * body-parser and HTTP clients hang them on their errors. The message is left out of the stack, since it can quote
 * input.
 */
export function safeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error }
  const code = codeOf(error)
  // Cut off first: a message has lines of its own, and one of them may be made to look like a frame.
  const stack = (error.stack ?? '').replace(String(error.message), () => '')
  const frames = stack
    .split('\n')
    .filter((line) => FRAME.test(line))
    .slice(0, MAX_FRAMES)
    .map((line) => line.trim())
  return { type: String(error.name), ...(code === undefined ? {} : { code }), stack: frames }
}

/** @param destination standard output where none is given. */
export function createLogger(level: string, name: string, destination?: DestinationStream): Logger {
  const options: LoggerOptions = {
    level,
    base: { name },
    serializers: { err: safeError, error: safeError },
    timestamp: stdTimeFunctions.isoTime,
    formatters: {
      level: (label) => ({ level: label }),
      // Under any other name too; the two above have serializers.
      log: (entry) =>
        Object.fromEntries(
          Object.entries(entry).map(([key, value]) => [
            key,
            value instanceof Error && key !== 'err' && key !== 'error' ? safeError(value) : value,
          ]),
        ),
    },
    hooks: {
      // Without words of the caller's own, pino takes the error's message for them.
      logMethod(values, method) {
        const [first, second] = values as unknown[]
        const isWordless =
          second === undefined &&
          typeof first === 'object' &&
          first !== null &&
          (first instanceof Error || 'err' in first)
        if (isWordless) method.apply(this, [first, 'error'])
        else method.apply(this, values)
      },
    },
  }
  const logger: Logger = pino(
    options,
    destination ?? createLogStream(1, (count) => logger.warn({ count }, 'log lines were dropped')),
  )
  return logger
}
