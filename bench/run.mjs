// The check runs before anything else is loaded: newer syntax further down would fail first, and less clearly.
import '../scripts/check-node.mjs'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const names = readdirSync(folder).flatMap((file) => /^(?!run\.|stage\.)([\w-]+)\.mjs$/.exec(file)?.[1] ?? [])

const [name, ...args] = process.argv.slice(2)
if (!name || !existsSync(`${folder}${name}.mjs`) || !names.includes(name)) {
  console.error(`Usage: npm run bench -- NAME [arguments]\n\nBenches: ${names.join(', ')}. What each measures: bench/README.md`)
  process.exit(2)
}
const { bench } = await import(`./${name}.mjs`)
await bench(args)
