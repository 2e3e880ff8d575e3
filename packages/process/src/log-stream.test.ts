import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const logger = fileURLToPath(new URL('../dist/logger.js', import.meta.url))

interface Line {
  msg: string
  count?: number
}

/** Runs a program of one logger, and reads what it wrote to standard output. */
async function linesOf(program: string, onStart: (child: ReturnType<typeof spawn>) => void = () => undefined) {
  const source = `import { createLogger } from ${JSON.stringify(logger)}
const log = createLogger('info', 'test')
${program}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'ignore'] })
  onStart(child)
  const [output, [code]] = (await Promise.all([text(child.stdout), once(child, 'exit')])) as [string, [number | null]]
  const lines = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
  return { code, lines }
}

test.each([
  ['exits', 'process.exit(0)', 0],
  ['has nothing left to do', '', 0],
  ['crashes', `throw new Error('x')`, 1],
  ['logs a fatal error and exits', `log.fatal('last'); process.exit(1)`, 1],
])('every line is written, in order, when the process %s', async (_, end, code) => {
  const { lines, code: exitCode } = await linesOf(`
for (let line = 0; line < 1000; line += 1) log.info(String(line))
await new Promise((resolve) => setTimeout(resolve, 10))
for (let line = 1000; line < 2000; line += 1) log.info(String(line))
${end}`)
  expect(exitCode).toBe(code)
  expect(lines.filter(({ msg }) => msg !== 'last').map(({ msg }) => Number(msg))).toEqual(
    Array.from({ length: 2_000 }, (_unused, line) => line),
  )
})

test('every line is written when a signal stops it', async () => {
  const { lines } = await linesOf(
    `
process.on('SIGTERM', () => process.exit(0))
setInterval(() => undefined, 1_000)
for (let line = 0; line < 100; line += 1) log.info(String(line))
process.kill(process.pid, 'SIGTERM')`,
  )
  expect(lines).toHaveLength(100)
})

test('a line that comes alone is not kept waiting', async () => {
  const { lines } = await linesOf(`log.info('alone'); setInterval(() => undefined, 1_000)`, (child) =>
    // Killed as soon as it has written: what it keeps is lost.
    child.stdout?.once('data', () => child.kill('SIGKILL')),
  )
  expect(lines.map(({ msg }) => msg)).toEqual(['alone'])
})

test('no more than a megabyte waits for a slow reader, and the log says how much was lost', async () => {
  const total = 3_000
  const { lines } = await linesOf(`
for (let line = 0; line < ${total}; line += 1) log.info('x'.repeat(1_000))
setTimeout(() => process.exit(0), 500)`)
  const [lost, ...more] = lines.filter(({ msg }) => msg === 'log lines were dropped')
  expect(more).toEqual([])
  expect(lines.length - 1).toBeLessThan(1_100)
  expect(lines.length - 1 + (lost?.count ?? 0)).toBe(total)
})
