import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const root = new URL('../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const foldersIn = (path: string): string[] =>
  readdirSync(new URL(path, root), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : [],
  )
const adapterFolders = foldersIn('packages/providers/src').filter((name) => !['engine', 'mapping'].includes(name))

// Loaded in each test, so that a missing file fails the test that says so, and not this file.
const loadIds = async () => (await import('../../packages/contracts/src/provider-ids.ts')).providerIds
const loadRegistry = async () => (await import('../../packages/providers/src/registry.ts')).providerOf
const loadVendors = async () => (await import('../../apps/simulator/src/registry.ts')).vendors

describe('nothing of a provider is forgotten', () => {
  test.each(adapterFolders)('%s has the four files of an adapter', (folder) => {
    expect(readdirSync(new URL(`packages/providers/src/${folder}`, root))).toEqual(
      expect.arrayContaining(['errors.ts', 'provider.ts', 'request.ts', 'response.ts']),
    )
  })

  test('each id has its line in the registry, and each folder an id', async () => {
    const [ids, providerOf] = [await loadIds(), await loadRegistry()]
    expect(ids.map((id) => providerOf(id)?.id)).toEqual([...ids])
    const lines = [...read('packages/providers/src/registry.ts').matchAll(/from '\.\/([^/']+)\/provider\.ts'/g)]
    expect(lines.map(([, folder]) => folder).sort()).toEqual(adapterFolders.sort())
    expect(adapterFolders).toHaveLength(ids.length)
  })

  test('each id has a simulator, and each simulator an id', async () => {
    expect((await loadVendors()).map(({ id }) => id).sort()).toEqual([...(await loadIds())].sort())
    const folders = foldersIn('apps/simulator/src').filter((name) => name !== 'framework')
    expect(folders).toHaveLength((await loadIds()).length)
  })

  test('each simulator has a sample of credentials that its provider takes, and of a config', async () => {
    const providerOf = await loadRegistry()
    const vendors = await loadVendors()
    for (const id of await loadIds()) {
      const sample = vendors.find((vendor) => vendor.id === id)?.sample
      expect(Object.keys(providerOf(id).authentications), id).toContain(sample?.credentials.type)
      expect(sample?.config('http://127.0.0.1:1'), id).toHaveProperty('base_url')
    }
  })

  test('each id has a page', async () => {
    const missing = (await loadIds()).filter((id) => !existsSync(new URL(`docs/providers/${id}.md`, root)))
    expect(missing).toEqual([])
  })
})
