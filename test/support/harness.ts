import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import type { ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import { startRedis, type StartedRedis } from '../../scripts/redis.mjs'
import { startFaultProxy, type FaultProxy } from '../chaos/fault-proxy.ts'
import { sampleOf } from './samples.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const START_TIMEOUT_MS = 20_000

export type ProviderName = ProviderId

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

function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine
  } catch {
    return { text }
  }
}

export interface Answer<T = Record<string, unknown>> {
  status: number
  headers: Headers
  body: T
}

export interface Ledger {
  requests: { number: number; at: string; method: string; path: string; status: number | null; fault?: string }[]
  created: { at: string; id: string; key: string; request_number: number }[]
}

/** What the simulator's own control API says and takes (apps/simulator/README.md). */
export interface SimulatorControl {
  url: string
  arm(fault: Record<string, unknown>): Promise<void>
  disarm(): Promise<void>
  set(settings: Record<string, unknown>): Promise<void>
  reset(): Promise<void>
  ledger(): Promise<Ledger>
  state(): Promise<{ users: Record<string, unknown>[] }>
  /** Resolves when the ledger fits. Polls, since the simulator is another process. */
  until(test: (ledger: Ledger) => boolean): Promise<Ledger>
}

function controlOf(url: string): SimulatorControl {
  const call = async (method: string, path: string, body?: unknown): Promise<Response> => {
    const response = await fetch(`${url}/__simulator/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok)
      throw new Error(`simulator control ${method} ${path}: ${response.status} ${await response.text()}`)
    return response
  }
  const ledger = async (): Promise<Ledger> => (await (await call('GET', 'ledger')).json()) as Ledger
  return {
    url,
    arm: async (fault) => void (await call('POST', 'faults', fault)),
    disarm: async () => void (await call('DELETE', 'faults')),
    set: async (settings) => void (await call('PATCH', 'settings', settings)),
    reset: async () => void (await call('POST', 'reset')),
    ledger,
    state: async () => (await (await call('GET', 'state')).json()) as { users: Record<string, unknown>[] },
    until: (test) => eventually(ledger, test),
  }
}

/**
 * Asks again until the answer fits; for what only another process knows. Fails with the latest answer after
 * `timeoutMs`.
 */
export async function eventually<T>(
  ask: () => Promise<T>,
  test: (answer: T) => boolean,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 1.5, 100)) {
    const answer = await ask()
    if (test(answer)) return answer
    if (Date.now() > deadline)
      throw new Error(
        `it did not come so far in ${timeoutMs} ms; the latest: ${JSON.stringify(answer)?.slice(0, 2_000)}`,
      )
    // Asking without a pause would take the processor away from whoever is to bring it about.
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

export interface MusterOptions {
  /** Worker processes to begin with; default 1. */
  workers?: number
  /** Redis writes an AOF, so that it can be killed and started again. */
  durable?: boolean
  environment?: Record<string, string>
  nodeOptions?: string[]
  /** Puts a fault proxy before Redis, for the API and the workers; the harness itself goes past it. */
  proxyRedis?: boolean
  /** Puts a fault proxy before these simulators, for the workers; control calls go past it. */
  proxyProviders?: readonly ProviderName[]
  /** More arguments for redis-server's configuration, set once it runs. */
  redisSettings?: Record<string, string>
  /** Further host:port on loopback that may be called, such as a webhook receiver's. */
  allowedHosts?: readonly string[]
}

export type Muster = Awaited<ReturnType<typeof startMuster>>

/**
 * A whole Muster of its own: private Redis, simulators, API, workers, as separate processes on free ports. Close it
 * when done.
 */
export async function startMuster({
  workers: workerCount = 1,
  durable = false,
  environment = {},
  nodeOptions = [],
  proxyRedis = false,
  proxyProviders = [],
  redisSettings = {},
  allowedHosts = [],
}: MusterOptions = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'muster-test-'))
  const redisOptions = { dir: directory, ...(durable ? { appendonly: 'everysec' as const } : {}) }
  let redis: StartedRedis = await startRedis(redisOptions)
  const simulator = await startProgram('apps/simulator/dist/main.js', { MUSTER_SIMULATOR_PORT: '0' })
  const urls = simulator.listening.simulators as Record<ProviderName, string>
  const simulators = Object.fromEntries(Object.entries(urls).map(([id, url]) => [id, controlOf(url)])) as Record<
    ProviderName,
    SimulatorControl
  >
  const redisProxy = proxyRedis ? await startFaultProxy({ host: '127.0.0.1', port: redis.port }) : undefined
  const providerProxies: Partial<Record<ProviderName, FaultProxy>> = {}
  for (const provider of proxyProviders) {
    const proxy = await startFaultProxy({ host: '127.0.0.1', port: Number(new URL(urls[provider]).port) })
    providerProxies[provider] = proxy
    urls[provider] = `http://127.0.0.1:${proxy.port}`
  }
  await setRedis(redis.url, redisSettings)
  const shared: Record<string, string> = {
    REDIS_URL: redisProxy ? `redis://127.0.0.1:${redisProxy.port}` : redis.url,
    MUSTER_ENCRYPTION_KEYS: `test:${randomBytes(32).toString('base64')}`,
    MUSTER_ALLOWED_HOSTS: [...Object.values(urls).map((url) => new URL(url).host), ...allowedHosts].join(','),
    // No balancer is in front: nothing is to be waited for when a process stops.
    MUSTER_DRAIN_SECONDS: '0',
    ...environment,
  }
  const startApi = (more: Record<string, string> = {}, moreNodeOptions: string[] = []): Promise<Program> =>
    startProgram('apps/api/dist/main.js', { ...shared, MUSTER_PORT: '0', ...more }, [
      ...nodeOptions,
      ...moreNodeOptions,
    ])
  const startWorker = (more: Record<string, string> = {}, moreNodeOptions: string[] = []): Promise<Program> =>
    startProgram('apps/worker/dist/main.js', { ...shared, MUSTER_WORKER_PORT: '0', ...more }, [
      ...nodeOptions,
      ...moreNodeOptions,
    ])
  const gone: Program[] = []
  let api = await startApi()
  const workers: Program[] = []
  for (let count = 0; count < workerCount; count += 1) workers.push(await startWorker())

  /** The bootstrap command, as an operator runs it. */
  async function bootstrap(tenant: string = `tenant-${randomUUID()}`): Promise<{ tenantId: string; adminKey: string }> {
    const child = spawn(process.execPath, [join(root, 'apps/api/dist/commands/bootstrap.js'), '--tenant', tenant], {
      env: { PATH: process.env.PATH ?? '', ...shared },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const output: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
    await once(child, 'close')
    const { tenant_id: tenantId, admin_api_key: adminKey } = JSON.parse(Buffer.concat(output).toString()) as {
      tenant_id: string
      admin_api_key: string
    }
    return { tenantId, adminKey }
  }
  const owner = await bootstrap()
  const url = (): string => `http://127.0.0.1:${String(api.listening.port)}`

  async function request<T = Record<string, unknown>>(
    method: string,
    path: string,
    options: { body?: unknown; rawBody?: string; headers?: Record<string, string>; key?: string | null } = {},
  ): Promise<Answer<T>> {
    const hasBody = options.body !== undefined || options.rawBody !== undefined
    const key = options.key === undefined ? owner.adminKey : options.key
    const send = (): Promise<Response> =>
      fetch(url() + path, {
        method,
        headers: {
          ...(key === null ? {} : { authorization: `Bearer ${key}` }),
          ...(hasBody ? { 'content-type': 'application/json' } : {}),
          ...options.headers,
        },
        ...(hasBody ? { body: options.rawBody ?? JSON.stringify(options.body) } : {}),
      })
    // A connection that was idle for long enough is closed by the API; on a busy machine that can cross the next
    // request on its way.
    const response = await send().catch((error: unknown) =>
      isClosedIdle(error) ? send() : Promise.reject(error as Error),
    )
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      body: (text === '' ? undefined : parseLine(text)) as T,
    }
  }

  return {
    directory,
    encryptionKeys: shared.MUSTER_ENCRYPTION_KEYS ?? '',
    owner,
    simulators,
    workers,
    url,
    bootstrap,
    request,
    startWorker,
    redisProxy,
    providerProxies,
    /** Ends one worker and starts another in its place. */
    async replaceWorker(index: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<Program> {
      const old = workers[index]
      if (old) {
        await old.kill(signal)
        gone.push(old)
      }
      const fresh = await startWorker()
      workers[index] = fresh
      return fresh
    },
    get api(): Program {
      return api
    },
    get redis(): StartedRedis {
      return redis
    },
    /** The log lines of every process of ours. */
    logs: (): string[] => [api, ...workers, ...gone].flatMap((program) => program.output),
    /** kill -9 of Redis and a new one on the same port and folder. */
    async restartRedis(whileAway: () => Promise<void> = async () => undefined): Promise<void> {
      await redis.stop('SIGKILL')
      await whileAway()
      redis = await startRedis({ ...redisOptions, port: redis.port })
    },
    /** A new API process, on a port of its own: `url()` tells it. */
    async restartApi(
      signal: NodeJS.Signals = 'SIGKILL',
      more: Record<string, string> = {},
      moreNodeOptions: string[] = [],
    ): Promise<void> {
      await api.kill(signal)
      gone.push(api)
      api = await startApi(more, moreNodeOptions)
    },
    /** An integrated account on the simulator, with the credentials that it accepts, as the demo has. */
    async connect(
      provider: ProviderName,
      more: {
        config?: Record<string, unknown>
        limits?: Record<string, number>
        credentials?: Record<string, unknown>
        mode?: 'live' | 'test'
        key?: string
      } = {},
    ): Promise<string> {
      const sample = sampleOf(provider)
      // Untested, since tests count the calls of the work alone.
      const answer = await request<{ id: string }>('POST', '/integrated-accounts?test=false', {
        body: {
          provider,
          name: provider,
          credentials: more.credentials ?? sample.credentials,
          config: { ...sample.config(urls[provider]), ...more.config },
          ...(more.limits ? { limits: more.limits } : {}),
          ...(more.mode ? { mode: more.mode } : {}),
        },
        ...(more.key ? { key: more.key } : {}),
      })
      if (answer.status !== 201) throw new Error(`could not connect ${provider}: ${JSON.stringify(answer.body)}`)
      return answer.body.id
    },
    /** The create call. `query` is what follows the account id, such as `on_conflict=adopt`. */
    create: <T = Record<string, unknown>>(
      accountId: string,
      body: unknown,
      options: { query?: string; headers?: Record<string, string>; key?: string } = {},
    ): Promise<Answer<T>> =>
      request<T>(
        'POST',
        `/unified/user-directory/users?integrated_account_id=${accountId}${options.query ? `&${options.query}` : ''}`,
        {
          body,
          ...(options.headers ? { headers: options.headers } : {}),
          ...(options.key ? { key: options.key } : {}),
        },
      ),
    /** Waits for the end of an operation by long polls. */
    finished: async (operationId: string, timeoutMs = 60_000): Promise<Record<string, unknown>> =>
      (
        await eventually(
          () =>
            request('GET', `/operations/${operationId}`, { headers: { prefer: 'wait=10' } }).catch(() => ({
              status: 0,
              headers: new Headers(),
              body: {} as Record<string, unknown>,
            })),
          ({ body }) => ['succeeded', 'failed', 'canceled', 'expired'].includes(String(body.status)),
          timeoutMs,
        )
      ).body,
    async close(): Promise<void> {
      await Promise.all([api, ...workers, simulator].map((program) => program.kill('SIGKILL')))
      await Promise.all([redisProxy, ...Object.values(providerProxies)].map((proxy) => proxy?.close()))
      await redis.stop('SIGKILL')
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Nothing of an answer had come: the other side was gone before it read the request. */
const isClosedIdle = (error: unknown): boolean =>
  error instanceof TypeError && error.cause instanceof Error && error.cause.message === 'other side closed'

async function setRedis(url: string, settings: Record<string, string>): Promise<void> {
  if (Object.keys(settings).length === 0) return
  const redis = new Redis(url)
  for (const [name, value] of Object.entries(settings)) await redis.config('SET', name, value)
  redis.disconnect()
}

/** A body that the provider accepts, different at each call. */
export const newUser = (
  provider: ProviderName,
  login: string = `ada.${randomBytes(5).toString('hex')}`,
): Record<string, unknown> => ({ ...sampleOf(provider).user(login) })
