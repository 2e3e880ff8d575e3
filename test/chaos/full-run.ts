import { afterAll, describe, expect, test } from 'vitest'
import { createRandom } from './random.ts'
import { toMarkdown, writeReport, type ReportRow } from './report.ts'
import { scenarios } from './scenarios/index.ts'

const seed = Number(process.env.MUSTER_CHAOS_SEED)
const scale = process.env.MUSTER_CHAOS_SCALE === 'short' ? 'short' : 'full'
const only = (process.env.MUSTER_CHAOS_ONLY ?? '').split(',')
const directory = process.env.MUSTER_CHAOS_REPORT ?? '.muster/chaos'
const rows: ReportRow[] = []

describe(`the promises under fire, seed ${seed}, ${scale}`, () => {
  test.each(scenarios.filter((scenario) => only.some((part) => scenario.name.includes(part))))(
    '$name',
    async (scenario) => {
      const startedAt = Date.now()
      const result = await scenario.run({
        random: createRandom(seed),
        scale,
        size: (short, full) => (scale === 'short' ? short : full),
      })
      rows.push({ scenario, result, seconds: Math.round((Date.now() - startedAt) / 1000) })
      await writeReport(directory, rows, seed, scale)
      expect(result.broken).toEqual([])
    },
    900_000,
  )
  afterAll(() => {
    process.stdout.write(`\n${toMarkdown(rows, seed)}\nAlso in ${directory}/report.md and report.json\n`)
  })
})
