import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually } from '../../support/harness.ts'
import { onStage, type Scenario } from '../scenario.ts'

const failpoints = fileURLToPath(new URL('../failpoints.mjs', import.meta.url))

const killApi: Scenario = {
  name: 'api-kill-loop',
  promise: '1, 2: every 202 survives the API, and a repeated request is the same operation',
  fault: 'kill -9 of the API again and again; clients repeat with their Idempotency-Key',
  run: ({ size, random }) =>
    onStage({ workers: 1, rate: 60 }, async (stage) => {
      let isOver = false
      let kills = 0
      const killer = (async () => {
        while (!isOver && kills < size(3, 30)) {
          await new Promise((resolve) => setTimeout(resolve, random.between(200, 700)))
          await stage.muster.restartApi('SIGKILL')
          kills += 1
        }
      })()
      const load = stage.submit(size(150, 4_000), 12)
      // An API that does not start again ends the scenario in its own words, instead of clients that repeat for ever.
      const entries = await Promise.race([load, killer.then(() => load)])
      isOver = true
      await killer
      const unanswered = entries.filter((entry) => entry.operationId === null).length
      return stage.conclude(
        entries,
        { kills, 'never acknowledged': unanswered },
        unanswered > 0 ? [`${unanswered} creates were never acknowledged although repeated`] : [],
      )
    }),
}

const acceptPoint = (point: 'before_accept' | 'after_accept'): Scenario => ({
  name: `failpoint api ${point}`,
  promise: '1: accepted or not, never half',
  fault: `SIGKILL of the API ${point.replaceAll('_', ' ')}: ${point === 'after_accept' ? 'between acceptance and the queue' : 'with nothing written'}`,
  run: ({ size }) =>
    onStage({ workers: 1, providers: ['okta'] }, async (stage) => {
      const { muster } = stage
      const entries = []
      let struck = 0
      for (let round = 0; round < size(1, 5); round += 1) {
        const file = join(muster.directory, `failpoint-${randomUUID()}`)
        await muster.restartApi('SIGTERM', { MUSTER_FAILPOINT: point, MUSTER_FAILPOINT_FILE: file }, [
          '--import',
          failpoints,
        ])
        const doomed = muster.api
        const load = stage.submit(size(3, 6), 2)
        await eventually(
          async () => doomed.child.signalCode,
          (signal) => signal === 'SIGKILL',
          20_000,
        )
        if (existsSync(file)) struck += 1
        await muster.restartApi('SIGKILL')
        entries.push(...(await load))
      }
      const unanswered = entries.filter((entry) => entry.operationId === null).length
      return stage.conclude(entries, { 'times struck': struck }, [
        ...(struck === 0 ? ['the failpoint never struck'] : []),
        ...(unanswered > 0 ? [`${unanswered} creates were never acknowledged`] : []),
      ])
    }),
})

export const apiScenarios: Scenario[] = [killApi, acceptPoint('before_accept'), acceptPoint('after_accept')]
