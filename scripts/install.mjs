import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { root } from './paths.mjs'
import { describeExit } from './processes.mjs'
import { Refusal } from './refusal.mjs'

// No packageManager field in package.json says this: pnpm 12 then refuses a frozen lockfile without a second document
// in it.
const pnpm = 'pnpm@12.21.0'
const stampFile = join(root, 'node_modules', '.muster-installed')

/**
 * Installs what the lockfile names, with any pnpm 12 on PATH, else with npx; does nothing when that was done already.
 */
export async function installDependencies({ start, logFile, say }) {
  const wanted = fingerprint()
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) return
  say('Installing dependencies…')
  const [command, ...args] = hasOwnPnpm() ? ['pnpm'] : ['npx', '-y', pnpm]
  await runTool(start, { name: 'the installation', command, args: [...args, 'install', '--frozen-lockfile'], logFile })
  writeFileSync(stampFile, wanted)
}

/** Compiles every package and app; what is up to date is left alone. */
export async function buildSources({ start, logFile, say }) {
  say('Building…')
  await runTool(start, { name: 'the build', command: toolPath('tsc'), args: ['-b'], logFile })
}

/** A program that a dependency brought. */
export function toolPath(name) {
  return join(root, 'node_modules', '.bin', name)
}

/** The environment of tools: this very Node comes first, whatever else is on PATH. */
export function toolEnvironment() {
  return {
    ...process.env,
    PATH: [dirname(process.execPath), process.env.PATH].filter(Boolean).join(delimiter),
    // Without this, pnpm waits for an answer before it replaces a node_modules of another layout.
    CI: 'true',
    COREPACK_ENABLE_DOWNLOAD_PROMPT: '0',
  }
}

async function runTool(start, options) {
  const child = start({ ...options, cwd: root, env: toolEnvironment() })
  const exit = await child.exited
  if (exit.code === 0) return
  throw new Refusal([`${options.name} ${describeExit(exit)}`, ...child.lastLines()].join('\n  '))
}

// Platform and Node too: they decide which optional packages are installed.
function fingerprint() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${process.versions.modules}`)
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml']) hash.update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

function hasOwnPnpm() {
  const answer = spawnSync('pnpm', ['--version'], {
    encoding: 'utf8',
    cwd: root,
    env: toolEnvironment(),
    timeout: 20_000,
  })
  return answer.status === 0 && answer.stdout.trim().startsWith('12.')
}
