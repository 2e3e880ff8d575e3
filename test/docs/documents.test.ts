import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { apiSettingsSchema } from '../../apps/api/src/config.ts'
import { workerSettingsSchema } from '../../apps/worker/src/config.ts'
import { findUnknownSettings } from '../../packages/process/src/unknown-settings.ts'
import { errorCodes, operationErrorCodes, problemCodes } from '../../packages/contracts/src/error-codes.ts'
import { attemptOutcomes, operationStatuses } from '../../packages/contracts/src/operation.ts'
import { routes } from '../../packages/contracts/src/routes.ts'
import { systemRoutes } from '../../packages/contracts/src/system-routes.ts'
import {
  webhookEventSchemas,
  webhookEventTypes,
  type WebhookEventType,
} from '../../packages/contracts/src/webhook-event.ts'
import { checkEndpointUrl } from '../../packages/webhooks/src/endpoint-url.ts'
import { DEFAULT_SCHEDULE, parseSchedule } from '../../packages/webhooks/src/schedule.ts'
import { withGeneratedBlocks } from '../support/api-document.ts'
import { withKeyTable } from '../support/key-table.ts'
import { documents, files, read, root, tableRows, uncode } from '../support/documents.ts'

/** As GitHub makes an anchor of a heading. */
const toAnchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-')

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
      if (isPath)
        expect(
          existsSync(join(root, code)) || existsSync(join(root, dirname(path), code)),
          `${path} names ${code}`,
        ).toBe(true)
      else if (/^[\w-]+\.(ts|mjs)$/.test(code)) expect(names, `${path} names ${code}`).toContain(code)
    }
  })
})

describe('docs/operating.md', () => {
  interface Setting {
    safeParse(value: unknown): { success: boolean; data?: unknown }
  }
  const settingsOf: Record<'api' | 'worker', Record<string, Setting>> = {
    api: apiSettingsSchema.shape,
    worker: workerSettingsSchema.shape,
  }
  /**
   * As it would be written in the environment: of a setting that is parsed into something else, the text before that.
   */
  function defaultOf(setting: Setting): string {
    const { success, data } = ('in' in setting ? (setting.in as Setting) : setting).safeParse(undefined)
    if (!success) return 'required'
    return (typeof data === 'string' && data !== '') || typeof data === 'number' ? String(data) : 'none'
  }
  const documented = new Map(
    tableRows('docs/operating.md').flatMap(([name = '', readBy = '', byDefault = '']) =>
      /^`[A-Z][A-Z_]+`$/.test(name) ? [[uncode(name), { readBy, byDefault: uncode(byDefault) }]] : [],
    ),
  )
  const simulatorSettings = [...read('apps/simulator/src/config.ts').matchAll(/^ {2}([A-Z][A-Z_]+):/gm)].map(
    ([, name = '']) => name,
  )

  test('lists every setting, and none that is not read', () => {
    expect([...documented.keys()].sort()).toEqual(
      [...new Set([...Object.keys(settingsOf.api), ...Object.keys(settingsOf.worker), ...simulatorSettings])].sort(),
    )
  })

  test('lists no setting that would be called unknown', () => {
    for (const name of documented.keys()) expect(findUnknownSettings({ [name]: '' })).toEqual([])
  })

  test('says who reads a setting, and what holds without it', () => {
    for (const [name, { readBy, byDefault }] of documented) {
      const readers = [
        name in settingsOf.api ? 'API' : '',
        name in settingsOf.worker ? 'worker' : '',
        simulatorSettings.includes(name) ? 'simulator' : '',
      ].filter(Boolean)
      expect(readBy, name).toBe(readers.join(', '))
      for (const settings of Object.values(settingsOf)) {
        const setting = settings[name]
        if (setting) expect(byDefault, name).toBe(defaultOf(setting))
      }
    }
  })
})

describe('docs/api.md', () => {
  const text = read('docs/api.md')
  const rows = tableRows('docs/api.md')

  test('is what routes and error codes say (npx vitest run test/docs/documents.test.ts -u writes it)', async () => {
    await expect(withGeneratedBlocks(text)).toMatchFileSnapshot('../../docs/api.md')
  })

  test('has a section for every route, with the scope that it needs, and for no other', () => {
    const expected = [...Object.values(routes), ...Object.values(systemRoutes)].map(
      (route) => `### \`${route.method.toUpperCase()} ${route.path}\` (${route.scope ?? 'open'})`,
    )
    expect(
      text
        .split('\n')
        .filter((line) => /^### `[A-Z]+ \//.test(line))
        .sort(),
    ).toEqual(expected.sort())
  })

  test('names every parameter of the create calls and of the list', () => {
    for (const route of [routes.createUser, routes.createUsers, routes.listOperations])
      for (const name of Object.keys(route.query.shape)) expect(text).toContain(`\`${name}`)
  })

  test('gives every error of an operation with its status and its hint', () => {
    for (const code of operationErrorCodes)
      expect(rows, code).toContainEqual([
        `\`${code}\``,
        String(errorCodes[code].status),
        errorCodes[code].retryable ? 'yes' : 'no',
        errorCodes[code].hint,
      ])
  })

  test('gives every problem of a request with its status', () => {
    for (const code of problemCodes)
      expect(
        rows.filter(([name, status]) => name === `\`${code}\`` && status === String(errorCodes[code].status)).length,
        code,
      ).toBeGreaterThan(0)
  })
})

describe('docs/webhooks.md', () => {
  const text = read('docs/webhooks.md')

  test('explains every type of event', () => {
    const named = tableRows('docs/webhooks.md', 'What arrives').flatMap(([types = '']) =>
      [...types.matchAll(/`(\w+\.\w+)`/g)].map(([, type]) => type),
    )
    expect(named.sort()).toEqual([...webhookEventTypes].sort())
  })

  test('shows bodies that are of their schemas', () => {
    const bodies = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(
      ([, body = '']) => JSON.parse(body) as { type: WebhookEventType },
    )
    expect(bodies).toHaveLength(2)
    for (const body of bodies) expect(webhookEventSchemas[body.type].strict().parse(body)).toEqual(body)
  })

  test('gives the waits of the schedule, one after the other and added up', () => {
    const seconds = (words: string): number =>
      [...words.matchAll(/(\d+) (h|m|s)/g)].reduce(
        (sum, [, count, unit]) => sum + Number(count) * (unit === 'h' ? 3_600 : unit === 'm' ? 60 : 1),
        0,
      )
    const rows = tableRows('docs/webhooks.md', 'When it is tried again').slice(1)
    const waits = parseSchedule(DEFAULT_SCHEDULE).map((milliseconds) => milliseconds / 1_000)
    expect(rows.slice(1).map(([, wait = '']) => seconds(wait))).toEqual(waits)
    // The table rounds to minutes, hence the tolerance.
    waits.reduce((sum, wait, index) => {
      expect(Math.abs(seconds(rows[index + 1]?.[2] ?? '') - sum - wait)).toBeLessThan(10)
      return sum + wait
    }, 0)
  })

  test('names every problem of an address', () => {
    const codes = tableRows('docs/webhooks.md', 'Which addresses are taken').map(([, code = '']) => uncode(code))
    for (const bad of ['nowhere', 'http://example.com', 'https://a:b@example.com', 'https://example.com/#'])
      for (const { code } of checkEndpointUrl(bad, new Set())) expect(codes).toContain(code)
  })
})

describe('the other pages', () => {
  test('docs/operation-states.md explains every state and every outcome of an attempt', () => {
    const namesOf = (heading: string): string[] =>
      tableRows('docs/operation-states.md', heading)
        .map(([name = '']) => uncode(name))
        .slice(1)
    expect(namesOf('The states of an operation')).toEqual([...operationStatuses])
    expect(namesOf('Outcomes of an attempt')).toEqual([...attemptOutcomes])
  })

  test('docs/dependencies.md has a line for every direct dependency, and for nothing else', () => {
    const manifests = files
      .filter((path) => /^((apps|packages)\/[^/]+\/)?package\.json$/.test(path))
      .map((path) => JSON.parse(read(path)) as Record<string, Record<string, string> | undefined>)
    const direct = manifests
      .flatMap((manifest) =>
        ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((kind) =>
          Object.keys(manifest[kind] ?? {}),
        ),
      )
      .filter((name) => !name.startsWith('@muster/'))
    const documented = tableRows('docs/dependencies.md').flatMap(([name = '']) =>
      name.startsWith('`') ? [uncode(name)] : [],
    )
    expect([...new Set(documented)].sort()).toEqual([...new Set(direct)].sort())
  })

  test('ARCHITECTURE.md says who may import whom, as the manifests do', () => {
    const packages = ['bulk', 'contracts', 'domain', 'egress', 'lanes', 'process', 'providers', 'store', 'webhooks']
    const rows = new Map(tableRows('ARCHITECTURE.md').map(([folder = '', , imports = '']) => [uncode(folder), imports]))
    for (const folder of [...packages.map((name) => `packages/${name}`), 'apps/api', 'apps/worker', 'apps/simulator']) {
      const manifest = JSON.parse(read(`${folder}/package.json`)) as { dependencies?: Record<string, string> }
      const ours = Object.keys(manifest.dependencies ?? {})
        .flatMap((name) => (name.startsWith('@muster/') ? [name.slice('@muster/'.length)] : []))
        .sort()
      const said = rows.get(folder) ?? `no row for ${folder}`
      const named = [...said.matchAll(/`(\w+)`/g)].map(([, name]) => name)
      expect(ours, folder).toEqual(said === 'all of the above' ? packages : said.startsWith('nothing') ? [] : named)
    }
  })

  test("a provider's folder imports no other provider's, and simulators import no package of ours", () => {
    for (const path of files.filter((file) =>
      /^packages\/providers\/src\/(?!engine\/|mapping\/)[^/]+\/.*\.ts$/.test(file),
    ))
      expect(read(path), path).not.toMatch(/from '\.\.\/(?!engine\/|mapping\/)[\w-]+\//)
    for (const path of files.filter((file) => /^apps\/simulator\/.*\.ts$/.test(file)))
      expect(read(path), path).not.toMatch(/from '(@muster\/|\.\.\/\.\.\/\.\.\/packages)/)
  })

  test('docs/redis-keys.md has the table of keys (npx vitest run test/docs/documents.test.ts -u writes it)', async () => {
    await expect(withKeyTable(read('docs/redis-keys.md'))).toMatchFileSnapshot('../../docs/redis-keys.md')
  })
})

describe('docker-compose.yml', () => {
  const compose = read('docker-compose.yml')
  test('gives every tmpfs a size, every foreign image an exact version, and Redis a password', () => {
    const mounts = [...compose.matchAll(/tmpfs: (.*)/g)].map(([, mount]) => mount)
    expect(mounts.length).toBeGreaterThan(0)
    for (const mount of mounts) expect(mount).toMatch(/^\['\/tmp:size=/)
    const images = [...`${compose}\n${read('Dockerfile')}`.matchAll(/^\s*(?:image:|FROM) (\S+)/gm)].map(
      ([, image]) => image,
    )
    for (const image of images.filter((one) => one !== 'muster')) expect(image).toMatch(/^\w+:\d+\.\d+\.\d+/)
    expect(compose).toContain('--requirepass')
    expect(compose).toMatch(/REDIS_URL: redis:\/\/:\$\{MUSTER_REDIS_PASSWORD:\?/)
  })
})
