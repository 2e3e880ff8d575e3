import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { demoAccounts } from '../scripts/demo-accounts.mjs'
import { buildSources, installDependencies } from '../scripts/install.mjs'
import { dataFolder } from '../scripts/paths.mjs'
import { findFreePort } from '../scripts/ports.mjs'
import { startRedis } from '../scripts/redis.mjs'
import { Refusal } from '../scripts/refusal.mjs'
import { bootstrapTenant, startApi, startSimulators, startWorker } from '../scripts/services.mjs'
import { createStack } from '../scripts/stack.mjs'
import { onStopSignal } from '../scripts/stop-signals.mjs'

const host = '127.0.0.1'

/**
 * Runs `measure` on a private, whole Muster on loopback, and ends everything that was started, however it ends.
 * Exit code: 0 when `measure` resolves with true, 1 when it does not or fails, 130 on a signal or when `limitMs` has passed.
 */
export async function onBenchStage({ limitMs, allowedHosts = [], environment = {} }, measure) {
  const stack = createStack()
  const folder = mkdtempSync(join(tmpdir(), 'muster-bench-'))
  const stopped = new Promise((resolve) => onStopSignal({ first: resolve, again: stack.kill }))
  const late = new Promise((resolve) => setTimeout(resolve, limitMs, `after ${limitMs / 1000} s`).unref())
  const run = async () => measure(await startEverything(stack, folder, { allowedHosts, environment }))
  const end = await Promise.race([stopped, late, stack.failed, run()]).catch((error) => error)
  if (end instanceof Error) console.error(end instanceof Refusal ? end.message : end)
  else if (typeof end === 'string') console.error(`${end}: stopping…`)
  await stack.stop({ graceMs: 5_000 })
  rmSync(folder, { recursive: true, force: true })
  process.exit(end === true ? 0 : typeof end === 'string' ? 130 : 1)
}

async function startEverything(stack, folder, { allowedHosts, environment }) {
  await installDependencies({ start: stack.startTool, say: console.log })
  await buildSources({ start: stack.startTool, say: console.log })
  const quiet = (stage) => (options) => stack.startService(stage, { ...options, logFile: join(folder, `${options.name}.log`) })
  const redis = await startRedis({ dir: join(folder, 'redis'), appendonly: 'everysec', start: quiet(1) })
  const settings = { host, port: await findFreePort(), workerHost: host, workerPort: await findFreePort(), simulatorHost: host, simulatorPort: 0 }
  const simulators = await startSimulators({ startService: quiet(2), settings })
  const env = {
    REDIS_URL: redis.url,
    MUSTER_ENCRYPTION_KEYS: `bench:${randomBytes(32).toString('base64')}`,
    MUSTER_ALLOWED_HOSTS: [...Object.values(simulators).map((url) => new URL(url).host), ...allowedHosts].join(','),
    LOG_LEVEL: 'warn',
    ...environment,
  }
  const url = await startApi({ startService: quiet(3), settings, env })
  await startWorker({ startService: quiet(3), settings, env })
  const { admin_api_key: key } = await bootstrapTenant({ startTool: stack.startTool, env, tenant: 'bench' })

  async function call(method, path, { body, headers = {} } = {}) {
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }), ...headers },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(60_000),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status} ${text.slice(0, 500)}`)
    return text ? JSON.parse(text) : undefined
  }

  return {
    call,
    simulators,
    /** An account at the simulator, which for the time of the bench has no limit of its own. */
    async connect(provider, limits) {
      await fetch(`${simulators[provider]}/__simulator/settings`, { method: 'PATCH', body: JSON.stringify({ rate_limit: null }) })
      const { credentials, config } = demoAccounts[provider]
      return (await call('POST', '/integrated-accounts', { body: { provider, name: provider, credentials, config: config(simulators[provider]), ...(limits && { limits }) } })).id
    },
  }
}

/** @param values numbers; @param share in [0, 1]. The smallest value that so large a share does not exceed. */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
}

/** `.muster/bench/NAME.json`. */
export function writeReport(name, report) {
  const folder = join(dataFolder, 'bench')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${name}.json`)
  writeFileSync(path, `${JSON.stringify({ at: new Date().toISOString(), node: process.version, ...report }, null, 2)}\n`)
  return path
}
