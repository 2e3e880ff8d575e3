import { readConfig } from './config.ts'
import { startWorker } from './dependencies.ts'

/** One line on standard error and an exit code: for an operator, not for a log. */
function refuse(error: unknown): never {
  const code = (error as { code?: unknown }).code
  const reason =
    code === 'EADDRINUSE'
      ? 'MUSTER_WORKER_PORT is taken by another process.'
      : error instanceof RangeError
        ? error.message
        : `The worker could not start (${String(code ?? (error as Error).name)}).`
  process.stderr.write(`${reason}\n`)
  process.exit(1)
}

try {
  const starting = startWorker(readConfig())
  let isStopping = false
  const stop = async (signal: string): Promise<void> => {
    if (isStopping) return
    isStopping = true
    const worker = await starting
    worker.log.info({ signal }, 'stopping')
    try {
      await worker.stop(signal === 'SIGTERM')
      process.exit(0)
    } catch (error) {
      worker.log.error({ err: error }, 'stopped with an error')
      process.exit(1)
    }
  }
  // Before it says that it is listening: a supervisor that reads that line may stop it at once.
  process.on('SIGTERM', () => void stop('SIGTERM'))
  process.on('SIGINT', () => void stop('SIGINT'))
  const worker = await starting
  worker.keysFit.catch(refuse)
  // A bug that nobody caught leaves unknown state behind: better a new process, which takes over by the records.
  const crash = (error: unknown): void => {
    worker.log.fatal({ err: error }, 'uncaught error')
    process.exit(1)
  }
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', crash)
} catch (error) {
  refuse(error)
}
