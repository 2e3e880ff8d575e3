import { existsSync, readdirSync } from 'node:fs'
import { extname } from 'node:path'
import type { Vendor } from './framework/vendor.ts'

// Read from the folder, so that a new vendor is its own folder and nothing else. The same for sources and for dist.
const fileName = `simulator${extname(new URL(import.meta.url).pathname)}`

async function load(folder: string): Promise<Vendor> {
  const loaded: unknown = await import(new URL(`${folder}/${fileName}`, import.meta.url).href)
  if (!hasVendor(loaded)) throw new Error(`apps/simulator: ${folder}/${fileName} does not export a vendor`)
  return loaded.vendor
}

const hasVendor = (loaded: unknown): loaded is { vendor: Vendor } =>
  typeof loaded === 'object' && loaded !== null && 'vendor' in loaded

/**
 * The folders that hold a vendor. `dist` keeps those of vendors whose source was deleted: they count only where there
 * are no sources at all, as in the image.
 */
export function vendorFolders(home: URL, file: string): string[] {
  const sources = new URL('../src/', home)
  const isStale = (name: string): boolean =>
    existsSync(sources) && !existsSync(new URL(`${name}/simulator.ts`, sources))
  return readdirSync(home).filter((name) => existsSync(new URL(`${name}/${file}`, home)) && !isStale(name))
}

const folders = vendorFolders(new URL('.', import.meta.url), fileName)

/** In the order of their ids: a vendor's place is its offset from the first port. */
export const vendors: readonly Vendor[] = (await Promise.all(folders.map(load))).sort((one, other) =>
  one.id < other.id ? -1 : 1,
)
