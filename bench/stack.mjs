import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { dataFolder, root } from '../scripts/paths.mjs'
import { waitUntil } from '../scripts/processes.mjs'
import { startRedis } from '../scripts/redis.mjs'

export const benchFolder = join(dataFolder, 'bench')

/**
 * A whole Muster of its own on loopback: private Redis, simulators, API and, when asked, a worker, each a process of
 *   the given stack.
 * Every process runs with the settings that it has by default. `close()` ends them all.
 */
export async function startMuster({ stack, environment = {}, nodeOptions = {}, allowedHosts = [] }) {
  mkdirSync(benchFolder, { recursive: true, mode: 0o700 })
  const folder = mkdtempSync(join(tmpdir(), 'muster-bench-'))
  const children = []
  const start = (options) => {
    const child = stack.startTool(options)
    children.push(child)
    return child
  }
  const redisServer = await startRedis({ dir: folder, start })
  const redis = new Redis(redisServer.url)

  async function startProgram(name, env) {
    const started = await startNode({
      stack,
      name,
      file: join('apps', name, 'dist', 'main.js'),
      nodeOptions: nodeOptions[name],
      env: { LOG_LEVEL: 'info', ...env },
    })
    children.push(started.child)
    return started
  }

  const simulator = await startProgram('simulator', { MUSTER_SIMULATOR_PORT: '0' })
  const simulators = simulator.listening.simulators
  const shared = {
    REDIS_URL: redisServer.url,
    MUSTER_ENCRYPTION_KEYS: `bench:${randomBytes(32).toString('base64')}`,
    MUSTER_ALLOWED_HOSTS: [...Object.values(simulators).map((url) => new URL(url).host), ...allowedHosts].join(','),
    MUSTER_DRAIN_SECONDS: '0',
    ...environment,
  }
  const api = await startProgram('api', { ...shared, MUSTER_PORT: '0' })
  const url = `http://127.0.0.1:${api.listening.port}`
  const key = (await bootstrap(shared)).admin_api_key

  async function call(method, path, body, headers = {}) {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(120_000),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status} ${text.slice(0, 500)}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  /** `method` of the simulator's control API, such as PATCH settings. */
  async function control(provider, method, path, body) {
    const response = await fetch(`${simulators[provider]}/__simulator/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok)
      throw new Error(`simulator ${provider}: ${method} ${path} answered ${response.status} ${await response.text()}`)
    return response.json()
  }

  return {
    url,
    key,
    redis,
    redisUrl: redisServer.url,
    simulators,
    call,
    apiPid: api.child.pid,
    simulatorPid: simulator.child.pid,
    async startWorker() {
      return (await startProgram('worker', { ...shared, MUSTER_WORKER_PORT: '0' })).child
    },
    /** An integrated account at a simulator, with limits of its own or the provider's. */
    async connect(provider, limits) {
      const { credentials, config } = await control(provider, 'GET', 'sample')
      const body = {
        provider,
        name: provider,
        credentials,
        config,
        ...(limits ? { limits } : {}),
      }
      return (await call('POST', '/integrated-accounts?test=false', body)).id
    },
    control,
    /** Streams a file to the bulk endpoint; resolves with the batch. */
    async upload(file, contentType, query = '') {
      const request = httpRequest(`${url}/unified/user-directory/users/bulk${query}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': contentType, 'content-length': statSync(file).size },
      })
      const answered = new Promise((resolve, reject) => {
        request.once('error', reject)
        request.once('response', (response) => {
          const parts = []
          response.on('data', (part) => parts.push(part))
          response.once('error', reject)
          response.once('end', () => resolve({ status: response.statusCode, text: Buffer.concat(parts).toString() }))
        })
      })
      await Promise.all([pipeline(createReadStream(file), request), answered])
      const { status, text } = await answered
      if (status !== 202) throw new Error(`the upload was answered ${status} ${text.slice(0, 500)}`)
      return JSON.parse(text)
    },
    readMetrics: async () => parseMetrics(await (await fetch(`${url}/metrics`)).text()),
    async usedMemory() {
      return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
    },
    async close() {
      redis.disconnect()
      // From the last to the first: a worker without its Redis would only complain.
      for (const child of children.reverse()) await child.stop({ graceMs: 5_000 })
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A program of ours that prints a line of JSON when it listens. */
export async function startNode({ stack, name, file, nodeOptions = [], env }) {
  let listening
  const child = stack.startTool({
    name,
    command: process.execPath,
    args: [...nodeOptions, join(root, file)],
    env: { PATH: process.env.PATH, ...env },
    onLine(line) {
      if (listening !== undefined || !line.includes('"listening"')) return
      listening = JSON.parse(line)
    },
  })
  await waitUntil(() => listening, { child, deadlineMs: 60_000, what: `the ${name}` })
  return { child, listening }
}

function bootstrap(env) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'apps/api/dist/commands/bootstrap.js'), '--tenant', 'bench'], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const parts = []
    child.stdout.on('data', (part) => parts.push(part))
    child.once('error', reject)
    child.once('close', (code) =>
      code === 0
        ? resolve(JSON.parse(Buffer.concat(parts).toString()))
        : reject(new Error(`bootstrap ended with ${code}`)),
    )
  })
}

function parseMetrics(text) {
  const values = {}
  for (const line of text.split('\n')) {
    const [, name, value] = /^(\w+) (\S+)$/.exec(line) ?? []
    if (name) values[name] = Number(value)
  }
  return values
}

/** Resident bytes and CPU milliseconds of a process, from Linux's /proc; undefined elsewhere. */
export function readUsage(pid) {
  try {
    const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
    // After the name, which can hold spaces: the 14th and 15th fields, in ticks of 10 ms.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')
    return { rss: kilobytes * 1024, cpuMs: (Number(fields[11]) + Number(fields[12])) * 10 }
  } catch {
    return undefined
  }
}

/** Looks at a process's memory until stopped; returns its largest growth, and the CPU time it used. */
export function watchProcess(pid, everyMs = 100) {
  const first = readUsage(pid)
  let peak = first?.rss ?? 0
  const timer = setInterval(() => {
    peak = Math.max(peak, readUsage(pid)?.rss ?? 0)
  }, everyMs)
  return () => {
    clearInterval(timer)
    const last = readUsage(pid)
    peak = Math.max(peak, last?.rss ?? 0)
    return {
      baseRss: first?.rss ?? NaN,
      growth: peak - (first?.rss ?? NaN),
      cpuMs: (last?.cpuMs ?? NaN) - (first?.cpuMs ?? NaN),
    }
  }
}

/** Asks until `test` holds, or until the time is over; resolves with the last answer either way. */
export async function pollUntil(ask, test, { everyMs, forMs }) {
  const deadline = Date.now() + forMs
  for (;;) {
    const answer = await ask()
    if (test(answer) || Date.now() > deadline) return answer
    await sleep(everyMs)
  }
}
