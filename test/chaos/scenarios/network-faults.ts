import type { OperationResource } from '../../../packages/contracts/src/operation.ts'
import { startNameServer } from '../../../packages/egress/test/name-server.ts'
import { eventually } from '../../support/harness.ts'
import { startFaultProxy } from '../fault-proxy.ts'
import { onStage, type Scenario } from '../scenario.ts'
import { deliveriesOf } from '../webhook-invariants.ts'

/** A look-up that waits for the silent server takes three seconds. */
const PROMPT_MS = 2_500

const silentNameServer: Scenario = {
  name: 'silent-name-server',
  promise: 'a silent name server of one tenant delays no call of another and makes none fail',
  fault:
    "the name server of one tenant's webhook host falls silent, with 30 events and 8 creates with such a callback_url; every connection of the others needs a name",
  async run({ size }) {
    let isSilent = false
    const names = await startNameServer((name) => {
      // Asked for at every connection: nothing may be saved by the cache.
      if (name.endsWith('.provider.test')) return { addresses: ['127.0.0.1'], ttl: 0 }
      return isSilent ? 'silent' : { addresses: ['8.8.8.8'], ttl: 0 }
    })
    const proxy = await startFaultProxy({ host: '127.0.0.1', port: 1 })
    const hosts = Array.from({ length: size(6, 40) }, (_, at) => `account-${at}.provider.test:${proxy.port}`)
    try {
      return await onStage(
        {
          providers: ['okta'],
          allowedHosts: hosts,
          environment: { MUSTER_NAME_SERVERS: names.address },
        },
        async (stage) => {
          const { muster } = stage
          proxy.retarget(Number(new URL(muster.simulators.okta.url).port))
          stage.accounts.length = 0
          for (const host of hosts)
            stage.accounts.push({
              id: await muster.connect('okta', { config: { base_url: `http://${host}` } }),
              provider: 'okta',
            })
          const { adminKey: key } = await muster.bootstrap()
          const attacking = await muster.connect('okta', { key })
          await muster.request('POST', '/callback-secret', { key })
          const endpoint = await muster.request<{ id: string }>('POST', '/webhook-endpoints', {
            key,
            body: { url: 'https://hooks.acme.test/events' },
          })
          isSilent = true

          for (let event = 0; event < 30; event += 1)
            await muster.request('POST', `/webhook-endpoints/${endpoint.body.id}/test`, { key })
          await eventually(
            async () => names.questions.filter((name) => name === 'hooks.acme.test').length,
            (asked) => asked > 2,
          )
          const refused = Array.from({ length: 8 }, (_, at) =>
            muster.create(
              attacking,
              { first_name: 'A', last_name: 'B', emails: [{ email: `a${at}@example.com` }] },
              {
                key,
                query: `callback_url=${encodeURIComponent(`https://hooks-${at}.acme.test/`)}`,
              },
            ),
          )
          const tests = stage.accounts.map(async ({ id }) => {
            const askedAt = performance.now()
            const { body } = await muster.request('POST', `/integrated-accounts/${id}/test`)
            return { isOk: body.ok === true, ms: Math.round(performance.now() - askedAt) }
          })
          const entries = await stage.submit(hosts.length * 3)
          // A lane that a busy machine takes from its worker aborts its calls; that is not the network's doing.
          const failures = new Set<string>()
          for (const { operationId } of entries) {
            const { attempts } = (operationId ? await muster.finished(operationId) : {}) as Partial<OperationResource>
            for (const { error } of attempts?.flatMap(({ calls }) => calls) ?? [])
              if (error !== null && error !== 'ABORTED') failures.add(error)
          }

          const tested = await Promise.all(tests)
          const callbacks = (await Promise.all(refused)).map(({ status }) => status)
          const broken: string[] = []
          const late = tested.filter(({ isOk, ms }) => !isOk || ms > PROMPT_MS)
          if (late.length > 0)
            broken.push(`${late.length} account tests failed or were late: ${JSON.stringify(late[0])}`)
          if (failures.size > 0) broken.push(`calls of another tenant failed: ${[...failures].join(', ')}`)
          if (callbacks.some((status) => status !== 422))
            broken.push(`creates with a silent callback host were answered ${[...new Set(callbacks)].join(', ')}`)
          const reasons = new Set(
            (await deliveriesOf(muster, endpoint.body.id, key)).flatMap((delivery) =>
              delivery.attempts.map(({ reason }) => reason),
            ),
          )
          reasons.delete('name_not_resolved')
          if (reasons.size > 0) broken.push(`deliveries to the silent host ended as ${[...reasons].join(', ')}`)
          return stage.conclude(
            entries,
            {
              'account test took at most (ms)': Math.max(...tested.map(({ ms }) => ms)),
              'accounts beside it': hosts.length,
            },
            broken,
          )
        },
      )
    } finally {
      await Promise.all([names.close(), proxy.close()])
    }
  },
}

export const networkScenarios: readonly Scenario[] = [silentNameServer]
