import { spawn } from 'node:child_process'
import { createWriteStream, existsSync, mkdirSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

const keptLines = 20

// Ends the group "$1" when this process is gone without having stopped it (kill -9): reading its end of the pipe
// then meets the end of file. 30 s, because a worker may use 25 to finish what it holds.
const guardScript = `
read -r released && exit
kill -TERM -"$1" 2>/dev/null
n=0
while [ "$n" -lt 150 ]; do
  kill -0 -"$1" 2>/dev/null || exit
  sleep 0.2 || sleep 1
  n=$((n+1))
done
kill -KILL -"$1"`

/**
 * Starts a process in a group of its own: a terminal's Ctrl-C then reaches only this process, which stops its
 * children in order, and a signal to the group also ends what the child itself started.
 *
 * - `logFile`: gets everything the child writes; the log before it is kept as `*.previous.log`.
 * - `onLine`: called with each line of the child's standard output and standard error.
 * - `env`: the child's whole environment.
 */
export function startProcess({ name, command, args = [], env = process.env, cwd, logFile, onLine }) {
  const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const log = logFile === undefined ? undefined : openLog(logFile)
  const lines = []
  const takeLine = (line) => {
    lines.push(line)
    if (lines.length > keptLines) lines.shift()
    log?.write(`${line}\n`)
    onLine?.(line)
  }
  createInterface({ input: child.stdout }).on('line', takeLine)
  createInterface({ input: child.stderr }).on('line', takeLine)

  const guard = child.pid === undefined ? undefined : startGuard(child.pid)
  const started = { name, pid: child.pid, exit: undefined, lastLines: () => [...lines], logFile }
  started.exited = new Promise((resolve) => {
    const finish = (exit) => {
      if (started.exit !== undefined) return
      started.exit = exit
      guard?.release()
      if (log === undefined) resolve(exit)
      else log.end(() => resolve(exit))
    }
    child.once('error', (error) => finish({ code: null, signal: null, error }))
    // 'close' and not 'exit': the last lines are read by then.
    child.once('close', (code, signal) => finish({ code, signal }))
  })

  started.signal = (signal) => {
    if (child.pid === undefined || started.exit !== undefined) return
    try {
      process.kill(-child.pid, signal)
    } catch (error) {
      // ESRCH: it ended between the check and the signal. EPERM: an installer under sudo, which can only be waited for.
      if (error.code !== 'ESRCH' && error.code !== 'EPERM') throw error
    }
  }

  /** Asks the group to end, insists after `graceMs`, and resolves when it is gone. */
  started.stop = async ({ signal = 'SIGTERM', graceMs = 10_000 } = {}) => {
    started.signal(signal)
    const insist = setTimeout(() => started.signal('SIGKILL'), graceMs)
    const exit = await started.exited
    clearTimeout(insist)
    return exit
  }
  return started
}

/** Resolves with the first answer of `probe` that is not undefined; `probe` is asked every `everyMs` until then. */
export async function waitUntil(probe, { child, deadlineMs, everyMs = 50, what }) {
  const deadline = Date.now() + deadlineMs
  for (;;) {
    const answer = await probe()
    if (answer !== undefined) return answer
    if (child?.exit !== undefined) throw new ChildEnded(child)
    if (Date.now() > deadline) throw new Error(`${what} did not come within ${deadlineMs / 1000} s`)
    await sleep(everyMs)
  }
}

/** A child ended on its own; carries the last lines it wrote, which usually say why. */
export class ChildEnded extends Error {
  name = 'ChildEnded'
  constructor(child) {
    super(`${child.name} ${describeExit(child.exit)}`)
    this.child = child
  }
}

export function describeExit({ code, signal, error }) {
  if (error) return `could not be started: ${error.message}`
  return signal ? `was ended by ${signal}` : `ended with exit code ${code}`
}

function startGuard(pid) {
  const guard = spawn('sh', ['-c', guardScript, 'sh', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Without a shell there is no guard, and nothing else changes.
  guard.on('error', () => {})
  guard.stdin.on('error', () => {})
  guard.unref()
  guard.stdin.unref()
  return { release: () => guard.stdin.end('released\n') }
}

function openLog(path) {
  mkdirSync(dirname(path), { recursive: true })
  if (existsSync(path)) renameSync(path, path.replace(/\.log$/, '.previous.log'))
  return createWriteStream(path)
}
