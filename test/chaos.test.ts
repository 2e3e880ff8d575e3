import { describe, expect, test } from 'vitest'
import { createRandom } from './chaos/random.ts'
import { scenarios } from './chaos/scenarios/index.ts'

/** The whole takes many minutes: `npm run chaos`. These are its quick ones, at a small scale. */
const quick = ['failpoint after_intent', 'failpoint after_provider_commit', 'failpoint after_outcome', 'failpoint api after_accept', 'poison-operation', 'one-login-in-parallel', 'api-kill-loop', 'credentials-revoked', 'provider-network']

describe('the promises under fire, in short', () => {
  const seed = Number(process.env.MUSTER_CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 31))
  test.each(scenarios.filter((scenario) => quick.includes(scenario.name)))('$name', async (scenario) => {
    const result = await scenario.run({ random: createRandom(seed), scale: 'short', size: (short) => short })
    expect({ seed, broken: result.broken }).toEqual({ seed, broken: [] })
    expect(result.verdict.acknowledged).toBeGreaterThan(0)
  }, 120_000)
})
