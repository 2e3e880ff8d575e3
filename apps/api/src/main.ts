import { setFlagsFromString } from 'node:v8'
import { readConfig } from './config.ts'
import { startApi } from './dependencies.ts'

/**
 * The heap may grow by half before it is cleared, where V8 would let it double and more: handles of ciphers and
 *   deflates outlive the clearing of young objects,
 * eight of them a row, and an upload of 100,000 rows left 130 MB of them lying about. Set here, so that it holds
 * however the API is started; of a flag it does not know, V8 says so and goes on.
 */
setFlagsFromString('--heap-growing-percent=50')

/** One line on standard error and an exit code: for an operator, not for a log. */
function refuse(error: unknown): never {
  const code = (error as { code?: unknown }).code
  const reason =
    code === 'EADDRINUSE'
      ? 'MUSTER_PORT is taken by another process.'
      : error instanceof RangeError
        ? error.message
        : `The API could not start (${String(code ?? (error as Error).name)}).`
  process.stderr.write(`${reason}\n`)
  process.exit(1)
}

try {
  const starting = startApi(readConfig())
  let isStopping = false
  const stop = async (signal: string): Promise<void> => {
    if (isStopping) return
    isStopping = true
    const api = await starting
    api.log.info({ signal }, 'stopping')
    try {
      await api.stop(signal === 'SIGTERM')
      process.exit(0)
    } catch (error) {
      api.log.error({ err: error }, 'stopped with an error')
      process.exit(1)
    }
  }
  // Before it says that it is listening: a supervisor that reads that line may stop it at once.
  process.on('SIGTERM', () => void stop('SIGTERM'))
  process.on('SIGINT', () => void stop('SIGINT'))
  const api = await starting
  api.keysFit.catch(refuse)
  const crash = (error: unknown): void => {
    api.log.fatal({ err: error }, 'uncaught error')
    process.exit(1)
  }
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', crash)
} catch (error) {
  refuse(error)
}
