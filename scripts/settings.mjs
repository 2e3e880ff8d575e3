import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './paths.mjs'
import { whyPortIsNotFree, findFreePort } from './ports.mjs'
import { Refusal } from './refusal.mjs'

const simulatorsFolder = join(root, 'apps/simulator/src')
const simulatorCount = readdirSync(simulatorsFolder).filter((name) =>
  existsSync(join(simulatorsFolder, name, 'simulator.ts')),
).length

/** Where the services of this run listen, from the environment. A port of 0 takes a free one. */
export async function readSettings(env = process.env) {
  const host = env.MUSTER_HOST || '127.0.0.1'
  const workerHost = env.MUSTER_WORKER_HOST || '127.0.0.1'
  const simulatorHost = env.MUSTER_SIMULATOR_HOST || '127.0.0.1'
  const simulatorPort = readPort(env, 'MUSTER_SIMULATOR_PORT', 9100, 65_535 - simulatorCount + 1)
  const wanted = [
    { variable: 'MUSTER_PORT', host, port: readPort(env, 'MUSTER_PORT', 8080) },
    { variable: 'MUSTER_WORKER_PORT', host: workerHost, port: readPort(env, 'MUSTER_WORKER_PORT', 8081) },
    ...(simulatorPort === 0 ? [] : range(simulatorPort, simulatorCount)).map((port) => ({
      variable: 'MUSTER_SIMULATOR_PORT',
      host: simulatorHost,
      port,
    })),
  ]
  refuseOverlaps(wanted)
  for (const one of wanted) {
    const reason = one.port === 0 ? undefined : await whyPortIsNotFree(one.port, one.host)
    if (reason) throw new Refusal(`port ${one.port} ${reason}: ${advice(one.variable)}`)
  }
  const [api, worker] = wanted
  return {
    host,
    port: api.port || (await findFreePort(host)),
    workerHost,
    workerPort: worker.port || (await findFreePort(workerHost)),
    simulatorHost,
    simulatorPort,
  }
}

function readPort(env, variable, byDefault, maximum = 65_535) {
  const text = env[variable]
  if (!text) return byDefault
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > maximum)
    throw new Refusal(`${variable} must be a number from 0 to ${maximum}, not "${text}"`)
  return port
}

function refuseOverlaps(wanted) {
  const seen = new Map()
  for (const { variable, port } of wanted) {
    if (port !== 0 && seen.has(port)) throw new Refusal(`${variable} and ${seen.get(port)} both ask for port ${port}`)
    seen.set(port, variable)
  }
}

function advice(variable) {
  const more = variable === 'MUSTER_SIMULATOR_PORT' ? ` (the first of ${simulatorCount} in a row)` : ''
  return `set ${variable} to another one${more}, or stop what holds it`
}

const range = (first, count) => Array.from({ length: count }, (_, index) => first + index)
