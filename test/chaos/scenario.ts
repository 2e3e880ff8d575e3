import { randomBytes } from 'node:crypto'
import type { ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import { startMuster, type Muster, type MusterOptions } from '../support/harness.ts'
import { sampleOf, secretsOf } from '../support/samples.ts'
import { submitAll, type ClientEntry } from './client-ledger.ts'
import { busiestWindow, checkInvariants, type Verdict } from './invariants.ts'
import type { Random } from './random.ts'

/** short: a part of `npm test`. full: `npm run chaos`. */
type Scale = 'short' | 'full'

export interface ScenarioContext {
  random: Random
  scale: Scale
  /** The figure for the scale. */
  size<T>(short: T, full: T): T
}

export interface ScenarioResult {
  verdict: Verdict
  /** What else was measured, by name with its unit. */
  figures: Record<string, number | string>
  /** Promises that did not hold, in words; empty when all did. */
  broken: string[]
}

export interface Scenario {
  name: string
  promise: string
  fault: string
  run(context: ScenarioContext): Promise<ScenarioResult>
}

export interface Stage {
  muster: Muster
  accounts: { id: string; provider: ProviderId }[]
  /** Part of every password. */
  canary: string
  submit(count: number, parallel?: number): Promise<ClientEntry[]>
  conclude(
    entries: readonly ClientEntry[],
    figures?: Record<string, number | string>,
    broken?: string[],
    quietMs?: number,
  ): Promise<ScenarioResult>
}

export interface StageOptions extends MusterOptions {
  providers?: readonly ProviderId[]
  accountsEach?: number
  /** Calls a second that each account may make; the simulators allow more. */
  rate?: number
  concurrency?: number
}

/** Providers whose simulator answers at once and tells when a user was created. */
const quickProviders: readonly ProviderId[] = ['okta', 'files_com', 'google_workspace']

/** Sets the whole up, lets `play` do its worst, and takes all down again. */
export async function onStage(
  options: StageOptions,
  play: (stage: Stage) => Promise<ScenarioResult>,
): Promise<ScenarioResult> {
  const { providers = quickProviders, accountsEach = 1, rate = 100, concurrency = 10, ...musterOptions } = options
  const muster = await startMuster(musterOptions)
  try {
    const canary = `Canary${randomBytes(9).toString('hex')}`
    const accounts: Stage['accounts'] = []
    for (const provider of providers) {
      await muster.simulators[provider].set(sampleOf(provider).limitSettings(null))
      for (let count = 0; count < accountsEach; count += 1)
        accounts.push({
          id: await muster.connect(provider, { limits: { requests: rate, per_seconds: 1, concurrency } }),
          provider,
        })
    }
    return await play({
      muster,
      accounts,
      canary,
      submit: (count, parallel = 8) => submitAll(muster, { accounts, count, parallel, canary }),
      async conclude(entries, figures = {}, broken = [], quietMs) {
        const verdict = await checkInvariants(muster, entries, [canary, ...providers.flatMap(secretsOf)], quietMs)
        if (entries.some((entry) => entry.refusalBodies.some((body) => body.includes(canary))))
          verdict.secrets.push('an answer of the API')
        const said = [...broken]
        // Behind a proxy whose delay changes, what left evenly arrives in bunches: that is the network's doing.
        // Of several accounts at one provider, each has a limit of its own.
        const isAlone = (one: ProviderId): boolean => accounts.filter(({ provider }) => provider === one).length === 1
        for (const provider of providers.filter(
          (one) => isAlone(one) && !musterOptions.proxyProviders?.includes(one),
        )) {
          // Calls leave evenly; how evenly they arrive is up to two busy processes, which get a twentieth of the
          // window.
          const most = busiestWindow(await muster.simulators[provider].ledger(), 950)
          if (most > rate) said.push(`${provider} saw ${most} calls in one second, of ${rate}`)
        }
        const { lost, twice, untrue, seen } = verdict
        if (lost > 0) said.push(`${lost} acknowledged operations have no end: ${seen.lost.join(', ')}`)
        if (twice > 0) said.push(`${twice} logins were created twice: ${seen.twice.join(', ')}`)
        if (untrue > 0) said.push(`${untrue} states differ from the provider's ledger: ${seen.untrue.join(', ')}`)
        if (verdict.secrets.length > 0) said.push(`the canary was found: ${verdict.secrets.slice(0, 3).join('; ')}`)
        return { verdict, figures, broken: said }
      },
    })
  } finally {
    await muster.close()
  }
}

export const seconds = (milliseconds: number): number => Math.round(milliseconds / 100) / 10
