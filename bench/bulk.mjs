import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureAccept } from './bulk/accept.mjs'
import { measureDrain } from './bulk/drain.mjs'
import { measureLimits } from './bulk/limits.mjs'
import { measureMemory } from './bulk/memory.mjs'
import { measureNeighbour } from './bulk/neighbour.mjs'
import { benchFolder } from './stack.mjs'
import { loadNow, toMarkdown } from './table.mjs'

const scenarios = {
  accept: measureAccept,
  memory: measureMemory,
  neighbour: measureNeighbour,
  limits: measureLimits,
  drain: measureDrain,
}

/** `npm run bench -- bulk [--rows N] [--only accept,drain,memory,neighbour,limits] [--rate N]` */
export async function run({ args, stack, say }) {
  const { values } = parseArgs({
    args,
    options: {
      rows: { type: 'string', default: '100000' },
      only: { type: 'string' },
      rate: { type: 'string' },
      'api-node-options': { type: 'string' },
    },
  })
  const chosen = values.only === undefined ? Object.keys(scenarios) : values.only.split(',')
  const unknown = chosen.filter((name) => !Object.hasOwn(scenarios, name))
  const rows = Number(values.rows)
  if (unknown.length > 0 || !Number.isInteger(rows) || rows < 100 || rows > 100_000)
    throw new RangeError(`--only takes ${Object.keys(scenarios).join(',')}; --rows takes 100 to 100000`)
  mkdirSync(benchFolder, { recursive: true, mode: 0o700 })
  const began = Date.now()
  const nodeOptions = values['api-node-options'] === undefined ? {} : { api: values['api-node-options'].split(' ') }
  const found = []
  for (const name of Object.keys(scenarios)) {
    if (!chosen.includes(name)) continue
    say(`${name}… (load ${loadNow()})`)
    for (const row of await scenarios[name]({
      stack,
      say,
      rows,
      nodeOptions,
      ...(values.rate === undefined ? {} : { rate: Number(values.rate) }),
    })) {
      found.push(row)
      say(`  ${row.figure}: ${row.measured}${row.isOk === false ? '  SHORT' : ''}`)
    }
  }
  writeFileSync(
    join(benchFolder, 'bulk.json'),
    `${JSON.stringify({ at: new Date(began).toISOString(), rows, node: process.version, cores: cpus().length, load: loadNow(), seconds: Math.round((Date.now() - began) / 1000), figures: found }, null, 2)}\n`,
  )
  say(
    `\n${rows} rows, Node ${process.version}, ${cpus().length} cores, load ${loadNow()}, ${Math.round((Date.now() - began) / 1000)} s\n\n${toMarkdown(found)}`,
  )
}
