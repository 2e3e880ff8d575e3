import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  acceptWithoutWake,
  createdTwice,
  createSealingKey,
  finishedAll,
  isLong,
  JOB_LOCK_MS,
  openStoreOf,
  submit,
  tell,
} from '../support/faults.ts'
import type { ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import { eventually, startMuster, type Muster } from '../support/harness.ts'

/** Ten seconds for the lease and for the job's lock, one round of the stalled check each side, and the look-ups. */
const RESUMED_WITHIN_MS = 20_000
const SLACK_MS = 15_000

describe('two workers and much work', () => {
  const sealingKey = createSealingKey()
  const crowd: ProviderId[] = ['okta', 'files_com', 'google_workspace', 'salesforce']
  let muster: Muster
  let accounts: { id: string; provider: ProviderId }[]
  beforeAll(async () => {
    muster = await startMuster({ workers: 2, environment: { MUSTER_ENCRYPTION_KEYS: sealingKey } })
    accounts = await Promise.all(
      crowd.map(async (provider) => ({
        id: await muster.connect(provider, { limits: { requests: 8, per_seconds: 1, concurrency: 4 } }),
        provider,
      })),
    )
  })
  afterAll(() => muster.close())

  test('kill -9 again and again: every operation ends, each with one user', async () => {
    await Promise.all(crowd.map((provider) => muster.simulators[provider].set({ rate_limit: null })))
    const created = async (): Promise<number> =>
      (await Promise.all(crowd.map((provider) => muster.simulators[provider].ledger()))).reduce(
        (sum, ledger) => sum + ledger.created.length,
        0,
      )
    const ids = (await Promise.all(accounts.map(({ id, provider }) => submit(muster, id, provider, 50)))).flat()
    const resumed: number[] = []
    for (let kill = 0; kill < (isLong ? 10 : 2); kill += 1) {
      const before = await created()
      await eventually(created, (count) => count > before || count === ids.length)
      await muster.replaceWorker(kill % 2)
      const atKill = await created()
      const killedAt = Date.now()
      await eventually(created, (count) => count > atKill || count === ids.length, 40_000)
      resumed.push(Date.now() - killedAt)
    }
    const operations = await finishedAll(muster, ids, 90_000)
    tell('kill loop: the next create after a kill, ms', { resumed })
    expect(
      operations.filter(({ status }) => status !== 'succeeded').map(({ status, error }) => ({ status, error })),
    ).toEqual([])
    for (const provider of crowd) {
      const ledger = await muster.simulators[provider].ledger()
      expect(createdTwice(ledger), provider).toEqual([])
      expect(ledger.created, provider).toHaveLength(50)
    }
    expect(Math.max(...resumed)).toBeLessThan(RESUMED_WITHIN_MS + SLACK_MS)
  }, 150_000)

  test('SIGTERM under load: exit code 0, nothing unknown, and the other worker continues at once', async () => {
    const okta = accounts[0]?.id ?? ''
    await muster.simulators.okta.reset()
    await muster.simulators.okta.set({ rate_limit: null })
    await muster.simulators.okta.arm({ fault: 'slow', delay_ms: 300, times: 0 })
    const ids = await submit(muster, okta, 'okta', 40)
    await muster.simulators.okta.until((ledger) => ledger.created.length >= 5)
    const lanesOf = async (index: number): Promise<number> => {
      const text = await (
        await fetch(`http://127.0.0.1:${String(muster.workers[index]?.listening.port)}/metrics`)
      ).text()
      return Number(/^muster_lanes_open (\d+)/m.exec(text)?.[1])
    }
    const owner = (await lanesOf(0)) > 0 ? 0 : 1
    const worker = muster.workers[owner]
    const exit = worker?.kill('SIGTERM')
    const stoppedAt = Date.now()
    expect(await exit).toBe(0)
    const exitedMs = Date.now() - stoppedAt
    const operations = await finishedAll(muster, ids)
    const ledger = await muster.simulators.okta.ledger()
    const times = ledger.created.map((entry) => Date.parse(entry.at)).sort((a, b) => a - b)
    const gapMs = Math.max(...times.map((at, index) => at - (times[index - 1] ?? at)))
    tell('SIGTERM under load, ms', { exitedMs, longestGapMs: gapMs })
    expect(operations.every(({ status }) => status === 'succeeded')).toBe(true)
    expect(
      operations
        .flatMap(({ attempts }) => attempts.map((attempt) => attempt.outcome))
        .filter((outcome) => outcome !== 'succeeded' && outcome !== 'interrupted'),
    ).toEqual([])
    expect(ledger.created).toHaveLength(40)
    expect(ledger.requests.every((request) => request.method === 'POST')).toBe(true)
    // Handed over: after a kill the job's lock would have to run out first.
    expect(gapMs).toBeLessThan(JOB_LOCK_MS)
    await muster.replaceWorker(owner)
  }, 60_000)

  test('what was accepted by an API that died before it woke the lane is found by the janitor', async () => {
    const { store, close } = openStoreOf(muster, sealingKey)
    try {
      // The janitor's lease may still be that of a worker killed before.
      const id = await acceptWithoutWake(store, {
        id: accounts[1]?.id ?? '',
        provider: 'files_com',
        tenantId: muster.owner.tenantId,
      })
      const acceptedAt = Date.now()
      expect(await muster.finished(id, 40_000)).toMatchObject({ status: 'succeeded' })
      tell('accepted and never announced: done after ms', { ms: Date.now() - acceptedAt })
    } finally {
      close()
    }
  }, 60_000)
})
