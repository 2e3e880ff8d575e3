import { spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Redis } from 'ioredis'
import { Keyring } from '../../packages/store/src/crypto/keyring.ts'
import { keys as names } from '../../packages/store/src/redis/keys.ts'
import { startFaultProxy } from '../chaos/fault-proxy.ts'
import { eventually, startMuster, startProgram, type Muster, type Program } from '../support/harness.ts'

const newKey = (id = 'test'): string => `${id}:${randomBytes(32).toString('base64')}`
const right = newKey()
let muster: Muster
beforeAll(async () => void (muster = await startMuster({ environment: { MUSTER_ENCRYPTION_KEYS: right } })))
afterAll(() => muster.close())

/** Runs one of our programs to its end, as an operator who has set the wrong key would. */
async function run(script: string, environment: Record<string, string>, ...values: string[]) {
  const child = spawn(process.execPath, [fileURLToPath(new URL(`../../${script}`, import.meta.url)), ...values], {
    env: { PATH: process.env.PATH ?? '', REDIS_URL: muster.redis.url, LOG_LEVEL: 'silent', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk))
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000)
  const [exitCode] = (await once(child, 'close')) as [number | null]
  clearTimeout(timer)
  return { exitCode, lines: Buffer.concat(said).toString().trim().split('\n') }
}

const programs: [string, string[], Record<string, string>][] = [
  ['apps/api/dist/main.js', [], { MUSTER_PORT: '0' }],
  ['apps/worker/dist/main.js', [], { MUSTER_WORKER_PORT: '0' }],
  ['apps/api/dist/commands/bootstrap.js', ['--tenant', 'acme'], {}],
  ['apps/api/dist/commands/reseal.js', [], {}],
  ['apps/api/dist/commands/discard.js', ['--operation', randomUUID(), '--yes'], {}],
]

describe('a process whose keys are not those of what Redis holds refuses to run, in one line that names the setting', () => {
  describe.each(programs)('%s', (script, values, environment) => {
    test.each([
      ['another key under the same id', newKey('test')],
      ['another key under another id', newKey('other')],
    ])('%s', async (_, keys) => {
      const { exitCode, lines } = await run(script, { ...environment, MUSTER_ENCRYPTION_KEYS: keys }, ...values)
      expect(exitCode).toBe(1)
      expect(lines).toHaveLength(1)
      expect(lines[0]).toMatch(/MUSTER_ENCRYPTION_KEYS .* REDIS_URL/)
      expect(lines[0]).not.toContain(keys.split(':')[1])
    })
  })
})

describe('a command of the operator', () => {
  test.each([
    ['apps/api/dist/commands/bootstrap.js', ['--tenant', 'acme']],
    ['apps/api/dist/commands/reseal.js', []],
  ])('%s names why Redis cannot be reached', async (script, values) => {
    const environment = { REDIS_URL: 'redis://127.0.0.1:1', MUSTER_ENCRYPTION_KEYS: right }
    const { exitCode, lines } = await run(script, environment, ...values)
    expect({ exitCode, lines }).toEqual({
      exitCode: 1,
      lines: [expect.stringMatching(/^Redis at REDIS_URL .*ECONNREFUSED/)],
    })
  })

  test('that takes no arguments does nothing when it is given some', async () => {
    const { exitCode, lines } = await run(
      'apps/api/dist/commands/reseal.js',
      { MUSTER_ENCRYPTION_KEYS: right },
      '--help',
    )
    expect({ exitCode, lines }).toEqual({ exitCode: 1, lines: ['Usage: npm run reseal, without arguments.'] })
  })
})

const readiness = async (program: Program): Promise<{ status: number; body: { warnings: string[] } }> => {
  const response = await fetch(`http://127.0.0.1:${String(program.listening.port)}/readyz`)
  return { status: response.status, body: (await response.json()) as { warnings: string[] } }
}

describe.each(programs.slice(0, 2))('%s, started while Redis is away', (script, _, environment) => {
  test.each([
    ['is ready when Redis comes, with the right key', right, true],
    ['ends with that line when Redis comes, with another key', newKey(), false],
  ])('%s', async (_title, keys, isRight) => {
    const proxy = await startFaultProxy({ host: '127.0.0.1', port: muster.redis.port })
    proxy.setRefusing(true)
    const program = await startProgram(script, {
      ...environment,
      REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
      MUSTER_ENCRYPTION_KEYS: keys,
    })
    try {
      expect((await readiness(program)).status).toBe(503)
      const ended = once(program.child, 'exit')
      proxy.setRefusing(false)
      if (isRight)
        await eventually(
          () => readiness(program),
          ({ status }) => status === 200,
        )
      else {
        expect(await ended).toEqual([1, null])
        expect(program.output.at(-1)).toMatch(/^MUSTER_ENCRYPTION_KEYS .* REDIS_URL/)
      }
    } finally {
      await program.kill('SIGKILL')
      await proxy.close()
    }
  })
})

test('a process whose keys no longer open what Redis holds says that it is not ready, and why', async () => {
  const redis = new Redis(muster.redis.url)
  const sealed = await redis.getBuffer(names.hashKey)
  try {
    await redis.set(names.hashKey, Keyring.parse(newKey('newest')).seal('x', 'hash-key'))
    for (const program of [muster.api, ...muster.workers]) {
      const { status, body } = await readiness(program)
      expect({ status, warnings: body.warnings }).toEqual({
        status: 503,
        warnings: expect.arrayContaining([expect.stringContaining('sealed with key "newest"')]),
      })
    }
  } finally {
    if (sealed) await redis.set(names.hashKey, sealed)
    redis.disconnect()
  }
  expect((await readiness(muster.api)).status).toBe(200)
})
