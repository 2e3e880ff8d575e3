import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { startProcess } from './processes.mjs'

// Where package managers put programs, for a PATH that does not name them.
const usualFolders = ['/usr/bin', '/usr/local/bin', '/usr/sbin', '/opt/homebrew/bin', '/home/linuxbrew/.linuxbrew/bin']
// Debian starts a freshly installed server by itself; at run level 1 it does not, so its port stays as it was.
const debian = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
const packageManagers = [
  {
    command: 'apt-get',
    needsRoot: true,
    env: debian,
    prepare: ['update'],
    install: ['-o', 'DPkg::Lock::Timeout=120', 'install', '-y', '--no-install-recommends'],
  },
  { command: 'apk', needsRoot: true, install: ['add', '--no-cache'] },
  { command: 'dnf', needsRoot: true, install: ['install', '-y'] },
  { command: 'brew', needsRoot: false, install: ['install'] },
]

/** The path of the first program of these names that `isUsable` takes, on PATH; undefined where there is none. */
export function findProgram({ names, isUsable = () => true }) {
  return firstUsable((process.env.PATH ?? '').split(delimiter).filter(Boolean), names, isUsable)
}

/**
 * Finds a program, or says so and installs one with the system's package manager.
 * Returns undefined when neither works; `say` has then heard why.
 * `packages`: what to install, by package manager, the first choice first. `start` starts the installer; a caller that
 * must be able to stop it passes its own.
 */
export async function findOrInstallProgram(program, { say = console.log, start = startProcess } = {}) {
  const { title, names, packages, isUsable = () => true } = program
  const find = () => findProgram(program) ?? firstUsable(usualFolders, names, isUsable)
  const found = find()
  if (found) return found
  const manager = packageManagers.find(({ command }) => packages[command] && isOnPath(command))
  if (!manager) {
    const usable = packageManagers.map(({ command }) => command).filter((command) => packages[command])
    say(`No ${title} on PATH, and none of ${usable.join(', ')} to install one with.`)
    return undefined
  }
  const isRoot = process.getuid?.() === 0
  if (manager.needsRoot && !isRoot && !canUseSudo()) {
    say(`No ${title} on PATH; installing one with ${manager.command} needs root.`)
    return undefined
  }
  const prefix = manager.needsRoot && !isRoot ? ['sudo', '-n'] : []
  const [first] = packages[manager.command]
  say(`No ${title} on PATH: installing ${first} with ${manager.command} (this happens once).`)
  // A list that cannot be refreshed may still be good enough to install from.
  if (manager.prepare) await run(manager, prefix, manager.prepare, start)
  let exit
  for (const name of packages[manager.command]) {
    exit = await run(manager, prefix, [...manager.install, name], start)
    if (exit.code !== 0) continue
    const installed = find()
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

function firstUsable(folders, names, isUsable) {
  for (const folder of folders) {
    for (const name of names) {
      const path = join(folder, name)
      if (isExecutable(path) && isUsable(path)) return path
    }
  }
  return undefined
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
