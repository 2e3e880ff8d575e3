import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { providerIds, type ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import { createdTwice, createSealingKey, finishedAll, openStoreOf, readRecord, submit } from '../support/faults.ts'
import { eventually, startMuster, type Muster } from '../support/harness.ts'

/** What token endpoints said in passing. */
const stammers = [
  { status: 400, body: { error: 'unknown_error', error_description: 'retry your request' } },
  { status: 400, body: { error: 'invalid_request', error_description: 'token request is already being processed' } },
  { status: 400, body: { error: 'internal_failure', error_description: 'Backend Error' } },
  { status: 403, body: { error: 'temporarily_unavailable' } },
  { status: 403, content_type: 'text/html', body: '<html><body>Access denied</body></html>' },
]
const firewall = {
  fault: 'answer',
  status: 403,
  content_type: 'text/html',
  body: '<html><body>Sorry, you have been blocked</body></html>',
}

interface Account extends Record<string, unknown> {
  status: string
  status_reason: string | null
}

describe('refusals that pass', () => {
  const sealingKey = createSealingKey()
  let muster: Muster
  let behind: ReturnType<typeof openStoreOf>
  beforeAll(async () => {
    muster = await startMuster({ environment: { MUSTER_ENCRYPTION_KEYS: sealingKey, MUSTER_RECHECK_SECONDS: '1' } })
    behind = openStoreOf(muster, sealingKey)
  })
  afterAll(async () => {
    behind.close()
    await muster.close()
  })

  const readAccount = async (id: string): Promise<Account> =>
    (await muster.request<Account>('GET', `/integrated-accounts/${id}`)).body

  test.each<ProviderId>(['salesforce', 'google_workspace'])(
    '%s: a token endpoint that stammers puts no account on hold',
    async (provider) => {
      await muster.simulators[provider].reset()
      const accountId = await muster.connect(provider)
      for (const answer of stammers)
        await muster.simulators[provider].arm({ fault: 'answer', ...answer, match: { kind: 'token' } })
      const operations = await finishedAll(muster, await submit(muster, accountId, provider, 3))
      expect(operations.map(({ status, error }) => [status, error])).toEqual(operations.map(() => ['succeeded', null]))
      expect(operations.flatMap(({ attempts }) => attempts.map(({ outcome }) => outcome))).not.toContain('held')
      const ledger = await muster.simulators[provider].ledger()
      expect(ledger.requests.filter(({ fault }) => fault !== undefined)).toHaveLength(stammers.length)
      expect(ledger.created).toHaveLength(3)
    },
    60_000,
  )

  test("Okta's passing E0000006 holds nothing and uses up no attempt", async () => {
    await muster.simulators.okta.reset()
    const accountId = await muster.connect('okta')
    const body = { errorCode: 'E0000006', errorSummary: 'You do not have permission to perform the requested action' }
    await muster.simulators.okta.arm({ fault: 'answer', status: 403, body, times: 2 })
    const ids = await submit(muster, accountId, 'okta', 1)
    const [operation] = await finishedAll(muster, ids)
    expect(operation).toMatchObject({ status: 'succeeded', outcome: 'created' })
    expect(operation?.attempts.map(({ outcome }) => outcome)).toEqual(['retrying', 'retrying', 'succeeded'])
    expect((await readRecord(behind.store, accountId, ids[0] ?? '')).state.usedAttempts).toBe(0)
    expect(await readAccount(accountId)).toMatchObject({ status: 'active', status_reason: null })
  })

  test('an account on hold is checked by itself, also by the next worker, and resumes when the check succeeds', async () => {
    await muster.simulators.okta.reset()
    const accountId = await muster.connect('okta')
    await muster.simulators.okta.set({ api_tokens: ['00AnotherToken-of-the-same-org-0000000000'] })
    const ids = await submit(muster, accountId, 'okta', 2)
    const held = await eventually(
      () => readAccount(accountId),
      ({ status }) => status === 'needs_reauth',
    )
    expect(held.status_reason).toContain('A check call was refused too')
    await muster.replaceWorker(0)
    await eventually(
      () => readAccount(accountId),
      ({ status_reason }) => status_reason?.includes('Checked again') === true,
    )
    await muster.simulators.okta.set({ api_tokens: ['00SimulatorDemoToken-okta'] })
    const operations = await finishedAll(muster, ids)
    expect(operations.map(({ status }) => status)).toEqual(['succeeded', 'succeeded'])
    expect(await readAccount(accountId)).toMatchObject({
      status: 'active',
      status_reason: expect.stringContaining('A check call was answered') as string,
    })
  }, 60_000)

  test.concurrent.each(providerIds)(
    "%s: a firewall's page ends no create, whether the user was created behind it or not",
    async (provider) => {
      await muster.simulators[provider].reset()
      const accountId = await muster.connect(provider)
      await muster.simulators[provider].arm(firewall)
      await muster.simulators[provider].arm({ ...firewall, after_commit: true })
      const operations = await finishedAll(muster, await submit(muster, accountId, provider, 2))
      expect(operations.map(({ status, error }) => [status, error])).toEqual(operations.map(() => ['succeeded', null]))
      const ledger = await muster.simulators[provider].ledger()
      expect(createdTwice(ledger)).toEqual([])
      expect(ledger.created).toHaveLength(2)
    },
    120_000,
  )
})
