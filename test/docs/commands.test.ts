import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { providerOf } from '../../packages/providers/src/registry.ts'
import { providerIds } from '../../packages/contracts/src/provider-ids.ts'
import { read, root, tableRows, uncode } from '../support/documents.ts'
import { newUser, startMuster, type Muster } from '../support/harness.ts'

interface Step {
  command: string
  answer: string | undefined
}

/** Blocks of shell under one heading (or all), each with the block of text that follows it: what it answers. */
function readSession(path: string, heading?: string): Step[] {
  const text = read(path)
  const section = heading === undefined ? text : (text.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '')
  const steps: Step[] = []
  for (const [, language, content = ''] of section.matchAll(/```(sh|text)\n([\s\S]*?)```/g)) {
    const latest = steps.at(-1)
    if (language === 'sh') steps.push({ command: content, answer: undefined })
    else if (latest) latest.answer = content
  }
  return steps
}

/** Whether `actual` has all that `expected` shows; `…` stands for anything. */
function expectToFit(actual: unknown, expected: unknown, at: string): void {
  if (typeof expected === 'string' && expected.includes('…')) {
    expect(String(actual), at).toMatch(
      new RegExp(
        `^${expected
          .split('…')
          .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
          .join('[\\s\\S]*')}$`,
      ),
    )
  } else if (typeof expected === 'object' && expected !== null) {
    expect(typeof actual, at).toBe('object')
    if (Array.isArray(expected)) expect((actual as unknown[]).length, at).toBe(expected.length)
    for (const [key, value] of Object.entries(expected))
      expectToFit((actual as Record<string, unknown>)[key], value, `${at}/${key}`)
  } else expect(actual, at).toEqual(expected)
}

/**
 * The last line is the status, as curl's -w writes it; the rest a JSON body, or lines that must be among those
 * answered.
 */
function expectAnswer(output: string, answer: string, command: string): void {
  const said = answer.trim().split('\n')
  const got = output.trim().split('\n')
  expectToFit(got.at(-1), said.at(-1), command)
  const [shown, body] = [said.slice(0, -1).join('\n'), got.slice(0, -1).join('\n')]
  if (shown.startsWith('{')) expectToFit(JSON.parse(body), JSON.parse(shown), command)
  else
    for (const line of said.slice(0, -1))
      expect(
        body.split('\n').some((other) => other.includes(line)),
        `${command} answers ${line}`,
      ).toBe(true)
}

/**
 * Free a moment ago. Muster must know its allowed receivers at start, and the receiver starts in the middle of a page.
 */
async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Where the pages receive webhooks, and `npm start` allows it. */
const RECEIVER = '127.0.0.1:8090'

describe('the commands of the documents, run as they are written', () => {
  const folder = mkdtempSync(join(tmpdir(), 'muster-docs-'))
  let muster: Muster
  let apiKey = ''
  let receiver = ''
  const children = new Set<ChildProcess>()

  /** As `npm start` leaves it: a folder with .muster/demo.json, and the examples beside it. */
  beforeAll(async () => {
    receiver = `127.0.0.1:${await findFreePort()}`
    muster = await startMuster({ allowedHosts: [receiver] })
    const accounts = await Promise.all(
      providerIds.map(async (provider) => [provider, await muster.connect(provider, { mode: 'test' })] as const),
    )
    const makeKey = async (scopes: string[]): Promise<string> =>
      (
        await muster.request<{ api_key: string }>('POST', '/api-keys', {
          body: { name: 'documents', scopes, mode: 'test' },
        })
      ).body.api_key
    apiKey = await makeKey(['provision', 'read'])
    const { secret } = (
      await muster.request<{ secret: string }>('POST', '/callback-secret', { body: { overlap_hours: 0 } })
    ).body
    mkdirSync(join(folder, '.muster'))
    symlinkSync(join(root, 'examples'), join(folder, 'examples'))
    const demo = {
      url: muster.url(),
      api_key: apiKey,
      admin_api_key: await makeKey(['provision', 'read', 'admin']),
      callback_secret: secret,
      integrated_accounts: Object.fromEntries(accounts),
      simulators: {},
    }
    writeFileSync(join(folder, '.muster/demo.json'), `${JSON.stringify(demo, null, 2)}\n`)
  })
  afterAll(async () => {
    // With what they have left in the background, where a page broke off before it ended that.
    for (const { pid } of children) if (pid !== undefined) process.kill(-pid, 'SIGKILL')
    await muster.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function run(
    command: string,
    args: string[],
    environment: Record<string, string> = {},
  ): Promise<{ code: unknown; output: string }> {
    const child = spawn(command, args, {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '', PORT: receiver.split(':')[1] ?? '', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    children.add(child)
    child.once('close', () => children.delete(child))
    const output: Buffer[] = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, output: Buffer.concat(output).toString() }
  }

  /** One shell for all, since later commands use what earlier ones have set. */
  async function expectSession(steps: readonly Step[]): Promise<void> {
    const { output } = await run('bash', [
      '-c',
      steps
        .map(({ command }) => `${command}\nprintf '\\036'`)
        .join('\n')
        .replaceAll(RECEIVER, receiver),
    ])
    const outputs = output.split('\u001E')
    for (const [index, { command, answer }] of steps.entries())
      if (answer !== undefined) expectAnswer(outputs[index] ?? '', answer.replaceAll(RECEIVER, receiver), command)
  }

  test.each([
    ['README.md', 'Try it', 1],
    ['docs/tour.md', undefined, 8],
    ['docs/webhooks.md', 'Try it', 3],
    ['docs/bulk.md', undefined, 3],
    ['docs/api.md', undefined, 3],
  ])(
    'the session of %s answers what the page says',
    async (path, heading, answers) => {
      const steps = readSession(path, heading)
      expect(steps.filter((step) => step.answer !== undefined).length).toBeGreaterThanOrEqual(answers)
      await expectSession(steps)
    },
    60_000,
  )

  test.skipIf(spawnSync('python3', ['--version'], { stdio: 'ignore' }).error !== undefined)(
    'the session of docs/webhooks.md answers the same with the other receiver that it names',
    async () => {
      const [first, ...others] = readSession('docs/webhooks.md', 'Try it')
      const [, node = '', python = ''] = /^(node \S+) .*# or: (.*)$/m.exec(first?.command ?? '') ?? []
      expect(python).toContain('python3')
      await expectSession([{ command: first?.command.replace(node, python) ?? '', answer: undefined }, ...others])
    },
    60_000,
  )

  const scripts = [
    ['sh', 'create-and-wait.sh'],
    ['sh', 'submit-and-poll.sh'],
    ['node', 'create-user.mjs'],
    ['python3', 'create_user.py'],
  ] as const

  test('every example is tried here, or with those that receive, or that create many', () => {
    const received = read('test/docs/examples-webhooks.test.ts')
    const receivers = ['receive-webhooks.mjs', 'receive_webhooks.py', 'verify-webhook.sh'].filter((name) =>
      received.includes(name),
    )
    const ofMany = ['bulk-csv.sh', 'bulk.mjs'].filter((name) => read('test/docs/examples-bulk.test.ts').includes(name))
    expect(
      readdirSync(join(root, 'examples'))
        .filter((name) => name !== 'README.md')
        .sort(),
    ).toEqual([...scripts.map(([, name]) => name), ...receivers, ...ofMany].sort())
  })

  describe.each(scripts)('%s examples/%s', (interpreter, name) => {
    const isThere =
      spawnSync(interpreter, ['--version'], { stdio: 'ignore' }).error === undefined || interpreter === 'sh'

    test.skipIf(!isThere)('creates a user by what npm start has written down', async () => {
      const email = `${name}@example.com`
      expect(await run(interpreter, [join(root, 'examples', name), email])).toMatchObject({ code: 0 })
      expect((await muster.simulators.okta.ledger()).created.map((entry) => entry.key)).toContain(email)
    })

    test.skipIf(!isThere)('ends badly, and says why, when the user cannot be created', async () => {
      const { code, output } = await run(interpreter, [join(root, 'examples', name), 'no-address'])
      expect(code).not.toBe(0)
      expect(output).toContain('must be an e-mail address')
    })

    test.skipIf(!isThere)('ends badly, and says what to do, when the provider refuses', async () => {
      const email = `taken.${name}@example.com`
      const account = (
        JSON.parse(readFileSync(join(folder, '.muster/demo.json'), 'utf8')) as { integrated_accounts: { okta: string } }
      ).integrated_accounts.okta
      expect(
        (await muster.create(account, newUser('okta', `taken.${name}`), { headers: { prefer: 'wait=20' } })).status,
      ).toBe(201)
      const { code, output } = await run(interpreter, [join(root, 'examples', name), email])
      expect(code).not.toBe(0)
      expect(output).toContain('on_conflict=adopt')
    })

    test.skipIf(!isThere)('goes by the environment before that', async () => {
      const environment = {
        MUSTER_URL: muster.url(),
        MUSTER_API_KEY: `mk_live_${'0'.repeat(32)}`,
        MUSTER_ACCOUNT: '0f0e7f6c-0000-4000-8000-000000000000',
      }
      const { code, output } = await run(interpreter, [join(root, 'examples', name), 'ada@example.com'], environment)
      expect(code).not.toBe(0)
      expect(output).toContain('unauthorized')
    })
  })

  test("each provider's page names what a user needs, as a dry run with nothing in it tells", async () => {
    for (const provider of providerIds) {
      const account = await muster.connect(provider)
      // A sample account can be configured with what requests would have to name.
      const named = Object.keys(providerOf(provider).parameters)
      if (named.length > 0)
        await muster.request('PATCH', `/integrated-accounts/${account}`, {
          body: { config: Object.fromEntries(named.map((name) => [name, null])) },
        })
      const { body } = await muster.create<{ errors: { pointer: string }[] }>(account, {}, { query: 'dry_run=true' })
      const asked = body.errors.map(({ pointer }) => pointer.slice(1)).sort()
      // Of "a or b" one is asked for.
      const [, needs = ''] = /^A user needs (.*)\.$/m.exec(read(`docs/providers/${provider}.md`)) ?? []
      const said = needs
        .split(', ')
        .map((name) => uncode(name.split(' or ')[0] ?? ''))
        .sort()
      expect(asked, provider).toEqual(said)
    }
  })

  test('docs/operating.md lists every metric of ours that API and worker show, and no other', async () => {
    const [worker] = muster.workers
    const shown = await Promise.all(
      [`${muster.url()}/metrics`, `http://127.0.0.1:${String(worker?.listening.port)}/metrics`].map(async (url) =>
        (await fetch(url)).text(),
      ),
    )
    const names = shown.flatMap((text) => [...text.matchAll(/^# TYPE (muster_\w+)/gm)].map(([, name]) => name))
    const documented = tableRows('docs/operating.md').flatMap(([name = '']) =>
      name.startsWith('`muster_') ? [uncode(name)] : [],
    )
    expect(documented.sort()).toEqual(names.sort())
  })
})
