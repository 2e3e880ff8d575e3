import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const foldersIn = (path: string): string[] =>
  readdirSync(join(root, path), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() && !['dist', 'node_modules'].includes(entry.name) ? [entry.name] : [],
  )

interface Source {
  /** From the root: `packages/store/src/redis/connect.ts`. */
  path: string
  /** `packages/store`. */
  home: string
  text: string
  /** As written, types included. */
  imports: string[]
  isTest: boolean
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|(?:^|\n)\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g

const importsOf = (text: string): string[] =>
  [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')

function sourcesIn(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => join(folder, path))
    .filter((path) => path.endsWith('.ts') && !/(^|\/)(dist|node_modules)\//.test(path))
    .map((path) => {
      const text = read(path)
      return {
        path,
        home: path.split('/').slice(0, 2).join('/'),
        text,
        imports: importsOf(text),
        isTest: path.endsWith('.test.ts') || !path.includes('/src/'),
      }
    })
}

const all = [...sourcesIn('packages'), ...sourcesIn('apps')]
const sources = all.filter(({ isTest }) => !isTest)
/** What every provider shares. */
const sharedFolders = ['engine', 'mapping']
const adapterFolders = foldersIn('packages/providers/src').filter((name) => !sharedFolders.includes(name))
const isOfAdapter = (path: string): boolean =>
  adapterFolders.some((folder) => path.startsWith(`packages/providers/src/${folder}/`))

const isRelative = (specifier: string): boolean => specifier.startsWith('.')
const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
/** Every import that the rule does not allow, as `file -> import`. */
const breaches = (of: Source[], isAllowed: (specifier: string, source: Source) => boolean): string[] =>
  of.flatMap((source) =>
    source.imports
      .filter((specifier) => !isAllowed(specifier, source))
      .map((specifier) => `${source.path} -> ${specifier}`),
  )

test('the imports of this repository are read at all', () => {
  expect(sources.length).toBeGreaterThan(100)
  expect(sources.flatMap(({ imports }) => imports).length).toBeGreaterThan(400)
  expect(sources.find(({ path }) => path === 'packages/store/src/redis/connect.ts')?.imports).toEqual(
    expect.arrayContaining(['ioredis', './error.ts']),
  )
})

describe('who may import whom', () => {
  const contracts = ['@muster/contracts']
  const middle = [...contracts, '@muster/domain']
  const every = ['bulk', 'contracts', 'domain', 'egress', 'lanes', 'process', 'providers', 'store', 'webhooks'].map(
    (name) => `@muster/${name}`,
  )
  const allowed: Record<string, string[]> = {
    'packages/bulk': contracts,
    'packages/contracts': [],
    'packages/domain': contracts,
    'packages/egress': contracts,
    'packages/lanes': middle,
    'packages/providers': middle,
    'packages/store': middle,
    'packages/process': contracts,
    'packages/webhooks': middle,
    'apps/api': every,
    'apps/worker': every,
    'apps/simulator': [],
  }
  const homes = [
    ...foldersIn('packages').map((name) => `packages/${name}`),
    ...foldersIn('apps').map((name) => `apps/${name}`),
  ]

  test.each(homes)('%s imports only packages of ours that it may', (home) => {
    expect(allowed[home], 'a new package or app needs its line here').toBeDefined()
    expect(
      breaches(
        sources.filter((source) => source.home === home),
        (specifier) => !specifier.startsWith('@muster/') || (allowed[home] ?? []).includes(packageOf(specifier)),
      ),
    ).toEqual([])
  })

  test('no file leaves its own src by path', () => {
    expect(
      breaches(
        sources,
        (specifier, { path, home }) =>
          !isRelative(specifier) || join(dirname(path), specifier).startsWith(`${home}/src/`),
      ),
    ).toEqual([])
  })

  test('nothing imports an app, tests of packages included', () => {
    expect(
      breaches(
        all.filter(({ home }) => home.startsWith('packages/')),
        (specifier) =>
          !/(^|\/)apps\//.test(specifier) && !/^@muster\/(api|worker|simulator|cli|console)\b/.test(specifier),
      ),
    ).toEqual([])
  })

  test('what is imported is declared by the package that imports it, and written with its extension', () => {
    const declared = new Map(
      homes.map((home) => [home, JSON.parse(read(`${home}/package.json`)) as { dependencies?: object }]),
    )
    expect(
      breaches(
        sources,
        (specifier, { home }) =>
          isRelative(specifier) ||
          specifier.startsWith('node:') ||
          packageOf(specifier) in (declared.get(home)?.dependencies ?? {}),
      ),
    ).toEqual([])
    expect(breaches(sources, (specifier) => !isRelative(specifier) || specifier.endsWith('.ts'))).toEqual([])
  })

  test.each<[string, RegExp]>([
    ['ioredis', /^packages\/(store|lanes)\//],
    ['bullmq', /^packages\/lanes\//],
    ['undici', /^packages\/egress\//],
    ['ipaddr.js', /^packages\/egress\//],
    ['pino', /^packages\/process\//],
    ['standardwebhooks', /^packages\/webhooks\//],
    ['express', /^apps\//],
  ])('%s is imported in its own place only', (library, place) => {
    expect(breaches(sources, (specifier, { path }) => packageOf(specifier) !== library || place.test(path))).toEqual([])
  })
})

describe('where side effects are', () => {
  test('the environment is read in config.ts only', () => {
    expect(
      sources
        .filter(({ path, text }) => /\bprocess\s*\.\s*env\b/.test(text) && !path.endsWith('/config.ts'))
        .map(({ path }) => path),
    ).toEqual([])
    expect(
      breaches(sources, (specifier, { path }) => specifier !== 'node:process' || path.startsWith('apps/')),
    ).toEqual([])
  })

  test('nothing is written to the console', () => {
    expect(sources.filter(({ text }) => /\bconsole\s*\./.test(text)).map(({ path }) => path)).toEqual([])
  })

  test('an adapter puts values into a path by pathOf alone, which refuses what would lead elsewhere', () => {
    const adapters = sources.filter(({ path }) => isOfAdapter(path))
    expect(adapters.filter(({ text }) => /encodeURI/.test(text)).map(({ path }) => path)).toEqual([])
    expect(adapters.filter(({ text }) => /\bpath: `\/[^`]*\$\{/.test(text)).map(({ path }) => path)).toEqual([])
  })

  test('an adapter has no sockets, files or clocks of its own', () => {
    const adapters = sources.filter(({ path }) => isOfAdapter(path))
    expect(breaches(adapters, (specifier) => !specifier.startsWith('node:'))).toEqual([])
    expect(
      adapters.filter(({ text }) => /\bfetch\(|\bsetTimeout\(|\bsetInterval\(/.test(text)).map(({ path }) => path),
    ).toEqual([])
  })
})

describe('a provider is one folder', () => {
  const simulatorFolders = foldersIn('apps/simulator/src').filter((name) => name !== 'framework')
  test.each(adapterFolders)('%s imports contracts, what all adapters share, and no other adapter', (folder) => {
    const own = `packages/providers/src/${folder}/`
    const isShared = (path: string): boolean =>
      path.startsWith('packages/providers/src/') && !isOfAdapter(path) && !path.endsWith('/registry.ts')
    const files = sources.filter(({ path }) => path.startsWith(own))
    expect(files.length).toBeGreaterThan(3)
    expect(
      breaches(
        files,
        (specifier, { path }) =>
          !isRelative(specifier) ||
          join(dirname(path), specifier).startsWith(own) ||
          isShared(join(dirname(path), specifier)),
      ),
    ).toEqual([])
  })

  test.each(simulatorFolders)("the simulator %s imports no other vendor's", (folder) => {
    const own = `apps/simulator/src/${folder}/`
    expect(
      breaches(
        sources.filter(({ path }) => path.startsWith(own)),
        (specifier, { path }) =>
          !isRelative(specifier) ||
          join(dirname(path), specifier).startsWith(own) ||
          join(dirname(path), specifier).startsWith('apps/simulator/src/framework/'),
      ),
    ).toEqual([])
  })

  test('what is shared knows no adapter, but for the registry', () => {
    const shared = sources.filter(
      ({ path }) => path.startsWith('packages/providers/src/') && !isOfAdapter(path) && !path.endsWith('/registry.ts'),
    )
    expect(
      breaches(
        shared,
        (specifier, { path }) =>
          !isRelative(specifier) ||
          (!specifier.endsWith('/registry.ts') && !isOfAdapter(join(dirname(path), specifier))),
      ),
    ).toEqual([])
  })
})

test('no cast silences the compiler, in tests either', () => {
  const casts = [...all, ...sourcesIn('test')].flatMap(({ path, text }) =>
    [...text.matchAll(/\bas (?:never|unknown as)\b/g)].map(([cast]) => `${path}: ${cast}`),
  )
  expect(casts).toEqual([])
})

test('no comment is wider than the formatter makes code', () => {
  const wide = all.flatMap(({ path, text }) =>
    text
      .split('\n')
      .flatMap((line, index) => (line.length > 120 && /^\s*(\/\/|\/?\*)/.test(line) ? [`${path}:${index + 1}`] : [])),
  )
  expect(wide).toEqual([])
})

test('no file imports itself, however far around, types included', () => {
  const byPath = new Map(sources.map((source) => [source.path, source]))
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, trail: string[]): void => {
    if (trail.includes(path)) return void cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
    if (done.has(path)) return
    for (const specifier of byPath.get(path)?.imports.filter(isRelative) ?? [])
      visit(relative('', join(dirname(path), specifier)), [...trail, path])
    done.add(path)
  }
  for (const { path } of sources) visit(path, [])
  expect(cycles).toEqual([])
})
