import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSources, installDependencies, toolEnvironment, toolPath } from './install.mjs'
import { root } from './paths.mjs'
import { describeExit } from './processes.mjs'
import { Refusal } from './refusal.mjs'
import { createStack } from './stack.mjs'
import { onStopSignal } from './stop-signals.mjs'
import { countTests } from './test-report.mjs'

const usage = `Usage: npm test [-- vitest arguments]

Installs and builds what is missing, checks the types of the tests, lints, checks the format, looks for unused code and
dependencies, and runs every test against a real Redis of its own. The last line is "N passed, N failed", the lines before it name what failed; a check
that fails counts as one failed, and so does a run without tests. Arguments go to vitest: npm test -- packages/store -t lease`

const say = (line) => console.log(line)

/** `npm test`: exit code 0 only when every check and every test passed, and at least one test ran. */
export async function runTests(args) {
  if (args.includes('--help') || args.includes('-h')) return say(usage)
  const stack = createStack()
  const stopped = new Promise((resolve) => onStopSignal({ first: resolve, again: stack.kill }))
  const folder = mkdtempSync(join(tmpdir(), 'muster-test-'))
  const end = await Promise.race([stopped, runChecks(stack, folder, args)])
  if (typeof end === 'string') {
    say(`\n${end}: stopping…`)
    await stack.stop({ graceMs: 15_000 })
  }
  rmSync(folder, { recursive: true, force: true })
  if (typeof end === 'string') process.exit(130)
  const { passed, failures } = end
  for (const failure of failures) say(`FAILED: ${failure}`)
  say(`${passed} passed, ${failures.length} failed`)
  process.exit(failures.length > 0 ? 1 : 0)
}

/** Every check that can still run does, so that one run reports everything; without a build nothing can. */
async function runChecks(stack, folder, vitestArgs) {
  const failures = []
  try {
    await installDependencies({ start: stack.startTool, say })
    await buildSources({ start: stack.startTool, say })
  } catch (error) {
    return { passed: 0, failures: [error instanceof Refusal ? error.message : error.stack] }
  }
  for (const [title, ...command] of [
    ['Checking types of the tests…', 'tsc', '-p', 'tsconfig.test.json'],
    ['Linting…', 'oxlint'],
    ['Checking the format…', 'prettier', '--check', '--log-level', 'warn', '.'],
    ['Looking for what nothing uses…', 'knip', '--treat-config-hints-as-errors'],
  ]) {
    say(title)
    const exit = await runTool(stack, command)
    if (exit.code !== 0) failures.push(`${command.join(' ')} ${describeExit(exit)}`)
  }
  const { passed, failures: testFailures } = await runVitest(stack, folder, vitestArgs)
  return { passed, failures: [...failures, ...testFailures] }
}

async function runVitest(stack, folder, vitestArgs) {
  const reportFile = join(folder, 'report.json')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`]
  // What the tests leave in the temporary folder goes with the run, also when Ctrl-C keeps them from tidying up.
  const exit = await runTool(stack, ['vitest', 'run', ...reporters, ...vitestArgs], { TMPDIR: folder })
  return countTests(exit, readReport(reportFile))
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    // vitest ended before it wrote one, or half-way.
    return undefined
  }
}

function runTool(stack, [name, ...args], variables = {}) {
  // The output passes through a pipe, which tools take for "no colours".
  const colours = process.stdout.isTTY && !process.env.NO_COLOR ? { FORCE_COLOR: '1' } : {}
  const env = { ...process.env, ...colours, ...variables, PATH: toolEnvironment().PATH }
  return stack.startTool({ name, command: toolPath(name), args, cwd: root, env, onLine: say }).exited
}
