import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import { submitAll, type ClientEntry } from '../chaos/client-ledger.ts'
import { createdTwice, finishedAll, JOB_LOCK_MS, tell } from '../support/faults.ts'
import { startMuster, type Muster } from '../support/harness.ts'

const crowd: ProviderId[] = ['okta', 'files_com', 'salesforce']

describe('Redis away', () => {
  let muster: Muster
  let accounts: { id: string; provider: ProviderId }[]
  beforeAll(async () => {
    muster = await startMuster({ workers: 2, durable: true })
    accounts = await Promise.all(
      crowd.map(async (provider) => ({
        id: await muster.connect(provider, { limits: { requests: 10, per_seconds: 1, concurrency: 4 } }),
        provider,
      })),
    )
  })
  beforeEach(async () => {
    for (const provider of crowd) {
      await muster.simulators[provider].reset()
      await muster.simulators[provider].set({ rate_limit: null })
    }
  })
  afterAll(() => muster.close())

  const load = (count: number): Promise<ClientEntry[]> =>
    submitAll(muster, { accounts, count, parallel: 6, canary: 'Canary' })
  const ledgers = () => Promise.all(crowd.map((provider) => muster.simulators[provider].ledger()))
  const createTimes = async (): Promise<number[]> =>
    (await ledgers()).flatMap((ledger) => ledger.created.map((entry) => Date.parse(entry.at)))

  async function expectAllEndedOnce(entries: ClientEntry[]): Promise<void> {
    const ids = entries.flatMap((entry) => entry.operationId ?? [])
    expect(ids).toHaveLength(entries.length)
    const operations = await finishedAll(muster, ids, 90_000)
    expect(
      operations.filter(({ status }) => status !== 'succeeded').map(({ status, error }) => ({ status, error })),
    ).toEqual([])
    for (const [index, ledger] of (await ledgers()).entries()) {
      expect(createdTwice(ledger), crowd[index]).toEqual([])
      expect(ledger.created.length, crowd[index]).toBe(
        entries.filter((entry) => entry.provider === crowd[index]).length,
      )
    }
  }

  test('kill -9 of Redis under load: nothing acknowledged is lost, and work continues as soon as it is back', async () => {
    const loading = load(150)
    await muster.simulators.okta.until((ledger) => ledger.created.length >= 5)
    await muster.restartRedis()
    const backAt = Date.now()
    const entries = await loading
    await expectAllEndedOnce(entries)
    const resumedMs = Math.min(...(await createTimes()).filter((at) => at > backAt)) - backAt
    tell('kill -9 of Redis: the next create after its return, ms', {
      resumedMs,
      refusals: entries.flatMap((entry) => entry.refusals).length,
    })
    // No job's lock has to run out first.
    expect(resumedMs).toBeLessThan(JOB_LOCK_MS)
  }, 120_000)

  test('Redis frozen for longer than leases and locks last: no user is created twice, and every operation ends', async () => {
    const entries = await load(150)
    await muster.simulators.okta.until((ledger) => ledger.created.length >= 5)
    process.kill(muster.redis.pid, 'SIGSTOP')
    const frozenAt = Date.now()
    try {
      // What is waited for is the time itself.
      await new Promise((resolve) => setTimeout(resolve, 15_000))
      const whileFrozen = (await createTimes()).filter((at) => at > frozenAt + 2_000).length
      // An intent that was written before may still be sent off; nothing new can be.
      expect(whileFrozen).toBeLessThanOrEqual(crowd.length * 4)
    } finally {
      process.kill(muster.redis.pid, 'SIGCONT')
    }
    const backAt = Date.now()
    await expectAllEndedOnce(entries)
    const resumedMs = Math.min(...(await createTimes()).filter((at) => at > backAt)) - backAt
    tell('Redis frozen for 15 s: the next create after its return, ms', { resumedMs })
    expect(muster.workers.every((worker) => worker.child.exitCode === null)).toBe(true)
  }, 120_000)
})
