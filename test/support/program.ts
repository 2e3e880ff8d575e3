import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const START_TIMEOUT_MS = 20_000

type LogLine = Record<string, unknown> & { msg?: string }

/** One of our own programs, built and run for real. */
export interface Program {
  readonly child: ChildProcess
  /** Every line it logged so far, as it was written. */
  readonly output: string[]
  readonly listening: LogLine
  /** Resolves with the first line, past or future, that fits. */
  line(test: (line: LogLine) => boolean): Promise<LogLine>
  /** Resolves when the process is gone, with its exit code (null when a signal ended it). */
  kill(signal?: NodeJS.Signals): Promise<number | null>
}

/** Ends with the test process, also when that is cut off before it could close what it started. */
const alive = new Set<ChildProcess>()
const endAll = (): void => alive.forEach((child) => child.kill('SIGKILL'))
process.once('exit', endAll)
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => (endAll(), process.exit(1)))

export async function startProgram(
  script: string,
  environment: Record<string, string>,
  nodeOptions: string[] = [],
): Promise<Program> {
  const child = spawn(process.execPath, [...nodeOptions, join(root, script)], {
    env: { PATH: process.env.PATH ?? '', LOG_LEVEL: 'info', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  alive.add(child)
  child.once('exit', () => alive.delete(child))
  const output: string[] = []
  const waiting = new Set<(line: LogLine) => void>()
  const exited = once(child, 'exit')
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (text) => {
      output.push(text)
      const parsed = parseLine(text)
      for (const tell of waiting) tell(parsed)
    })
  }
  const line = (test: (line: LogLine) => boolean): Promise<LogLine> =>
    new Promise((resolve, reject) => {
      const seen = output.map(parseLine).find(test)
      if (seen) return resolve(seen)
      const tell = (parsed: LogLine): void => {
        if (!test(parsed)) return
        waiting.delete(tell)
        clearTimeout(timer)
        resolve(parsed)
      }
      const timer = setTimeout(
        () => reject(new Error(`${script} did not say it in time; it said:\n${output.slice(-20).join('\n')}`)),
        START_TIMEOUT_MS,
      )
      waiting.add(tell)
    })
  const kill = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await exited
    return child.exitCode
  }
  const listening = await Promise.race([
    line((entry) => entry.msg === 'listening'),
    exited.then(() => {
      throw new Error(`${script} exited before it was ready:\n${output.join('\n')}`)
    }),
  ])
  return { child, output, listening, line, kill }
}

/** A line of a log, or what else a process wrote. */
function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine
  } catch {
    return { text }
  }
}

/** Runs a command of ours to its end, and returns what it wrote. */
export async function runCommand(script: string, args: string[], environment: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, [join(root, script), ...args], {
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  await once(child, 'close')
  return Buffer.concat(output).toString()
}
