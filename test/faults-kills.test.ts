import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { providers, tell, withoutCreationTime, type Operation } from './faults.ts'
import { eventually, newUser, startMuster, type Muster } from './harness.ts'

/** Ten seconds for the lease and for the job's lock, one round of the stalled check each side, and the look-ups. */
const RESUMED_WITHIN_MS = 20_000
const SLACK_MS = 15_000

describe('kill -9 of a worker', () => {
  let muster: Muster
  beforeAll(async () => {
    muster = await startMuster()
  })
  afterAll(() => muster.close())

  test('after the provider committed, or between the intent and the sending: one user at each of the six, found or sent once', async () => {
    // The first call of a lane waits one interval: here long enough to be killed meanwhile.
    const slow = await muster.connect('okta', { limits: { requests: 1, per_seconds: 20 } })
    const unsent = (await muster.create<{ id: string }>(slow, newUser('okta', 'never.sent'))).body.id
    const operations = await Promise.all(
      providers.map(async (provider) => {
        await muster.simulators[provider].arm({ fault: 'timeout_after_commit' })
        const accepted = await muster.create<{ id: string }>(await muster.connect(provider), newUser(provider))
        return { provider, id: accepted.body.id }
      }),
    )
    await Promise.all(
      providers.map((provider) => muster.simulators[provider].until((ledger) => ledger.created.length === 1)),
    )
    await eventually(
      () => muster.request<Operation>('GET', `/operations/${unsent}`),
      ({ body }) => body.attempts[0]?.create_sent_at != null,
    )
    const killedAt = Date.now()
    await muster.replaceWorker(0)
    await muster.request('PATCH', `/integrated-accounts/${slow}`, {
      body: { limits: { requests: 50, per_seconds: 1 } },
    })

    const recovered: Record<string, number> = {}
    const ends = await Promise.all(
      operations.map(async ({ provider, id }) => {
        const operation = (await muster.finished(id)) as Operation
        recovered[provider] = Date.now() - killedAt
        return { provider, operation }
      }),
    )
    tell('kill -9 after commit: outcome after ms', recovered)
    for (const { provider, operation } of ends) {
      const isTold = !withoutCreationTime.includes(provider)
      expect(operation, provider).toMatchObject({
        status: 'succeeded',
        outcome: isTold ? 'created' : 'adopted',
        error: null,
      })
      expect(operation.warnings.map((warning) => warning.code).includes('ownership_unclear'), provider).toBe(!isTold)
      expect(
        operation.attempts.map((attempt) => attempt.outcome),
        provider,
      ).toEqual(['interrupted', 'succeeded'])
      expect(
        operation.attempts[1]?.calls.some((call) => call.purpose === 'create'),
        provider,
      ).toBe(false)
      expect(
        (await muster.simulators[provider].ledger()).created.filter((entry) => !entry.key.startsWith('never.sent')),
        provider,
      ).toHaveLength(1)
    }
    const sentOnce = (await muster.finished(unsent)) as Operation
    expect(sentOnce).toMatchObject({ status: 'succeeded', outcome: 'created' })
    expect(sentOnce.attempts.flatMap((attempt) => attempt.calls.map((call) => call.purpose))).toEqual(
      expect.arrayContaining(['find', 'create']),
    )
    expect(
      (await muster.simulators.okta.ledger()).created.filter((entry) => entry.key.startsWith('never.sent')),
    ).toHaveLength(1)
    expect(Math.max(...Object.values(recovered))).toBeLessThan(RESUMED_WITHIN_MS + SLACK_MS)
  }, 60_000)

  test('a worker frozen between the intent and the sending, until another has taken over, sends nothing when it goes on', async () => {
    const okta = muster.simulators.okta
    await okta.reset()
    const accountId = await muster.connect('okta', { limits: { requests: 1, per_seconds: 4 } })
    const { id } = (await muster.create<{ id: string }>(accountId, newUser('okta'))).body
    await eventually(
      () => muster.request<Operation>('GET', `/operations/${id}`),
      ({ body }) => body.attempts[0]?.create_sent_at != null,
    )
    const frozen = muster.workers[0]
    frozen?.child.kill('SIGSTOP')
    await muster.request('PATCH', `/integrated-accounts/${accountId}`, {
      body: { limits: { requests: 50, per_seconds: 1 } },
    })
    muster.workers.push(await muster.startWorker())
    try {
      expect(await muster.finished(id)).toMatchObject({ status: 'succeeded', outcome: 'created' })
    } finally {
      frozen?.child.kill('SIGCONT')
    }
    // The end of its attempt, which it may not write: by then it would have sent.
    await frozen?.line((line) => line.msg?.includes('written by another process') === true)
    const { requests, created } = await okta.ledger()
    expect(created).toHaveLength(1)
    expect(requests.filter((request) => request.method === 'POST')).toHaveLength(1)
  }, 60_000)
})
