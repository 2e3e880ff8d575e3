import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { providerIds, type ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import { providerOf } from '../../packages/providers/src/registry.ts'
import { findSecrets } from '../chaos/invariants.ts'
import {
  createdTwice,
  createSealingKey,
  finishedAll,
  openStoreOf,
  readRecord,
  submit,
  tell,
  withoutCreationTime,
  type Operation,
} from '../support/faults.ts'
import { eventually, newUser, startMuster, type Muster } from '../support/harness.ts'
import { sampleOf, secretsOf } from '../support/samples.ts'

const TIMEOUT_MS = 700
const brisk = { requests: 50, per_seconds: 1 }

/** Each hits one create. After the commit, the provider has the user and no usable answer says so. */
const faults: Record<string, unknown>[] = [
  { fault: 'timeout_after_commit' },
  { fault: 'reset_after_commit' },
  { fault: 'server_error', status: 502, after_commit: true },
  { fault: 'malformed_json' },
  { fault: 'html', after_commit: true },
  { fault: 'huge_body', bytes: 11 * 1024 * 1024 },
  { fault: 'reset_mid_body' },
  { fault: 'drip', bytes: 1, interval_ms: 200 },
  { fault: 'timeout_before_commit' },
  { fault: 'reset_before_commit' },
  { fault: 'server_error', status: 500 },
  { fault: 'html' },
]

describe('what can become of a create and of an account', () => {
  const sealingKey = createSealingKey()
  const passwordCanary = `PwCanary${randomBytes(8).toString('hex')}`
  const tokenCanary = `00TokenCanary${randomBytes(8).toString('hex')}`
  /** Every answer of the API that was read. */
  const answers: string[] = []
  let muster: Muster
  let behind: ReturnType<typeof openStoreOf>
  beforeAll(async () => {
    muster = await startMuster({
      workers: 2,
      durable: true,
      environment: { MUSTER_ENCRYPTION_KEYS: sealingKey, MUSTER_PROVIDER_TIMEOUT_MS: String(TIMEOUT_MS) },
    })
    behind = openStoreOf(muster, sealingKey)
  })
  /** As new, and without limits of its own. */
  async function freshen(provider: ProviderId): Promise<void> {
    await muster.simulators[provider].reset()
    await muster.simulators[provider].set(sampleOf(provider).limitSettings(null))
  }
  afterAll(async () => {
    behind.close()
    await muster.close()
  })

  const withPassword = (provider: ProviderId): Record<string, unknown> =>
    providerOf(provider).fields.password ? { password: `${passwordCanary}-Aa1` } : {}
  const read = async (id: string): Promise<Operation> => {
    const { body } = await muster.request<Operation>('GET', `/operations/${id}`)
    answers.push(JSON.stringify(body))
    return body
  }
  const readAccount = async (id: string) =>
    (await muster.request<{ status: string; status_reason: string | null }>('GET', `/integrated-accounts/${id}`)).body
  const finishAll = async (ids: readonly string[], timeoutMs?: number): Promise<Operation[]> => {
    const operations = await finishedAll(muster, ids, timeoutMs)
    answers.push(...operations.map((operation) => JSON.stringify(operation)))
    return operations
  }

  test.concurrent.each(providerIds)(
    '%s: whatever answer is lost or broken, before or after the commit, there is one user and it is said so',
    async (provider) => {
      await freshen(provider)
      const accountId = await muster.connect(provider, { limits: brisk })
      // Logged in and looked up before, so that the faults meet creates alone.
      await finishAll(await submit(muster, accountId, provider, 1))
      const startedAt = Date.now()
      const operations: Operation[] = []
      // Four at a time: after five failures in a row the lane would rest.
      for (let wave = 0; wave < faults.length; wave += 4) {
        for (const fault of faults.slice(wave, wave + 4)) await muster.simulators[provider].arm(fault)
        operations.push(
          ...(await finishAll(await submit(muster, accountId, provider, 4, () => withPassword(provider)), 90_000)),
        )
      }
      const ledger = await muster.simulators[provider].ledger()
      tell(`${provider}: ${faults.length} lost or broken answers`, {
        ms: Date.now() - startedAt,
        outcomes: operations.map(({ outcome, error }) => outcome ?? error?.code).join(' '),
      })
      expect(
        operations.filter(({ status }) => status !== 'succeeded').map(({ error, attempts }) => ({ error, attempts })),
      ).toEqual([])
      expect(new Set(ledger.requests.flatMap((request) => request.fault ?? []))).toEqual(
        new Set(faults.map(({ fault }) => fault)),
      )
      expect(createdTwice(ledger)).toEqual([])
      expect(ledger.created).toHaveLength(1 + faults.length)
      const adopted = operations.filter(({ outcome }) => outcome === 'adopted')
      if (!withoutCreationTime.includes(provider)) expect(adopted).toEqual([])
      expect(adopted.every(({ warnings }) => warnings.some(({ code }) => code === 'ownership_unclear'))).toBe(true)
    },
    120_000,
  )

  test('a revoked token: the account is put on hold after a few calls, its work is held and uses no attempt, new credentials complete it', async () => {
    await freshen('okta')
    await muster.simulators.okta.set({ api_tokens: ['00SimulatorDemoToken-okta', tokenCanary] })
    const accountId = await muster.connect('okta', {
      limits: brisk,
      credentials: { ...sampleOf('okta').credentials, api_token: '00Revoked-and-never-valid-again-00000000' },
    })
    const ids = await submit(muster, accountId, 'okta', 60, () => withPassword('okta'))
    await eventually(
      () => readAccount(accountId),
      ({ status }) => status === 'needs_reauth',
    )
    const shown = await eventually(
      () => Promise.all(ids.map(read)),
      (operations) => operations.every(({ status }) => status === 'held'),
    )
    expect(shown.every(({ status_reason }) => status_reason?.includes('needs_reauth'))).toBe(true)
    const refused = (await muster.simulators.okta.ledger()).requests.length
    tell('calls that a revoked token made, of 60 operations', { refused })
    // The concurrent calls, and the one check call that confirms the refusal.
    expect(refused).toBeLessThanOrEqual(8 + 1)
    const patched = await muster.request('PATCH', `/integrated-accounts/${accountId}`, {
      body: { credentials: { type: 'api_token', api_token: tokenCanary } },
    })
    const patchedAt = Date.now()
    expect(patched).toMatchObject({ status: 200, body: { status: 'active' } })
    const operations = await finishAll(ids)
    tell('new credentials: 60 operations done after ms', { ms: Date.now() - patchedAt })
    expect(operations.every(({ status }) => status === 'succeeded')).toBe(true)
    for (const id of ids) expect((await readRecord(behind.store, accountId, id)).state.usedAttempts).toBe(0)
    expect((await muster.simulators.okta.ledger()).created).toHaveLength(60)
  }, 60_000)

  test('a missing permission holds the account as well, and /resume continues once it is granted', async () => {
    await freshen('salesforce')
    const accountId = await muster.connect('salesforce', { limits: brisk })
    await muster.simulators.salesforce.set({ may_create_users: false })
    const ids = await submit(muster, accountId, 'salesforce', 5)
    await eventually(
      () => readAccount(accountId),
      ({ status }) => status === 'permission_denied',
    )
    await eventually(
      () => Promise.all(ids.map(read)),
      (operations) => operations.every(({ status }) => status === 'held'),
    )
    await muster.simulators.salesforce.set({ may_create_users: true })
    expect(await muster.request('POST', `/integrated-accounts/${accountId}/resume`)).toMatchObject({
      status: 200,
      body: { status: 'active' },
    })
    expect((await finishAll(ids)).every(({ status }) => status === 'succeeded')).toBe(true)
  }, 60_000)

  test('operations that expire while the account is on hold end in time; the others continue', async () => {
    await freshen('okta')
    const accountId = await muster.connect('okta', { limits: brisk })
    await muster.request('POST', `/integrated-accounts/${accountId}/pause`)
    const expiring = await muster.create<{ id: string }>(accountId, newUser('okta'), {
      query: `expires_at=${new Date(Date.now() + 1_500).toISOString()}`,
    })
    const [staying = ''] = await submit(muster, accountId, 'okta', 1)
    expect(await read(expiring.body.id)).toMatchObject({ status: 'held' })
    expect(await muster.finished(expiring.body.id, 30_000)).toMatchObject({
      status: 'expired',
      error: { code: 'expired' },
    })
    expect(await read(staying)).toMatchObject({ status: 'held' })
    await muster.request('POST', `/integrated-accounts/${accountId}/resume`)
    expect(await muster.finished(staying)).toMatchObject({ status: 'succeeded' })
    expect((await muster.simulators.okta.ledger()).created).toHaveLength(1)
  }, 60_000)

  test('a token that ends in the middle of the work is renewed once', async () => {
    await freshen('google_workspace')
    const accountId = await muster.connect('google_workspace', { limits: brisk })
    await finishAll(await submit(muster, accountId, 'google_workspace', 2))
    const tokens = async (): Promise<number> =>
      (await muster.simulators.google_workspace.ledger()).requests.filter((request) => request.path === '/token').length
    expect(await tokens()).toBe(1)
    await muster.simulators.google_workspace.arm({ fault: 'expired_token' })
    const operations = await finishAll(await submit(muster, accountId, 'google_workspace', 20))
    expect(operations.every(({ status, attempt_count }) => status === 'succeeded' && attempt_count === 1)).toBe(true)
    expect(await tokens()).toBe(2)
    expect((await readAccount(accountId)).status).toBe('active')
  }, 60_000)

  test('refresh tokens that rotate survive renewals by several processes and the restart of a worker', async () => {
    await freshen('cisco_meraki')
    // A token with less than 90 s to live is renewed before it is used: so nearly every call renews.
    await muster.simulators.cisco_meraki.set({ access_token_seconds: 91 })
    const credentials = {
      type: 'refresh_token',
      client_id: 'simulator-demo-app',
      client_secret: 'simulator-demo-secret',
      refresh_token: 'simulator-demo-refresh-token',
    }
    const accountId = await muster.connect('cisco_meraki', {
      credentials,
      config: { token_url: `${muster.simulators.cisco_meraki.url}/oauth/token` },
      limits: { requests: 20, per_seconds: 1 },
    })
    const ids = await submit(muster, accountId, 'cisco_meraki', 50)
    await muster.simulators.cisco_meraki.until((ledger) => ledger.created.length >= 10)
    const checks = Array.from({ length: 4 }, () => muster.request('POST', `/integrated-accounts/${accountId}/test`))
    await muster.replaceWorker(0, 'SIGTERM')
    await muster.replaceWorker(1, 'SIGTERM')
    expect((await Promise.all(checks)).map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect((await finishAll(ids)).filter(({ status }) => status !== 'succeeded')).toEqual([])
    expect((await readAccount(accountId)).status).toBe('active')
    const ledger = await muster.simulators.cisco_meraki.ledger()
    const renewals = ledger.requests.filter((request) => request.path.includes('token')).length
    tell('rotating refresh tokens', { renewals })
    expect(renewals).toBeGreaterThanOrEqual(2)
  }, 60_000)

  test('an unknown outcome is looked up again while look-ups go unanswered, and reported as unknown when attempts run out', async () => {
    await freshen('okta')
    for (const index of [0, 1]) await muster.workers[index]?.kill('SIGTERM')
    muster.workers.splice(
      0,
      2,
      await muster.startWorker({ MUSTER_MAX_ATTEMPTS: '2', MUSTER_PROVIDER_TIMEOUT_MS: '300' }),
    )
    await muster.simulators.okta.set({ api_tokens: [tokenCanary] })
    const accountId = await muster.connect('okta', {
      limits: brisk,
      credentials: { type: 'api_token', api_token: tokenCanary },
    })
    await muster.simulators.okta.arm({ fault: 'timeout_after_commit' })
    await muster.simulators.okta.arm({ fault: 'dropped_lookup', times: 0 })
    // A provider that quotes what it was sent, in an error.
    await muster.simulators.okta.arm({
      fault: 'server_error',
      status: 502,
      times: 3,
      body: { errorCode: 'E0000009', errorSummary: `bad gateway for ${passwordCanary}-Aa1 with SSWS ${tokenCanary}` },
    })
    const [lost = ''] = await submit(muster, accountId, 'okta', 1, () => withPassword('okta'))
    await muster.simulators.okta.until((ledger) => ledger.created.length === 1)
    const [quoted = ''] = await submit(muster, accountId, 'okta', 1, () => withPassword('okta'))
    const operation = (await finishAll([lost]))[0]
    expect(operation).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown' } })
    expect((await finishAll([quoted]))[0]).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown' } })
    expect((await muster.simulators.okta.ledger()).created).toHaveLength(1)
    // A dead letter that is retried begins with the look-up, and needs its password again.
    await muster.simulators.okta.disarm()
    expect(
      (await muster.request('POST', `/operations/${lost}/retry`, { body: { password: `${passwordCanary}-Aa1` } }))
        .status,
    ).toBe(202)
    expect((await finishAll([lost]))[0]).toMatchObject({ status: 'succeeded', outcome: 'created' })
    expect((await muster.simulators.okta.ledger()).created).toHaveLength(1)
  }, 60_000)

  test('after all that, no password and no token is in Redis, its files, a log, a metric or an answer', async () => {
    const credentials = providerIds.flatMap(secretsOf)
    expect(await findSecrets(muster, [passwordCanary, tokenCanary, ...credentials])).toEqual([])
    expect(answers.length).toBeGreaterThan(100)
    expect(
      answers.filter((answer) =>
        [passwordCanary, tokenCanary, ...credentials].some((canary) => answer.includes(canary)),
      ),
    ).toEqual([])
  }, 60_000)
})
