import { eventually } from '../../support/harness.ts'
import { onStage, type Scenario } from '../scenario.ts'

/** What token endpoints say in passing, some of it beside a code that would be final in other words. */
const stammers: readonly Record<string, unknown>[] = [
  { status: 400, body: { error: 'unknown_error', error_description: 'retry your request' } },
  { status: 400, body: { error: 'invalid_grant', error_description: 'token request is already being processed' } },
  { status: 400, body: { error: 'internal_failure', error_description: 'Backend Error' } },
  { status: 403, body: { error: 'temporarily_unavailable' } },
  { status: 403, content_type: 'text/html', body: '<html><body>Access denied</body></html>' },
  { status: 503 },
]
const denied = {
  fault: 'answer',
  status: 403,
  body: { errorCode: 'E0000006', errorSummary: 'You do not have permission to perform the requested action' },
  probability: 0.2,
  times: 0,
}

/** Tokens are refused all the time, so that new ones are asked for all the time, from endpoints that stammer. */
const tokenEndpointStammers: Scenario = {
  name: 'token-endpoint-stammers',
  promise: '1: transient refusals put no account on hold, lose nothing and create no user twice',
  fault:
    'half of all token calls and a fifth of the creates at Okta are refused in passing, tokens end early, and a worker is killed',
  run: ({ size, random }) =>
    onStage(
      {
        workers: 2,
        providers: ['google_workspace', 'salesforce', 'okta'],
        rate: 20,
        environment: { MUSTER_RECHECK_SECONDS: '1' },
      },
      async (stage) => {
        const { muster, accounts } = stage
        for (const provider of ['google_workspace', 'salesforce'] as const) {
          const simulator = muster.simulators[provider]
          await simulator.set({ seed: random.between(1, 1_000_000) })
          // Each once for certain, and then by chance.
          for (const answer of stammers) await simulator.arm({ fault: 'answer', ...answer, match: { kind: 'token' } })
          for (const answer of stammers)
            await simulator.arm({ fault: 'answer', ...answer, times: 0, probability: 0.1, match: { kind: 'token' } })
          await simulator.arm({ fault: 'expired_token', times: 0, probability: 0.2 })
        }
        await muster.simulators.okta.arm({ ...denied, times: 2, probability: 1 })
        await muster.simulators.okta.arm(denied)
        const load = stage.submit(size(18, 600))
        await muster.simulators.okta.until((ledger) => ledger.created.length >= 3)
        await muster.replaceWorker(0)
        const entries = await load
        for (const { operationId } of entries) if (operationId) await muster.finished(operationId, 240_000)
        const refused = { token: 0, denied: 0 }
        for (const { provider } of accounts)
          for (const request of (await muster.simulators[provider].ledger()).requests)
            if (request.fault === 'answer') refused[provider === 'okta' ? 'denied' : 'token'] += 1
        // A hold on the way would be one that a check confirmed at an unlucky moment: it has to end by itself.
        const statuses = await eventually(
          () =>
            Promise.all(
              accounts.map(async ({ id }) =>
                String((await muster.request('GET', `/integrated-accounts/${id}`)).body.status),
              ),
            ),
          (all) => all.every((status) => status === 'active'),
        ).catch(() => ['an account stays on hold'])
        const holds = muster.logs().filter((line) => line.includes('the account went on hold')).length
        const result = await stage.conclude(
          entries,
          { 'token calls refused': refused.token, 'creates refused': refused.denied, 'holds on the way': holds },
          statuses.filter((status) => status !== 'active'),
        )
        const failed = Object.values(result.verdict.failed).reduce((sum, count) => sum + count, 0)
        if (failed > 0) result.broken.push(`${failed} operations failed for refusals in passing`)
        if (refused.token === 0 || refused.denied === 0) result.broken.push('nothing was refused in passing')
        return result
      },
    ),
}

export const refusalScenarios: readonly Scenario[] = [tokenEndpointStammers]
