import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { providerIds, type ProviderId } from '../../../packages/contracts/src/provider-ids.ts'
import { eventually } from '../../support/harness.ts'
import { busiestWindow } from '../invariants.ts'
import { onStage, type Scenario, type Stage } from '../scenario.ts'

const skewed = fileURLToPath(new URL('../clock-skew.mjs', import.meta.url))
const failpoints = fileURLToPath(new URL('../failpoints.mjs', import.meta.url))

/** Providers' own time-outs are half a minute and more: capped, so that a run takes minutes. */
const impatient = { MUSTER_PROVIDER_TIMEOUT_MS: '2000' }

async function armAll(stage: Stage, fault: Record<string, unknown>): Promise<void> {
  for (const provider of new Set(stage.accounts.map((account) => account.provider)))
    await stage.muster.simulators[provider].arm(fault)
}
async function disarmAll(stage: Stage): Promise<void> {
  for (const provider of new Set(stage.accounts.map((account) => account.provider)))
    await stage.muster.simulators[provider].disarm()
}

const lostAnswers = (share: number): Scenario => ({
  name: `commit-then-time-out ${share * 100} %`,
  promise: '2: no user twice when the answer to a create is lost',
  fault: `${share * 100} % of creates commit and are never answered; look-ups lag behind at Google`,
  run: ({ size, random }) =>
    onStage(
      {
        workers: 2,
        providers: size<readonly ProviderId[]>(['okta', 'google_workspace', 'files_com'], providerIds),
        rate: 50,
        environment: impatient,
      },
      async (stage) => {
        await stage.muster.simulators.google_workspace.set({ settling_ms: 2_500 })
        for (const provider of new Set(stage.accounts.map((account) => account.provider))) {
          await stage.muster.simulators[provider].set({ seed: random.between(1, 1_000_000) })
          await stage.muster.simulators[provider].arm({ fault: 'timeout_after_commit', times: 0, probability: share })
        }
        return stage.conclude(await stage.submit(size(30, 400)), {}, [], 240_000)
      },
    ),
})

/** Every way in which an answer can be bad. The create may have happened or not; the next attempt has to find out. */
const badAnswers: readonly Record<string, unknown>[] = [
  { fault: 'reset_before_commit' },
  { fault: 'reset_after_commit' },
  { fault: 'server_error', status: 500, after_commit: true },
  { fault: 'server_error', status: 503 },
  { fault: 'malformed_json' },
  { fault: 'html', after_commit: true },
  { fault: 'html' },
  { fault: 'huge_body', bytes: 50 * 1024 * 1024 },
  { fault: 'reset_mid_body' },
  { fault: 'drip', bytes: 1, interval_ms: 700 },
  { fault: 'slow', delay_ms: 1_500 },
]

const badAnswerScenario: Scenario = {
  name: 'bad-answers',
  promise: '1, 2: whatever a provider answers, one user and a true state',
  fault: '5xx, resets, slow drip, cut JSON, HTML with 200, 50 MB bodies: each on a tenth of all calls in its turn',
  run: ({ size }) =>
    onStage(
      {
        workers: 2,
        providers: size<readonly ProviderId[]>(['okta', 'files_com'], providerIds),
        rate: 60,
        environment: impatient,
      },
      async (stage) => {
        const entries = []
        for (const fault of badAnswers) {
          await armAll(stage, { ...fault, times: size(1, 5) })
          entries.push(...(await stage.submit(size(4, 36))))
          for (const { operationId } of entries) if (operationId) await stage.muster.finished(operationId, 120_000)
          await disarmAll(stage)
        }
        return stage.conclude(entries, { 'kinds of answers': badAnswers.length }, [], 240_000)
      },
    ),
}

const storms: readonly (string | null)[] = ['1', new Date(Date.now() + 2_000).toUTCString(), '-5', '1e9x', null]

const rateLimitStorm: Scenario = {
  name: 'rate-limit-storm',
  promise: '1, 4: a throttling provider costs time and nothing else, and only its own account waits',
  fault: '429 with every form of Retry-After: seconds, a date, negative, nonsense, none',
  run: ({ size }) =>
    onStage({ workers: 1, providers: ['okta', 'files_com'], rate: 40 }, async (stage) => {
      const broken: string[] = []
      const entries = []
      for (const retryAfter of storms.slice(0, size(2, storms.length))) {
        await stage.muster.simulators.okta.arm({
          fault: 'rate_limit_storm',
          times: size(2, 5),
          retry_after: retryAfter,
        })
        const batch = await stage.submit(size(8, 30))
        entries.push(...batch)
        for (const { operationId } of batch) {
          if (!operationId) continue
          const operation = await stage.muster.finished(operationId, 120_000)
          if (operation.status !== 'succeeded')
            broken.push(`an operation ended as ${String(operation.status)} after a 429`)
        }
        await stage.muster.simulators.okta.disarm()
      }
      return stage.conclude(entries, {}, broken)
    }),
}

const revoked: Scenario = {
  name: 'credentials-revoked',
  promise: '1: a revoked token holds the account, burns nothing, and new credentials resume it',
  fault: 'the API token is revoked in the middle of a run and accepted again later',
  run: ({ size }) =>
    onStage({ workers: 1, providers: ['okta'], rate: 20 }, async (stage) => {
      const { muster, accounts } = stage
      const accountId = accounts[0]?.id ?? ''
      const load = stage.submit(size(40, 300))
      await muster.simulators.okta.until((ledger) => ledger.created.length >= 5)
      await muster.simulators.okta.set({ api_tokens: ['00OtherToken'] })
      await eventually(
        () => muster.request<{ status: string }>('GET', `/integrated-accounts/${accountId}`),
        (answer) => answer.body.status === 'needs_reauth',
      )
      const entries = await load
      const refused = (await muster.simulators.okta.ledger()).requests.filter(
        (request) => request.status === 401,
      ).length
      await muster.request('PATCH', `/integrated-accounts/${accountId}`, {
        body: { credentials: { type: 'api_token', api_token: '00OtherToken' } },
      })
      return stage.conclude(
        entries,
        { 'calls with the dead token': refused },
        refused > 20 ? [`${refused} calls were made with a revoked token`] : [],
      )
    }),
}

const clockSkew: Scenario = {
  name: 'clock-skew',
  promise: '2: no user twice when clocks disagree',
  fault:
    'one worker a minute ahead, one behind, the provider half a minute off; answers are lost, and each dies after a commit and leaves it to the other',
  run: ({ size }) =>
    onStage({ workers: 0, providers: ['okta', 'files_com'], rate: 40, environment: impatient }, async (stage) => {
      const { muster } = stage
      muster.workers.push(
        await muster.startWorker({ MUSTER_CLOCK_SKEW_MS: '60000' }, ['--import', skewed]),
        await muster.startWorker({ MUSTER_CLOCK_SKEW_MS: '-60000' }, ['--import', skewed]),
      )
      for (const provider of ['okta', 'files_com'] as const) {
        await muster.simulators[provider].set({ clock_skew_ms: 30_000 })
        await muster.simulators[provider].arm({ fault: 'reset_after_commit', times: 0, probability: 0.2 })
      }
      const entries = await stage.submit(size(20, 200))
      for (const { operationId } of entries) if (operationId) await muster.finished(operationId, 120_000)
      // One that is off by a minute dies after the provider's commit; one that is off the other way looks for what it
      // left behind.
      for (const worker of muster.workers.splice(0)) await worker.kill('SIGTERM')
      let struck = 0
      for (const skewMs of [60_000, -60_000]) {
        const file = join(muster.directory, `failpoint-${randomUUID()}`)
        const preload = ['--import', skewed, '--import', failpoints]
        const doomed = await muster.startWorker(
          {
            MUSTER_CLOCK_SKEW_MS: String(skewMs),
            MUSTER_FAILPOINT: 'after_provider_commit',
            MUSTER_FAILPOINT_FILE: file,
          },
          preload,
        )
        entries.push(...(await stage.submit(size(6, 40))))
        await eventually(
          async () => doomed.child.signalCode,
          (signal) => signal === 'SIGKILL',
          60_000,
        )
        if (existsSync(file)) struck += 1
        const heir = await muster.startWorker({ MUSTER_CLOCK_SKEW_MS: String(-skewMs) }, preload)
        for (const { operationId } of entries) if (operationId) await muster.finished(operationId, 120_000)
        await heir.kill('SIGTERM')
        muster.workers.push(doomed, heir)
      }
      const result = await stage.conclude(
        entries,
        { 'kills between skewed workers': struck },
        struck === 2 ? [] : [`the failpoint struck ${struck} times, not twice`],
        240_000,
      )
      // With one create per login, a login that is taken belongs to our own user.
      const strangers = result.verdict.failed.user_exists ?? 0
      return strangers === 0
        ? result
        : { ...result, broken: [...result.broken, `${strangers} users of ours were taken for another's`] }
    }),
}

const providerNetwork: Scenario = {
  name: 'provider-network',
  promise: '1, 2: a bad network to the provider creates no user twice',
  fault: 'a fault proxy before the providers: resets, answers cut short, silence',
  run: ({ size, random }) =>
    onStage(
      {
        workers: 2,
        providers: ['okta', 'files_com'],
        proxyProviders: ['okta', 'files_com'],
        rate: 40,
        environment: impatient,
      },
      async (stage) => {
        const proxies = Object.values(stage.muster.providerProxies)
        const load = stage.submit(size(60, 500))
        for (let round = 0; round < size(4, 30); round += 1) {
          await new Promise((resolve) => setTimeout(resolve, random.between(100, 500)))
          const proxy = random.pick(proxies)
          const fault = random.between(0, 3)
          if (fault === 0) proxy.resetAll()
          else if (fault === 1) proxy.cutAfter(random.between(1, 400), 2)
          else if (fault === 2) proxy.setLatency(random.between(0, 60))
          else {
            proxy.setSilent(true)
            await new Promise((resolve) => setTimeout(resolve, 300))
            proxy.setSilent(false)
          }
        }
        for (const proxy of proxies) proxy.setLatency(0)
        return stage.conclude(await load, {}, [], 240_000)
      },
    ),
}

const limits: Scenario = {
  name: 'limits',
  promise: '3: an account is never over its limit, and at least 95 % of it is used',
  fault: 'none: a queue of work at the limits of the providers',
  run: ({ size }) =>
    onStage({ workers: 1, providers: ['activecampaign', 'salesforce'], rate: 5, concurrency: 5 }, async (stage) => {
      const entries = await stage.submit(size(60, 600), 16)
      const figures: Record<string, number> = {}
      const broken: string[] = []
      const result = await stage.conclude(entries, {}, [], 400_000)
      for (const provider of ['activecampaign', 'salesforce'] as const) {
        const ledger = await stage.muster.simulators[provider].ledger()
        const most = busiestWindow(ledger, 1_000)
        const times = ledger.requests.map((request) => Date.parse(request.at))
        const used = (ledger.requests.length - 1) / ((Math.max(...times) - Math.min(...times)) / 1000) / 5
        figures[`${provider} most in 1 s`] = most
        figures[`${provider} used (%)`] = Math.round(used * 100)
        if (most > 5) broken.push(`${provider}: ${most} calls in one second, of 5`)
        if (used < 0.95) broken.push(`${provider}: only ${Math.round(used * 100)} % of the limit was used`)
      }
      return { ...result, figures, broken: [...result.broken, ...broken] }
    }),
}

export const providerScenarios: Scenario[] = [
  lostAnswers(0.05),
  lostAnswers(0.5),
  badAnswerScenario,
  rateLimitStorm,
  revoked,
  clockSkew,
  providerNetwork,
  limits,
]
