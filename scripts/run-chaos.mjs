import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { buildSources, installDependencies, toolEnvironment, toolPath } from './install.mjs'
import { root } from './paths.mjs'
import { Refusal } from './refusal.mjs'
import { createStack } from './stack.mjs'
import { onStopSignal } from './stop-signals.mjs'

const usage = `Usage: npm run chaos [-- --seed N] [--only TEXT,TEXT] [--short] [--report FOLDER]

Kills, freezes and cuts a whole Muster of its own on this machine, scenario by scenario, and lets the ledgers of the
simulators and of the client decide what was lost and what was created twice. Prints a table; writes it as Markdown and
JSON (default .muster/chaos). The full run takes about half an hour; --short a few minutes.`

/** `npm run chaos`: exit code 0 only when every promise held. */
export async function runChaos(args) {
  let options
  try {
    options = parseArgs({
      args,
      options: {
        seed: { type: 'string' },
        only: { type: 'string' },
        short: { type: 'boolean' },
        report: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    console.error(`${error.message}\n${usage}`)
    process.exit(2)
  }
  if (options.help) return console.log(usage)
  const seed = options.seed ?? String(randomInt(2 ** 31))
  if (!/^\d+$/.test(seed)) {
    console.error('--seed must be a whole number.')
    process.exit(2)
  }
  const say = (line) => console.log(line)
  const stack = createStack()
  const stopped = new Promise((resolve) => onStopSignal({ first: resolve, again: stack.kill }))
  const end = await Promise.race([stopped, runScenarios(stack, seed, options, say)]).catch((error) => {
    if (!(error instanceof Refusal)) throw error
    console.error(error.message)
    return { code: 1 }
  })
  if (typeof end === 'string') {
    say(`\n${end}: stopping…`)
    await stack.stop({ graceMs: 15_000 })
    process.exit(130)
  }
  process.exit(end.code === 0 ? 0 : 1)
}

async function runScenarios(stack, seed, options, say) {
  await installDependencies({ start: stack.startTool, say })
  await buildSources({ start: stack.startTool, say })
  const env = {
    ...process.env,
    PATH: toolEnvironment().PATH,
    MUSTER_CHAOS_SEED: seed,
    MUSTER_CHAOS_SCALE: options.short ? 'short' : 'full',
    MUSTER_CHAOS_ONLY: options.only ?? '',
    ...(options.report ? { MUSTER_CHAOS_REPORT: options.report } : {}),
  }
  return stack.startTool({
    name: 'vitest',
    command: toolPath('vitest'),
    args: ['run', '--config', 'test/chaos/vitest.config.ts'],
    cwd: root,
    env,
    onLine: say,
  }).exited
}
