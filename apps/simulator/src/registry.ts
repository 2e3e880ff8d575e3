import { existsSync, readdirSync } from 'node:fs'
import { extname } from 'node:path'
import type { Vendor } from './vendor.ts'

// Read from the folder, so that a new vendor is its own folder and nothing else. The same for sources and for dist.
const fileName = `simulator${extname(new URL(import.meta.url).pathname)}`

async function load(folder: string): Promise<Vendor> {
  const loaded: unknown = await import(new URL(`${folder}/${fileName}`, import.meta.url).href)
  if (!hasVendor(loaded)) throw new Error(`apps/simulator: ${folder}/${fileName} does not export a vendor`)
  return loaded.vendor
}

const hasVendor = (loaded: unknown): loaded is { vendor: Vendor } =>
  typeof loaded === 'object' && loaded !== null && 'vendor' in loaded

const folders = readdirSync(new URL('.', import.meta.url)).filter((name) =>
  existsSync(new URL(`${name}/${fileName}`, import.meta.url)),
)

/** In the order of their ids: a vendor's place is its offset from the first port. */
export const vendors: readonly Vendor[] = (await Promise.all(folders.map(load))).sort((one, other) =>
  one.id < other.id ? -1 : 1,
)
