import type { Logger } from './logger.ts'

export interface RunningProcess {
  log: Logger
  /** Rejects when Redis was away at the start, is there now, and was used with other keys. */
  keysFit: Promise<void>
  /** @param drains false: stop at once, as for Ctrl-C. */
  stop(drains: boolean): Promise<void>
}

interface Program {
  /** In messages to the operator: "The API". */
  name: string
  portSetting: string
  start(): Promise<RunningProcess>
  /** Of the environment: nothing reads them. */
  unknownSettings: readonly string[]
}

/** Runs a program until a signal stops it, or an error does. */
export async function runProcess({ name, portSetting, start, unknownSettings }: Program): Promise<void> {
  const refuse = (error: unknown): never => refuseStart(error, name, portSetting)
  try {
    const starting = start()
    // Before the program says that it is listening: a supervisor that reads that line may stop it at once.
    stopOnSignals(starting)
    const running = await starting
    if (unknownSettings.length > 0)
      running.log.warn({ reason: unknownSettings.join(', ') }, 'unknown settings are ignored')
    running.keysFit.catch(refuse)
    crashOnUncaughtErrors(running.log)
  } catch (error) {
    refuse(error)
  }
}

/** One line on standard error and an exit code: for an operator, not for a log. */
function refuseStart(error: unknown, name: string, portSetting: string): never {
  const code = (error as { code?: unknown }).code
  const reason =
    code === 'EADDRINUSE'
      ? `${portSetting} is taken by another process.`
      : error instanceof RangeError
        ? error.message
        : `${name} could not start (${String(code ?? (error as Error).name)}).`
  process.stderr.write(`${reason}\n`)
  process.exit(1)
}

function stopOnSignals(starting: Promise<RunningProcess>): void {
  let isStopping = false
  const stop = async (signal: string): Promise<void> => {
    if (isStopping) return
    isStopping = true
    const running = await starting
    running.log.info({ signal }, 'stopping')
    try {
      await running.stop(signal === 'SIGTERM')
      process.exit(0)
    } catch (error) {
      running.log.error({ err: error }, 'stopped with an error')
      process.exit(1)
    }
  }
  process.on('SIGTERM', () => void stop('SIGTERM'))
  process.on('SIGINT', () => void stop('SIGINT'))
}

/** An uncaught error leaves unknown state behind: a new process is safer, and takes over by the records. */
function crashOnUncaughtErrors(log: Logger): void {
  const crash = (error: unknown): void => {
    log.fatal({ err: error }, 'uncaught error')
    process.exit(1)
  }
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', crash)
}
