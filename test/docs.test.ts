import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiSettingsSchema } from '../apps/api/src/config.ts'
import { RequestError } from '../apps/api/src/http/request-error.ts'
import { workerSettingsSchema } from '../apps/worker/src/config.ts'
import { operationErrorCodes, operationErrorHints, problemCodes, synchronousStatus } from '../packages/contracts/src/error-codes.ts'
import { attemptOutcomes, operationStatuses } from '../packages/contracts/src/operation.ts'
import { routes } from '../packages/contracts/src/routes.ts'
import { systemRoutes } from '../packages/contracts/src/system-routes.ts'
import { keys } from '../packages/store/src/keys.ts'
import { newUser, startMuster, type Muster, type ProviderName } from './harness.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

function filesUnder(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '.' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) return ['node_modules', 'dist', '.git', '.muster'].includes(entry.name) ? [] : filesUnder(path)
    return [path]
  })
}

const files = filesUnder('.')
const documents = files.filter((path) => path.endsWith('.md'))

/** Cells of every table row of a document or one section of it, without the rows of dashes. */
function tableRows(path: string, heading?: string): string[][] {
  const text = read(path)
  return (heading === undefined ? text : (text.split(`# ${heading}\n`)[1]?.split('\n## ')[0] ?? ''))
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\|[-| ]+\|$/.test(line))
    .map((line) => line.replace(/^\| | \|$/g, '').split(' | ').map((cell) => cell.trim()))
}

const uncode = (cell: string): string => cell.replaceAll('`', '')

/** As GitHub makes an anchor of a heading. */
const toAnchor = (heading: string): string =>
  heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').trim().replaceAll(' ', '-')

describe('links and names in the documents', () => {
  test.each(documents)('%s links to files and headings that are there', (path) => {
    const text = read(path).replaceAll(/```[\s\S]*?```/g, '')
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      const [file = '', anchor] = target.split('#')
      const full = file === '' ? path : join(dirname(path), file)
      expect(existsSync(join(root, full)), `${path} links to ${target}`).toBe(true)
      if (anchor === undefined) continue
      const anchors = [...read(full).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => toAnchor(heading))
      expect(anchors, `${path} links to ${target}`).toContain(anchor)
    }
  })

  test.each(documents)('%s names files that are there', (path) => {
    const text = read(path).replaceAll(/```[\s\S]*?```/g, '')
    const names = new Set(files.map((file) => file.split('/').at(-1)))
    for (const [, code = ''] of text.matchAll(/`([^`\n]+)`/g)) {
      const isPath = /^(apps|packages|docs|test|scripts|examples|bench)\/[\w./-]+$/.test(code)
      if (isPath) expect(existsSync(join(root, code)) || existsSync(join(root, dirname(path), code)), `${path} names ${code}`).toBe(true)
      else if (/^[\w-]+\.(ts|mjs)$/.test(code)) expect(names, `${path} names ${code}`).toContain(code)
    }
  })
})

describe('docs/operating.md', () => {
  const settingsOf: Record<'api' | 'worker', Record<string, { safeParse(value: unknown): { success: boolean; data?: unknown } }>> = { api: apiSettingsSchema.shape, worker: workerSettingsSchema.shape }
  const documented = new Map(tableRows('docs/operating.md').flatMap(([name = '', readBy = '', byDefault = '']) => (/^`[A-Z][A-Z_]+`$/.test(name) ? [[uncode(name), { readBy, byDefault: uncode(byDefault) }]] : [])))
  const simulatorSettings = [...read('apps/simulator/src/config.ts').matchAll(/^ {2}([A-Z][A-Z_]+):/gm)].map(([, name = '']) => name)

  test('lists every setting, and none that is not read', () => {
    expect([...documented.keys()].sort()).toEqual([...new Set([...Object.keys(settingsOf.api), ...Object.keys(settingsOf.worker), ...simulatorSettings])].sort())
  })

  test('says who reads a setting, and what holds without it', () => {
    for (const [name, { readBy, byDefault }] of documented) {
      const readers = [name in settingsOf.api ? 'API' : '', name in settingsOf.worker ? 'worker' : '', simulatorSettings.includes(name) ? 'simulator' : ''].filter(Boolean)
      expect(readBy, name).toBe(readers.join(', '))
      for (const settings of Object.values(settingsOf)) {
        const value = settings[name]?.safeParse(undefined)
        if (value === undefined) continue
        const isPlain = value.success && (typeof value.data === 'string' || typeof value.data === 'number')
        expect(byDefault, name).toBe(isPlain ? String(value.data) : value.success ? 'none' : 'required')
      }
    }
  })
})

describe('docs/api.md', () => {
  const text = read('docs/api.md')
  const rows = tableRows('docs/api.md')

  test('has a section for every route, with the scope that it needs, and for no other', () => {
    const expected = [...Object.values(routes), ...Object.values(systemRoutes)].map((route) => `### \`${route.method.toUpperCase()} ${route.path}\` (${route.scope ?? 'open'})`)
    expect(text.split('\n').filter((line) => /^### `[A-Z]+ \//.test(line)).sort()).toEqual(expected.sort())
  })

  test('names every parameter of the create call and of the list', () => {
    for (const route of [routes.createUser, routes.listOperations]) for (const name of Object.keys(route.query.shape)) expect(text).toContain(`\`${name}`)
  })

  test('gives every error of an operation with its status and its hint', () => {
    for (const code of operationErrorCodes) expect(rows, code).toContainEqual([`\`${code}\``, String(synchronousStatus[code]), operationErrorHints[code]])
  })

  test('gives every problem of a request with its status', () => {
    for (const code of problemCodes) expect(rows.filter(([name, status]) => name === `\`${code}\`` && status === String(new RequestError(code, '').status)).length, code).toBeGreaterThan(0)
  })
})

describe('the other pages', () => {
  test('docs/operation-states.md explains every state and every outcome of an attempt', () => {
    const namesOf = (heading: string): string[] => tableRows('docs/operation-states.md', heading).map(([name = '']) => uncode(name)).slice(1)
    expect(namesOf('The states of an operation')).toEqual([...operationStatuses])
    expect(namesOf('Outcomes of an attempt')).toEqual([...attemptOutcomes])
  })

  test('docs/dependencies.md has a line for every direct dependency, and for nothing else', () => {
    const manifests = files.filter((path) => /^((apps|packages)\/[^/]+\/)?package\.json$/.test(path)).map((path) => JSON.parse(read(path)) as Record<string, Record<string, string> | undefined>)
    const direct = manifests.flatMap((manifest) => ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((kind) => Object.keys(manifest[kind] ?? {}))).filter((name) => !name.startsWith('@muster/'))
    const documented = tableRows('docs/dependencies.md').flatMap(([name = '']) => (name.startsWith('`') ? [uncode(name)] : []))
    expect([...new Set(documented)].sort()).toEqual([...new Set(direct)].sort())
  })

  test('ARCHITECTURE.md says who may import whom, as the manifests do', () => {
    const packages = ['contracts', 'egress', 'lanes', 'providers', 'store', 'telemetry']
    const rows = new Map(tableRows('ARCHITECTURE.md').map(([folder = '', , imports = '']) => [uncode(folder), imports]))
    for (const folder of [...packages.map((name) => `packages/${name}`), 'apps/api', 'apps/worker', 'apps/simulator']) {
      const manifest = JSON.parse(read(`${folder}/package.json`)) as { dependencies?: Record<string, string> }
      const ours = Object.keys(manifest.dependencies ?? {}).flatMap((name) => (name.startsWith('@muster/') ? [name.slice('@muster/'.length)] : [])).sort()
      const said = rows.get(folder) ?? `no row for ${folder}`
      const named = [...said.matchAll(/`(\w+)`/g)].map(([, name]) => name)
      expect(ours, folder).toEqual(said === 'all of the above' ? packages : said.startsWith('nothing') ? [] : named)
    }
  })

  test("a provider's folder imports no other provider's, and simulators import no package of ours", () => {
    for (const path of files.filter((file) => /^packages\/providers\/src\/[^/]+\/.*\.ts$/.test(file))) expect(read(path), path).not.toMatch(/from '\.\.\/[\w-]+\//)
    for (const path of files.filter((file) => /^apps\/simulator\/.*\.ts$/.test(file))) expect(read(path), path).not.toMatch(/from '(@muster\/|\.\.\/\.\.\/\.\.\/packages)/)
  })

  test('ARCHITECTURE.md names every key in Redis', () => {
    const text = read('ARCHITECTURE.md')
    for (const [name, key] of Object.entries(keys)) {
      const full = typeof key === 'string' ? key : (key as (...parts: string[]) => string)('?', '?')
      const last = full.split(':').filter((part) => !part.includes('?')).at(-1)
      expect(text, name).toMatch(new RegExp(`:${String(last)}[:\`]`))
    }
  })
})

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
    expect(String(actual), at).toMatch(new RegExp(`^${expected.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[\\s\\S]*')}$`))
  } else if (typeof expected === 'object' && expected !== null) {
    expect(typeof actual, at).toBe('object')
    if (Array.isArray(expected)) expect((actual as unknown[]).length, at).toBe(expected.length)
    for (const [key, value] of Object.entries(expected)) expectToFit((actual as Record<string, unknown>)[key], value, `${at}/${key}`)
  } else expect(actual, at).toEqual(expected)
}

/** The last line is the status, as curl's -w writes it; the rest a JSON body, or lines that must be among those answered. */
function expectAnswer(output: string, answer: string, command: string): void {
  const said = answer.trim().split('\n')
  const got = output.trim().split('\n')
  expectToFit(got.at(-1), said.at(-1), command)
  const [shown, body] = [said.slice(0, -1).join('\n'), got.slice(0, -1).join('\n')]
  if (shown.startsWith('{')) expectToFit(JSON.parse(body), JSON.parse(shown), command)
  else for (const line of said.slice(0, -1)) expect(body.split('\n').some((other) => other.includes(line)), `${command} answers ${line}`).toBe(true)
}

describe('the commands of the documents, run as they are written', () => {
  const providers: ProviderName[] = ['activecampaign', 'cisco_meraki', 'files_com', 'google_workspace', 'okta', 'salesforce']
  const folder = mkdtempSync(join(tmpdir(), 'muster-docs-'))
  let muster: Muster
  let apiKey = ''

  /** As `npm start` leaves it: a folder with .muster/demo.json, and the examples beside it. */
  beforeAll(async () => {
    muster = await startMuster()
    const accounts = await Promise.all(providers.map(async (provider) => [provider, await muster.connect(provider)] as const))
    apiKey = (await muster.request<{ api_key: string }>('POST', '/api-keys', { body: { name: 'documents', scopes: ['provision', 'read'] } })).body.api_key
    mkdirSync(join(folder, '.muster'))
    const demo = { url: muster.url(), api_key: apiKey, admin_api_key: muster.owner.adminKey, integrated_accounts: Object.fromEntries(accounts), simulators: {} }
    writeFileSync(join(folder, '.muster/demo.json'), `${JSON.stringify(demo, null, 2)}\n`)
  })
  afterAll(async () => {
    await muster.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function run(command: string, args: string[], environment: Record<string, string> = {}): Promise<{ code: unknown; output: string }> {
    const child = spawn(command, args, { cwd: folder, env: { PATH: process.env.PATH ?? '', ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
    const output: Buffer[] = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, output: Buffer.concat(output).toString() }
  }

  test.each([['README.md', 'Try it'], ['docs/api.md', undefined]])('the session of %s answers what the page says', async (path, heading) => {
    const steps = readSession(path, heading)
    expect(steps.filter((step) => step.answer !== undefined).length).toBeGreaterThan(4)
    // One shell for all, since later commands use what earlier ones have set.
    const { output } = await run('bash', ['-c', steps.map(({ command }) => `${command}\nprintf '\\036'`).join('\n')])
    const outputs = output.split('\u001E')
    for (const [index, { command, answer }] of steps.entries()) if (answer !== undefined) expectAnswer(outputs[index] ?? '', answer, command)
  }, 60_000)

  const scripts = [
    ['sh', 'create-and-wait.sh'],
    ['sh', 'submit-and-poll.sh'],
    ['node', 'create-user.mjs'],
    ['python3', 'create_user.py'],
  ] as const

  test('every example is tried here', () => {
    expect(readdirSync(join(root, 'examples')).filter((name) => name !== 'README.md').sort()).toEqual(scripts.map(([, name]) => name).sort())
  })

  describe.each(scripts)('%s examples/%s', (interpreter, name) => {
    const isThere = spawnSync(interpreter, ['--version'], { stdio: 'ignore' }).error === undefined || interpreter === 'sh'

    test.skipIf(!isThere)('creates a user by what npm start has written down', async () => {
      const email = `${name}@example.com`
      expect(await run(interpreter, [join(root, 'examples', name), email])).toMatchObject({ code: 0 })
      expect((await muster.simulators.okta.ledger()).created.map((entry) => entry.key)).toContain(email)
    })

    test.skipIf(!isThere)('ends badly, and says why, when the user cannot be created', async () => {
      const { code, output } = await run(interpreter, [join(root, 'examples', name), 'nobody'])
      expect(code).not.toBe(0)
      expect(output).toContain('must be an e-mail address')
    })

    test.skipIf(!isThere)('ends badly, and says what to do, when the provider refuses', async () => {
      const email = `taken.${name}@example.com`
      const account = (JSON.parse(readFileSync(join(folder, '.muster/demo.json'), 'utf8')) as { integrated_accounts: { okta: string } }).integrated_accounts.okta
      expect((await muster.create(account, newUser('okta', `taken.${name}`), { headers: { prefer: 'wait=20' } })).status).toBe(201)
      const { code, output } = await run(interpreter, [join(root, 'examples', name), email])
      expect(code).not.toBe(0)
      expect(output).toContain('on_conflict=adopt')
    })

    test.skipIf(!isThere)('goes by the environment before that', async () => {
      const environment = { MUSTER_URL: muster.url(), MUSTER_API_KEY: `mk_live_${'0'.repeat(32)}`, MUSTER_ACCOUNT: '0f0e7f6c-0000-4000-8000-000000000000' }
      const { code, output } = await run(interpreter, [join(root, 'examples', name), 'ada@example.com'], environment)
      expect(code).not.toBe(0)
      expect(output).toContain('unauthorized')
    })
  })

  test('README.md names what each provider needs, as a dry run with nothing in it tells', async () => {
    const rows = new Map(tableRows('README.md', 'Providers').map(([, id = '', needs = '']) => [uncode(id), needs]))
    for (const provider of providers) {
      const account = await muster.connect(provider)
      // Meraki's demo account is configured with what requests would have to name.
      if (provider === 'cisco_meraki') await muster.request('PATCH', `/integrated-accounts/${account}`, { body: { config: { organization_id: null, workspace_id: null } } })
      const { body } = await muster.create<{ errors: { pointer: string }[] }>(account, {}, { query: 'dry_run=true' })
      const asked = body.errors.map(({ pointer }) => pointer.slice(1)).sort()
      // Of "a or b" one is asked for.
      const said = (rows.get(provider) ?? '').split(', ').map((name) => uncode(name.split(' or ')[0] ?? '')).sort()
      expect(asked, provider).toEqual(said)
    }
  })

  test('docs/operating.md lists every metric of ours that API and worker show, and no other', async () => {
    const [worker] = muster.workers
    const shown = await Promise.all([`${muster.url()}/metrics`, `http://127.0.0.1:${String(worker?.listening.port)}/metrics`].map(async (url) => (await fetch(url)).text()))
    const names = shown.flatMap((text) => [...text.matchAll(/^# TYPE (muster_\w+)/gm)].map(([, name]) => name))
    const documented = tableRows('docs/operating.md').flatMap(([name = '']) => (name.startsWith('`muster_') ? [uncode(name)] : []))
    expect(documented.sort()).toEqual(names.sort())
  })
})
