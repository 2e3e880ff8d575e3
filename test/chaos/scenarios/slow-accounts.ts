import { Redis } from 'ioredis'
import { eventually, newUser } from '../../support/harness.ts'
import { onStage, seconds, type Scenario } from '../scenario.ts'

/** Its worker dies again and again while it waits for its turn: what is restarted most is what waits longest. */
const restartsOfASlowAccount: Scenario = {
  name: 'slow-account-restarts',
  promise: '1, 2, 5: waiting for the limit counts neither as sent nor as a crash, and no restart begins the wait again',
  fault:
    'kill -9 of the only worker, again and again, while an account of one call in 25 to 45 s waits for its second call',
  run: ({ size }) =>
    onStage({ workers: 1, providers: ['okta'] }, async (stage) => {
      const { muster } = stage
      const perSeconds = size(25, 45)
      const accountId = await muster.connect('okta', {
        limits: { requests: 1, per_seconds: perSeconds, concurrency: 4 },
      })
      const create = async (): Promise<string> =>
        (await muster.create<{ id: string }>(accountId, newUser('okta'))).body.id
      const askedAt = Date.now()
      const first = await create()
      await muster.finished(first, 20_000)
      const firstWaitMs = Date.now() - askedAt
      const second = await create()
      const redis = new Redis(muster.redis.url)
      let kills = 0
      try {
        for (; kills < size(4, 6); kills += 1) {
          await eventually(
            () => redis.lrange(`muster:{${accountId}}:lane:active`, 0, -1),
            (active) => active.includes(second),
            20_000,
          )
          await muster.replaceWorker(0)
        }
      } finally {
        redis.disconnect()
      }
      const end = await muster.finished(second, 90_000)
      const attempts = end.attempts as { calls: { purpose: string }[] }[]
      const calls = attempts.flatMap((attempt) => attempt.calls.map(({ purpose }) => purpose))
      const ledger = await muster.simulators.okta.ledger()
      const times = ledger.created.map(({ at }) => Date.parse(at)).sort((a, b) => a - b)
      const gapMs = (times.at(-1) ?? 0) - (times[0] ?? 0)
      return stage.conclude(
        [],
        { kills, 'first create after (s)': seconds(firstWaitMs), 'between the calls (s)': seconds(gapMs) },
        [
          ...(end.status === 'succeeded' ? [] : [`the operation ended as ${String(end.status)}`]),
          ...(calls.join() === 'create' ? [] : [`it made the calls ${calls.join(', ')}`]),
          ...(times.length === 2 ? [] : [`${times.length} users were created`]),
          ...(firstWaitMs < 15_000 ? [] : ['an account that was never called waited']),
          ...(gapMs >= perSeconds * 1_000 ? [] : [`the second call came ${seconds(gapMs)} s after the first`]),
          ...(gapMs < (perSeconds + 15) * 1_000
            ? []
            : [`the second call came only ${seconds(gapMs)} s after the first`]),
        ],
      )
    }),
}

export const slowAccountScenarios: Scenario[] = [restartsOfASlowAccount]
