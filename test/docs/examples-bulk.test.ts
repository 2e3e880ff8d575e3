import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { root } from '../support/documents.ts'
import { newUser, startMuster, type Muster } from '../support/harness.ts'

let muster: Muster
let okta: string
const folder = mkdtempSync(join(tmpdir(), 'muster-examples-'))
beforeAll(async () => {
  muster = await startMuster({})
  okta = await muster.connect('okta', { limits: { requests: 50, per_seconds: 1 } })
  await muster.simulators.okta.set({ rate_limit: null })
  const { api_key } = (
    await muster.request<{ api_key: string }>('POST', '/api-keys', {
      body: { name: 'examples', scopes: ['provision', 'read'] },
    })
  ).body
  mkdirSync(join(folder, '.muster'))
  writeFileSync(
    join(folder, '.muster/demo.json'),
    JSON.stringify({ url: muster.url(), api_key, integrated_accounts: { okta } }, null, 2),
  )
})
afterAll(async () => {
  await muster.close()
  rmSync(folder, { recursive: true, force: true })
})

async function run(
  interpreter: string,
  name: string,
  args: string[],
  environment: Record<string, string> = {},
): Promise<{ code: unknown; output: string }> {
  const child = spawn(interpreter, [join(root, 'examples', name), ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output }
}
const created = async (): Promise<string[]> => (await muster.simulators.okta.ledger()).created.map(({ key }) => key)
const unknownKey = (): Record<string, string> => ({
  MUSTER_URL: muster.url(),
  MUSTER_API_KEY: `mk_live_${'0'.repeat(32)}`,
  MUSTER_ACCOUNT: '0f0e7f6c-0000-4000-8000-000000000000',
})

describe('examples/bulk-csv.sh', () => {
  const write = (name: string, rows: string): void =>
    writeFileSync(join(folder, name), `first_name,last_name,email\n${rows}`)

  test('creates every user of a file, once however often, and writes what became of each', async () => {
    write('good.csv', 'Ada,Lovelace,ada@example.com\nGrace,Hopper,grace@example.com\n')
    for (let time = 0; time < 2; time += 1) {
      const { code, output } = await run('sh', 'bulk-csv.sh', ['good.csv', 'good-results.csv'])
      expect(output).toContain('2 rows, ')
      expect(output).toContain('completed: 2 created, 0 failed, 0 rejected of 2')
      expect(code).toBe(0)
    }
    expect((await created()).sort()).toEqual(['ada@example.com', 'grace@example.com'])
    expect(readFileSync(join(folder, 'good-results.csv'), 'utf8').trim().split('\r\n')).toHaveLength(3)
  })

  test('ends badly when a row was rejected', async () => {
    write('bad.csv', 'Joan,Clarke,joan@example.com\nAlan,Turing,no-address\n')
    const { code, output } = await run('sh', 'bulk-csv.sh', ['bad.csv', 'bad-results.csv'])
    expect(output).toContain('2 rows, 1 good, 1 to be rejected')
    expect(output).toContain('completed: 1 created, 0 failed, 1 rejected of 2')
    expect(code).toBe(1)
    expect(readFileSync(join(folder, 'bad-results.csv'), 'utf8')).toContain('must be an e-mail address')
  })

  test('ends badly, and says why, when the file or the key is wrong', async () => {
    const missing = await run('sh', 'bulk-csv.sh', ['nowhere.csv'])
    expect({ code: missing.code, output: missing.output.trim() }).toEqual({
      code: 1,
      output: 'cannot read nowhere.csv',
    })
    writeFileSync(join(folder, 'wrong.csv'), 'first_name,colour\nAda,red\n')
    const wrong = await run('sh', 'bulk-csv.sh', ['wrong.csv'])
    expect({ code: wrong.code, output: wrong.output }).toEqual({
      code: 1,
      output: expect.stringContaining('unknown_headers'),
    })
    const refused = await run('sh', 'bulk-csv.sh', ['good.csv'], unknownKey())
    expect({ code: refused.code, output: refused.output }).toEqual({
      code: 1,
      output: expect.stringContaining('unauthorized'),
    })
  })
})

describe('examples/bulk.mjs', () => {
  const results = (name: string) =>
    readFileSync(join(folder, name), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { row: number; status: string })

  test('creates as many users as asked for, shows how far it is, and writes what became of each', async () => {
    const { code, output } = await run('node', 'bulk.mjs', ['30', 'many.ndjson'], { RUN: 'many' })
    expect(output).toContain(`[${'#'.repeat(30)}] 30 of 30, 0 failed`)
    expect(output).toContain('completed: 30 of 30 created')
    expect(code).toBe(0)
    expect(results('many.ndjson').map(({ row, status }) => [row, status])).toEqual(
      Array.from({ length: 30 }, (_, index) => [index + 1, 'succeeded']),
    )
  })

  test('comes back when the API is killed while it follows', async () => {
    const running = run('node', 'bulk.mjs', ['150', 'killed.ndjson'], { RUN: 'killed' })
    while ((await created()).filter((key) => key.includes('killed')).length < 20)
      await new Promise((resolve) => setTimeout(resolve, 50))
    await muster.restartApi('SIGKILL', { MUSTER_PORT: String(muster.api.listening.port) })
    const { code, output } = await running
    expect(output).toContain('completed: 150 of 150 created')
    expect(code).toBe(0)
  })

  test('ends badly when rows have failed', async () => {
    expect((await muster.create(okta, newUser('okta', 'ada.taken.1'), { headers: { prefer: 'wait=20' } })).status).toBe(
      201,
    )
    const { code, output } = await run('node', 'bulk.mjs', ['3', 'taken.ndjson'], { RUN: 'taken' })
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('completed: 2 of 3 created') })
    expect(results('taken.ndjson').map(({ status }) => status)).toEqual(['failed', 'succeeded', 'succeeded'])
  })

  test('ends badly, and says why, when the rows are not those that came with the key', async () => {
    const { code, output } = await run('node', 'bulk.mjs', ['31', 'again.ndjson'], { RUN: 'many' })
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('idempotency_key_reused') })
  })

  test('ends badly, and says why, when the key is wrong', async () => {
    const { code, output } = await run('node', 'bulk.mjs', [], unknownKey())
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('unauthorized') })
  })
})
