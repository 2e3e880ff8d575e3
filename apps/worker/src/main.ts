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
  const worker = await startWorker(readConfig())
  worker.keysFit.catch(refuse)
  let isStopping = false
  const stop = (signal: string): void => {
    if (isStopping) return
    isStopping = true
    worker.log.info({ signal }, 'stopping')
    worker.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        worker.log.error({ err: error }, 'stopped with an error')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', () => stop('SIGTERM'))
  process.on('SIGINT', () => stop('SIGINT'))
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
