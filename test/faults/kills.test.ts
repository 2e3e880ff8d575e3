import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { providerIds } from '../../packages/contracts/src/provider-ids.ts'
import { tell, withoutCreationTime, type Operation } from '../support/faults.ts'
import { eventually, newUser, startMuster, type Muster } from '../support/harness.ts'

const failpoints = fileURLToPath(new URL('../chaos/failpoints.mjs', import.meta.url))
/** Ten seconds for the lease and for the job's lock, one round of the stalled check each side, and the look-ups. */
const RESUMED_WITHIN_MS = 20_000
const SLACK_MS = 15_000

describe('kill -9 of a worker', () => {
  let muster: Muster
  beforeAll(async () => {
    muster = await startMuster()
  })
  afterAll(() => muster.close())

  test('after the provider committed: one user at each of the six, found', async () => {
    const operations = await Promise.all(
      providerIds.map(async (provider) => {
        await muster.simulators[provider].arm({ fault: 'timeout_after_commit' })
        const accepted = await muster.create<{ id: string }>(await muster.connect(provider), newUser(provider))
        return { provider, id: accepted.body.id }
      }),
    )
    await Promise.all(
      providerIds.map((provider) => muster.simulators[provider].until((ledger) => ledger.created.length === 1)),
    )
    const killedAt = Date.now()
    await muster.replaceWorker(0)

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
      expect((await muster.simulators[provider].ledger()).created, provider).toHaveLength(1)
    }
    expect(Math.max(...Object.values(recovered))).toBeLessThan(RESUMED_WITHIN_MS + SLACK_MS)
  }, 60_000)

  test('while an operation waits for the limit of its account, again and again: nothing counts as sent or as a crash', async () => {
    const okta = muster.simulators.okta
    await okta.reset()
    // As long as a lane stays open for: one that has to wait for longer is closed, and no worker holds its work.
    const accountId = await muster.connect('okta', { limits: { requests: 1, per_seconds: 14 } })
    const first = (await muster.create<{ id: string }>(accountId, newUser('okta'))).body.id
    // An account that was never called does not wait.
    expect(await muster.finished(first, 10_000)).toMatchObject({ status: 'succeeded' })
    const calledAt = Date.now()
    const waiting = (await muster.create<{ id: string }>(accountId, newUser('okta'))).body.id
    const redis = new Redis(muster.redis.url)
    try {
      for (let kills = 0; kills < 2; kills += 1) {
        await eventually(
          () => redis.lrange(`muster:{${accountId}}:lane:active`, 0, -1),
          (active) => active.includes(waiting),
        )
        const owner = await redis.get(`muster:{${accountId}}:lane-lease`)
        await muster.replaceWorker(0)
        await eventually(
          () => redis.get(`muster:{${accountId}}:lane-lease`),
          (heir) => heir !== null && heir !== owner,
        )
      }
    } finally {
      redis.disconnect()
    }
    const { body: operation } = await muster.request<Operation>('GET', `/operations/${waiting}`)
    expect(operation).toMatchObject({ status: 'queued', attempt_count: 0, attempts: [] })
    expect((await okta.ledger()).created).toHaveLength(1)
    tell('one call in 14 s, two workers killed meanwhile: after ms', { ms: Date.now() - calledAt })
    await muster.request('PATCH', `/integrated-accounts/${accountId}`, {
      body: { limits: { requests: 50, per_seconds: 1 } },
    })
    const end = (await muster.finished(waiting)) as Operation
    expect(end).toMatchObject({ status: 'succeeded', outcome: 'created', attempt_count: 1 })
    expect(end.attempts.flatMap(({ calls }) => calls.map(({ purpose }) => purpose))).toEqual(['create'])
  }, 60_000)

  test('a worker frozen between the intent and the sending, until another has taken over, sends nothing when it continues', async () => {
    const okta = muster.simulators.okta
    await okta.reset()
    const mark = join(muster.directory, 'frozen')
    await muster.workers[0]?.kill('SIGTERM')
    const frozen = await muster.startWorker(
      { MUSTER_FAILPOINT: 'after_intent', MUSTER_FAILPOINT_SIGNAL: 'SIGSTOP', MUSTER_FAILPOINT_FILE: mark },
      ['--import', failpoints],
    )
    muster.workers.push(frozen)
    const accountId = await muster.connect('okta')
    const { id } = (await muster.create<{ id: string }>(accountId, newUser('okta'))).body
    await eventually(
      async () => existsSync(mark),
      (isFrozen) => isFrozen,
    )
    muster.workers.push(await muster.startWorker())
    try {
      expect(await muster.finished(id)).toMatchObject({ status: 'succeeded', outcome: 'created' })
    } finally {
      frozen.child.kill('SIGCONT')
    }
    // The end of its attempt, which it may not write: by then it would have sent.
    await frozen.line((line) => line.msg?.includes('written by another process') === true)
    const { requests, created } = await okta.ledger()
    expect(created).toHaveLength(1)
    expect(requests.filter((request) => request.method === 'POST')).toHaveLength(1)
  }, 60_000)
})
