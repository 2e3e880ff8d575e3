import { join } from 'node:path'
import { logFile, root } from './paths.mjs'
import { waitUntil } from './processes.mjs'
import { Refusal } from './refusal.mjs'

const readyWithinMs = 60_000

/** Starts the simulators; resolves with their URLs by provider. */
export async function startSimulators({ startService, settings }) {
  let simulators
  const env = { MUSTER_SIMULATOR_HOST: settings.simulatorHost, MUSTER_SIMULATOR_PORT: String(settings.simulatorPort) }
  const takeLine = (line) => {
    const entry = parseLine(line)
    if (entry?.msg === 'listening' && entry.simulators) simulators = entry.simulators
  }
  const child = startApp(startService, 'simulator', env, takeLine)
  await waitUntil(() => simulators, { child, deadlineMs: readyWithinMs, what: 'the simulators' })
  return simulators
}

/** Starts the API; resolves with its URL once it is ready. */
export async function startApi({ startService, settings, env }) {
  const child = startApp(startService, 'api', {
    ...env,
    MUSTER_HOST: settings.host,
    MUSTER_PORT: String(settings.port),
  })
  const url = urlOf(settings.host, settings.port)
  await untilReady(url, child)
  return url
}

/** Starts one worker; resolves once it is ready. */
export async function startWorker({ startService, settings, env }) {
  const child = startApp(startService, 'worker', {
    ...env,
    MUSTER_WORKER_HOST: settings.workerHost,
    MUSTER_WORKER_PORT: String(settings.workerPort),
  })
  await untilReady(urlOf(settings.workerHost, settings.workerPort), child)
}

/** Runs the bootstrap command; resolves with the line it prints. */
export async function bootstrapTenant({ startTool, env, tenant, mode }) {
  let answer
  const child = startTool({
    name: 'the bootstrap command',
    command: process.execPath,
    args: [join(root, 'apps', 'api', 'dist', 'bootstrap.js'), '--tenant', tenant, '--mode', mode],
    env: { ...process.env, ...env },
    onLine: (line) => {
      const entry = parseLine(line)
      if (entry?.admin_api_key) answer = entry
    },
  })
  await child.exited
  if (answer === undefined) throw new Refusal(['no demo tenant could be made', ...child.lastLines()].join('\n  '))
  return answer
}

function startApp(startService, name, env, onLine) {
  return startService({
    name,
    command: process.execPath,
    args: [join(root, 'apps', name, 'dist', 'main.js')],
    env: { ...process.env, ...env },
    logFile: logFile(name),
    onLine,
  })
}

async function untilReady(url, child) {
  const isReady = async () => {
    try {
      const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) })
      await response.arrayBuffer()
      return response.ok ? true : undefined
    } catch {
      // Not listening yet, or not yet answering in time: asked again until the deadline.
      return undefined
    }
  }
  await waitUntil(isReady, { child, deadlineMs: readyWithinMs, what: `${url}/readyz` })
}

// A service that listens on every address is asked, and shown, on this machine's own.
function urlOf(host, port) {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}

function parseLine(line) {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
