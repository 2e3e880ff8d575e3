import { describe, expect, test } from 'vitest'
import { createRandom } from './random.ts'
import { scenarios } from './scenarios/index.ts'

/** Scenarios at the small scale, as part of `npm test`. A failure names the seed: MUSTER_CHAOS_SEED repeats it. */
export function describeShortRun(title: string, names: readonly string[]): void {
  const seed = Number(process.env.MUSTER_CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 31))
  const chosen = scenarios.filter((scenario) => names.includes(scenario.name))
  if (chosen.length !== names.length) throw new Error('a scenario of the short run does not exist')
  describe(title, () => {
    test.each(chosen)(
      '$name: $promise',
      async (scenario) => {
        const result = await scenario.run({ random: createRandom(seed), scale: 'short', size: (short) => short })
        expect({ seed, broken: result.broken }).toEqual({ seed, broken: [] })
        expect(result.verdict.acknowledged).toBeGreaterThan(0)
      },
      120_000,
    )
  })
}
