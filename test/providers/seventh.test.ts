import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const adapter = 'packages/providers/src/tiny'
const folderTest = 'tiny has the four files of an adapter'
/**
 * What a further provider takes, in the order of docs/adding-a-provider.md: how it is made from what is there, and the
 * test that fails without it.
 */
const edits: Record<string, { make(): string; test: string }> = {
  'packages/contracts/src/provider-ids.ts': {
    make: () => insertBefore(few('packages/contracts/src/provider-ids.ts'), '] as const', "  'tiny',\n"),
    test: 'each id has its line in the registry, and each folder an id',
  },
  [`${adapter}/provider.ts`]: {
    make: () => templateOf('provider').replace("id: 'okta'", "id: 'tiny'"),
    test: folderTest,
  },
  [`${adapter}/request.ts`]: { make: () => templateOf('request'), test: folderTest },
  [`${adapter}/response.ts`]: { make: () => templateOf('response'), test: folderTest },
  [`${adapter}/errors.ts`]: { make: () => templateOf('errors'), test: folderTest },
  'packages/providers/src/registry.ts': {
    make() {
      const withImport = `import { tiny } from './tiny/provider.ts'\n${few('packages/providers/src/registry.ts')}`
      return insertBefore(withImport, '}\n\nexport function providerOf', '  tiny,\n')
    },
    test: 'each id has its line in the registry, and each folder an id',
  },
  'apps/simulator/src/tiny/simulator.ts': {
    make: () => read('apps/simulator/test/tiny-vendor/simulator.ts').replaceAll('../../src/', '../'),
    test: 'each id has a simulator, and each simulator an id',
  },
  'docs/providers/tiny.md': { make: () => read('test/providers/tiny.md'), test: 'each id has a page' },
}
const paths = Object.keys(edits)

/** The lists with Okta alone: the edits are the same, and the trees load quickly. */
const few = (path: string): string =>
  read(path)
    .replace(/^import \{ \w+ \} from '\.\/(?!okta)[\w-]+\/provider\.ts'\n/gm, '')
    .replace(/^ {2}(?!okta|'okta)(?:'\w+'|\w+(?:: \w+)?),\n/gm, '')
const isOther = (path: string): boolean =>
  /^(?:packages\/providers\/src|apps\/simulator\/src)\/(?!okta|engine|mapping|framework)[\w-]+(?:\/|$)|^docs\/providers\/(?!okta)/.test(
    path,
  )

const templateOf = (name: string): string =>
  read(`packages/providers/test/tiny-provider/${name}.ts`).replaceAll('../../src/', '../')

function insertBefore(text: string, mark: string, line: string): string {
  expect(text.split(mark)).toHaveLength(2)
  return text.replace(mark, line + mark)
}

/** What the tests of providers read, and nothing else. */
const lists = ['packages/contracts/src/provider-ids.ts', 'packages/providers/src/registry.ts']
const copied = [
  'packages/contracts/src',
  'packages/contracts/package.json',
  'packages/domain/src',
  'packages/domain/package.json',
  'packages/egress/src',
  'packages/egress/package.json',
  'packages/providers/src',
  'packages/providers/test',
  'packages/providers/package.json',
  'apps/simulator/src',
  'docs/providers',
  'test/providers/conformance.test.ts',
  'test/providers/natural-keys.test.ts',
  'test/providers/registry.test.ts',
  'test/support/recorded-sample.ts',
  'test/support/samples.ts',
]
const libraries: Record<string, string> = {
  zod: 'packages/contracts',
  jose: 'packages/providers',
  'p-retry': 'packages/providers',
  undici: 'packages/egress',
  'ipaddr.js': 'packages/egress',
  'fast-check': '.',
  vitest: '.',
}

/** The repository with a further provider, all of its edits made but one. */
function makeTree(folder: string, forgotten?: string): void {
  const filter = (source: string): boolean => !isOther(relative(root, source)) && !source.endsWith('.test.ts')
  for (const path of copied) {
    const isTest = path.endsWith('.test.ts')
    cpSync(join(root, path), join(folder, path), { recursive: true, ...(isTest ? {} : { filter }) })
  }
  for (const path of lists) writeFileSync(join(folder, path), few(path))
  mkdirSync(join(folder, 'node_modules/@muster'), { recursive: true })
  for (const name of ['contracts', 'domain'])
    symlinkSync(join(folder, 'packages', name), join(folder, 'node_modules/@muster', name))
  for (const [name, home] of Object.entries(libraries))
    symlinkSync(realpathSync(join(root, home, 'node_modules', name)), join(folder, 'node_modules', name))
  for (const [path, { make }] of Object.entries(edits)) {
    if (path === forgotten) continue
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), make())
  }
}

interface Result {
  name: string
  assertionResults: { title: string; fullName: string; status: string }[]
}

function runTests(folder: string, args: readonly string[]): Promise<Result[]> {
  const config = "export default { resolve: { conditions: ['source'] }, ssr: { resolve: { conditions: ['source'] } } }"
  writeFileSync(join(folder, 'vitest.config.mjs'), config)
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const run = ['run', '--root', folder, '--reporter', 'json', '--maxWorkers', '2', ...args]
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [vitest, ...run], { cwd: folder, maxBuffer: 2 ** 26 }, (_, stdout, stderr) => {
      const json = stdout.slice(stdout.indexOf('{'))
      if (json === '') return reject(new Error(stderr))
      resolve((JSON.parse(json) as { testResults: Result[] }).testResults)
    })
  })
}

describe('a further provider', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'muster-seventh-')))
  let results: Result[]
  const failedIn = (tree: string): string[] =>
    results
      .filter(({ name }) => name.startsWith(join(folder, tree, '/')))
      .flatMap(({ assertionResults }) => assertionResults)
      .filter(({ status }) => status === 'failed')
      .map(({ title }) => title)

  beforeAll(async () => {
    makeTree(join(folder, 'whole'))
    for (const [index, path] of paths.entries()) makeTree(join(folder, `without-${index}`), path)
    results = [
      ...(await runTests(folder, ['registry.test.ts'])),
      ...(await runTests(folder, [
        'whole/test/providers/conformance',
        'whole/test/providers/natural-keys',
        '-t',
        'tiny',
      ])),
    ]
  }, 60_000)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('takes eight files at most', () => {
    expect(paths.length).toBeLessThanOrEqual(8)
  })

  test('is complete with them: it keeps the contract, over its simulator', () => {
    const whole = results.filter(({ name }) => name.startsWith(join(folder, 'whole/')))
    expect(whole).toHaveLength(3)
    expect(failedIn('whole')).toEqual([])
    const passed = whole.flatMap(({ assertionResults }) => assertionResults.filter(({ status }) => status === 'passed'))
    expect(passed.filter(({ fullName }) => /\btiny\b/.test(fullName)).length).toBeGreaterThan(20)
  })

  test.each(paths)('without %s a test fails by its name', (path) => {
    expect(failedIn(`without-${paths.indexOf(path)}`)).toContain(edits[path]?.test)
  })

  test('docs/adding-a-provider.md names just these files, in this order', () => {
    const rows = [...read('docs/adding-a-provider.md').matchAll(/^\| \d+ \| `([^`]+)` \|/gm)].map(([, path]) => path)
    expect(rows).toEqual(paths.map((path) => path.replace('/tiny/', '/<name>/').replace('tiny.md', '<id>.md')))
  })
})
