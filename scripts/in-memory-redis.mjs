import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { inMemoryRedisFolder, root } from './paths.mjs'
import { toolEnvironment } from './install.mjs'
import { waitUntil } from './processes.mjs'
import { findFreePort } from './ports.mjs'
import { Refusal } from './refusal.mjs'
import { pingRedis } from './redis.mjs'

const packageName = 'js-redis-server'
const version = '0.3.0'

/**
 * Starts the stand-in for machines that have no Redis and no way to get one. Nothing it holds survives its end.
 * pnpm leaves the package out below Node 22, which its author asks for; it runs on 20 all the same, so npm fetches it.
 */
export async function startInMemoryRedis({ startTool, startService, logFile, say }) {
  const folder = [root, inMemoryRedisFolder].find((candidate) =>
    existsSync(join(candidate, 'node_modules', packageName)),
  )
  if (folder === undefined) await fetchPackage({ startTool, logFile, say })
  const port = await findFreePort()
  const child = startService({
    name: 'in-memory redis',
    command: process.execPath,
    args: [join(root, 'scripts', 'serve-in-memory-redis.mjs'), folder ?? inMemoryRedisFolder, String(port)],
    logFile,
  })
  const url = `redis://127.0.0.1:${port}`
  const isReady = async () => ((await pingRedis(url)) === undefined ? true : undefined)
  await waitUntil(isReady, { child, deadlineMs: 30_000, what: 'an answer from the in-memory Redis' })
  return { url }
}

async function fetchPackage({ startTool, logFile, say }) {
  say(`Fetching ${packageName}…`)
  const args = [
    'install',
    '--prefix',
    inMemoryRedisFolder,
    '--no-save',
    '--no-audit',
    '--no-fund',
    `${packageName}@${version}`,
  ]
  const exit = await startTool({ name: 'npm', command: 'npm', args, env: toolEnvironment(), logFile }).exited
  if (exit.code !== 0)
    throw new Refusal('no Redis: install redis-server or valkey-server 6.2 or newer, or set REDIS_URL')
}
