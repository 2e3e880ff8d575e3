import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { startProcess } from './processes.mjs'

const serverNames = ['redis-server', 'valkey-server']
// Where package managers put programs, for a PATH that does not name them.
const usualFolders = ['/usr/bin', '/usr/local/bin', '/usr/sbin', '/opt/homebrew/bin', '/home/linuxbrew/.linuxbrew/bin']

// Debian starts a freshly installed server by itself; at run level 1 it does not, so port 6379 stays as it was.
const debian = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
const packageManagers = [
  {
    command: 'apt-get',
    needsRoot: true,
    env: debian,
    prepare: ['update'],
    packages: ['redis-server', 'valkey-server'],
    install: ['-o', 'DPkg::Lock::Timeout=120', 'install', '-y', '--no-install-recommends'],
  },
  { command: 'apk', needsRoot: true, packages: ['valkey', 'redis'], install: ['add', '--no-cache'] },
  { command: 'dnf', needsRoot: true, packages: ['valkey', 'redis'], install: ['install', '-y'] },
  { command: 'brew', needsRoot: false, packages: ['redis', 'valkey'], install: ['install'] },
]

/** The path of a Redis or Valkey server that Muster can use, found on PATH; undefined where there is none. */
export function findRedisServer() {
  return firstUsable((process.env.PATH ?? '').split(delimiter).filter(Boolean))
}

/**
 * Finds a server, or says so and installs one with the system's package manager.
 * Returns undefined when neither works; `say` has then heard why.
 * `start` starts the installer; a caller that must be able to stop it passes its own.
 */
export async function findOrInstallRedisServer({ say = console.log, start = startProcess } = {}) {
  const found = findRedisServer()
  if (found) return found
  const manager = packageManagers.find(({ command }) => isOnPath(command))
  if (!manager) {
    say(
      'No redis-server or valkey-server (6.2 or newer) on PATH, and none of apt-get, apk, dnf, brew to install one with.',
    )
    return undefined
  }
  const isRoot = process.getuid?.() === 0
  if (manager.needsRoot && !isRoot && !canUseSudo()) {
    say(`No redis-server or valkey-server (6.2 or newer) on PATH; installing one with ${manager.command} needs root.`)
    return undefined
  }
  const prefix = manager.needsRoot && !isRoot ? ['sudo', '-n'] : []
  say(
    `No redis-server or valkey-server (6.2 or newer) on PATH: installing ${manager.packages[0]} with ${manager.command} (this happens once).`,
  )
  // A list that cannot be refreshed may still be good enough to install from.
  if (manager.prepare) await run(manager, prefix, manager.prepare, start)
  let exit
  for (const name of manager.packages) {
    exit = await run(manager, prefix, [...manager.install, name], start)
    if (exit.code !== 0) continue
    const installed = findRedisServer() ?? firstUsable(usualFolders)
    if (installed) return installed
  }
  say(`${manager.command} could not install it${exit.lines.length ? `: ${exit.lines.at(-1)}` : '.'}`)
  return undefined
}

async function run({ command, env = {} }, prefix, args, start) {
  // `env` and not process.env alone: sudo passes no variables on.
  const words = [...prefix, 'env', ...Object.entries(env).map(([name, value]) => `${name}=${value}`), command, ...args]
  const child = start({ name: command, command: words[0], args: words.slice(1) })
  const exit = await child.exited
  return { ...exit, lines: child.lastLines() }
}

function firstUsable(folders) {
  for (const folder of folders) {
    for (const name of serverNames) {
      const path = join(folder, name)
      if (isExecutable(path) && isRecent(path)) return path
    }
  }
  return undefined
}

// "Redis server v=7.0.15 …" or "Valkey server v=8.1.1 …". Lanes need commands of Redis 6.2.
function isRecent(path) {
  const answer = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 10_000 })
  const version = /v=(\d+)\.(\d+)/.exec(answer.stdout ?? '')
  return version !== null && Number(version[1]) + Number(version[2]) / 100 >= 6.02
}

function canUseSudo() {
  // -n: fails instead of asking for a password.
  return isOnPath('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore', timeout: 10_000 }).status === 0
}

function isOnPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => folder && isExecutable(join(folder, command)))
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
