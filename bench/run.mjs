import '../scripts/check-node.mjs'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { buildSources, installDependencies } from '../scripts/install.mjs'
import { root } from '../scripts/paths.mjs'
import { createStack } from '../scripts/stack.mjs'
import { onStopSignal } from '../scripts/stop-signals.mjs'

const [name = '', ...args] = process.argv.slice(2)
const file = join(root, 'bench', `${name}.mjs`)
if (!/^[a-z-]+$/.test(name) || !existsSync(file)) {
  console.error('Usage: npm run bench -- NAME [options]; NAME is creates, bulk or webhooks (bench/README.md).')
  process.exit(2)
}

const say = (line) => console.log(line)
const stack = createStack()
const stopped = new Promise((resolve) => onStopSignal({ first: resolve, again: stack.kill }))

async function runBench() {
  await installDependencies({ start: stack.startTool, say })
  await buildSources({ start: stack.startTool, say })
  const { run } = await import(file)
  return run({ args, stack, say })
}

const end = await Promise.race([stopped, runBench(), stack.failed]).catch((error) => error)
if (end instanceof Error) console.error(end)
else if (typeof end === 'string') say(`\n${end}: stopping…`)
await stack.stop({ graceMs: 5_000 })
// A figure that falls short is a result, not a failure of the run.
process.exit(end instanceof Error ? 1 : typeof end === 'string' ? 130 : 0)
