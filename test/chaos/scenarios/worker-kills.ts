import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually, newUser } from '../../support/harness.ts'
import { onStage, seconds, type Scenario, type ScenarioResult, type Stage } from '../scenario.ts'

const failpoints = fileURLToPath(new URL('../failpoints.mjs', import.meta.url))

async function countCreated(stage: Stage): Promise<number> {
  const providers = [...new Set(stage.accounts.map((account) => account.provider))]
  const ledgers = await Promise.all(providers.map((provider) => stage.muster.simulators[provider].ledger()))
  return ledgers.reduce((sum, ledger) => sum + ledger.created.length, 0)
}

/** When each user was created at the providers, in seconds after the first. */
async function creationSeconds(stage: Stage): Promise<number[]> {
  const providers = [...new Set(stage.accounts.map((account) => account.provider))]
  const times = (await Promise.all(providers.map((provider) => stage.muster.simulators[provider].ledger()))).flatMap(
    (ledger) => ledger.created.map((entry) => Date.parse(entry.at)),
  )
  const first = times.reduce((earliest, at) => Math.min(earliest, at), Infinity)
  return times.map((at) => (at - first) / 1000).sort((a, b) => a - b)
}

/** kill -9 of the worker that owns a lane with work: how long until the next create reaches the provider? */
const killOneWorker: Scenario = {
  name: 'worker-kill',
  promise: '1, 2: work resumes after kill -9 of a worker',
  fault: 'kill -9 of the only worker at work while another stands by',
  run: ({ size }) =>
    onStage({ workers: 1, providers: ['okta'], rate: 20 }, async (stage) => {
      const { muster } = stage
      const entries = await stage.submit(size(60, 200))
      await eventually(
        () => countCreated(stage),
        (count) => count >= 10,
      )
      await muster.startWorker().then((standby) => muster.workers.push(standby))
      await muster.workers[0]?.kill('SIGKILL')
      const killedAt = Date.now()
      const before = await countCreated(stage)
      await eventually(
        () => countCreated(stage),
        (count) => count > before,
        40_000,
      )
      const resumedMs = Date.now() - killedAt
      return stage.conclude(
        entries,
        { 'resumed after (s)': seconds(resumedMs) },
        resumedMs > 20_000 ? [`work resumed only after ${seconds(resumedMs)} s`] : [],
      )
    }),
}

const killLoop: Scenario = {
  name: 'worker-kill-loop',
  promise: '1, 2: nothing lost, no user twice',
  fault: 'kill -9 of a random one of three workers, again and again; each is replaced',
  async run({ random, size }) {
    const count = size(120, 2_400)
    const everyMs = size(2_500, 30_000)
    const options = { workers: 3, accountsEach: size(1, 2), rate: size(10, 4), concurrency: 4 }
    const played = new Map<boolean, number[]>()
    const play = (isKilling: boolean): Promise<ScenarioResult> =>
      onStage(options, async (stage) => {
        let isOver = false
        let kills = 0
        const killer = (async () => {
          while (isKilling && !isOver) {
            const next = Date.now() + everyMs
            while (!isOver && Date.now() < next) await new Promise((resolve) => setTimeout(resolve, 100))
            if (isOver) return
            await stage.muster.replaceWorker(random.between(0, 2))
            kills += 1
          }
        })()
        const entries = await stage.submit(count)
        await eventually(
          () => countCreated(stage),
          (created) => created >= count,
          400_000,
        ).catch(() => undefined)
        isOver = true
        await killer
        const seconds = await creationSeconds(stage)
        played.set(isKilling, seconds)
        return stage.conclude(entries, { kills, 'drained in (s)': Math.round(seconds.at(-1) ?? 0) }, [], 180_000)
      })
    const killed = await play(true)
    if (size(true, false)) return killed
    const calm = await play(false)
    // What was done in the time in which the undisturbed run had done all: the last row of the unluckiest account is
    //   no throughput.
    const end = played.get(false)?.at(-1) ?? 0
    const share = (played.get(true) ?? []).filter((at) => at <= end).length / count
    return {
      ...killed,
      figures: {
        ...killed.figures,
        'undisturbed (s)': calm.figures['drained in (s)'] ?? '',
        'throughput kept (%)': Math.round(share * 100),
      },
      broken: [
        ...killed.broken,
        ...calm.broken,
        ...(share < 0.9 ? [`only ${Math.round(share * 100)} % of the undisturbed throughput`] : []),
      ],
    }
  },
}

/** Each moment at which a worker can die, by name. */
const workerPoints = [
  'before_claim',
  'after_claim',
  'before_intent',
  'after_intent',
  'after_bytes_sent',
  'after_provider_commit',
  'before_outcome',
  'after_outcome',
] as const

const failpointScenario = (point: (typeof workerPoints)[number]): Scenario => ({
  name: `failpoint ${point}`,
  promise: '1, 2: exactly one user, and a state that says so',
  fault: `SIGKILL of the worker ${point.replaceAll('_', ' ')}`,
  run: ({ size }) =>
    onStage(
      { workers: 0, providers: size(['okta'], ['okta', 'google_workspace', 'files_com', 'salesforce']) },
      async (stage) => {
        const { muster } = stage
        let struck = 0
        const entries = []
        for (let round = 0; round < size(1, 3); round += 1) {
          const file = join(muster.directory, `failpoint-${randomUUID()}`)
          const doomed = await muster.startWorker({ MUSTER_FAILPOINT: point, MUSTER_FAILPOINT_FILE: file }, [
            '--import',
            failpoints,
          ])
          entries.push(...(await stage.submit(size(4, 8))))
          await eventually(
            async () => doomed.child.signalCode,
            (signal) => signal === 'SIGKILL',
            20_000,
          )
          if (existsSync(file)) struck += 1
          const heir = await muster.startWorker()
          for (const { operationId } of entries) if (operationId) await muster.finished(operationId)
          await heir.kill('SIGTERM')
          muster.workers.push(doomed, heir)
        }
        return stage.conclude(
          entries,
          { 'times struck': struck },
          struck === 0 ? [`the failpoint ${point} never struck`] : [],
        )
      },
    ),
})

const rollingRestart: Scenario = {
  name: 'rolling-restart',
  promise: '9: a deploy loses nothing',
  fault: 'SIGTERM of the workers and the API in turn, under load',
  run: ({ size }) =>
    onStage({ workers: 2, rate: 20, accountsEach: 1 }, async (stage) => {
      const { muster } = stage
      const exits: (number | null)[] = []
      const load = stage.submit(size(90, 600))
      for (let round = 0; round < size(2, 10); round += 1) {
        const before = muster.workers[round % 2]
        await muster.replaceWorker(round % 2, 'SIGTERM')
        exits.push(before?.child.exitCode ?? null)
        if (round % 2 === 1) await muster.restartApi('SIGTERM')
      }
      const entries = await load
      const bad = exits.filter((code) => code !== 0).length
      return stage.conclude(entries, { restarts: exits.length }, bad > 0 ? [`${bad} workers did not exit with 0`] : [])
    }),
}

const poison: Scenario = {
  name: 'poison-operation',
  promise: '1: an operation that kills its workers is set aside, and its lane continues',
  fault: 'one operation ends every worker that sends it by SIGKILL',
  run: ({ size }) =>
    onStage({ workers: 0, providers: ['okta'], rate: 20, concurrency: 2 }, async (stage) => {
      const { muster, accounts } = stage
      const login = `poison.${randomUUID().slice(0, 8)}`
      const culprit = await muster.create<{ id: string }>(accounts[0]?.id ?? '', newUser('okta', login))
      const entries = await stage.submit(size(6, 60))
      const startVictim = () => muster.startWorker({ MUSTER_POISON: login }, ['--import', failpoints])
      let deaths = 0
      let isOver = false
      const undertaker = (async () => {
        while (!isOver && deaths < 10) {
          const victim = await startVictim()
          muster.workers.push(victim)
          const died = await Promise.race([
            eventually(
              async () => victim.child.signalCode,
              (signal) => signal === 'SIGKILL',
              90_000,
            ).then(
              () => true,
              () => false,
            ),
            (async () => {
              while (!isOver) await new Promise((resolve) => setTimeout(resolve, 100))
              return false
            })(),
          ])
          if (died) deaths += 1
        }
      })()
      const end = await muster.finished(culprit.body.id, 120_000)
      for (const { operationId } of entries) if (operationId) await muster.finished(operationId, 60_000)
      isOver = true
      await undertaker
      const broken = [
        ...(end.status === 'failed' ? [] : [`the poison ended as ${String(end.status)}`]),
        ...(deaths === 3 ? [] : [`${deaths} workers died of it`]),
      ]
      return stage.conclude(
        entries,
        { 'workers that died': deaths, 'set aside as': String((end.error as { code?: string } | null)?.code) },
        broken,
      )
    }),
}

const crossAccounts: Scenario = {
  name: 'one-login-in-parallel',
  promise: 'two live operations for one login never run side by side',
  fault: '50 parallel submits of one login, and 50 of one idempotency key',
  run: () =>
    onStage({ workers: 1, providers: ['okta'] }, async (stage) => {
      const { muster, accounts } = stage
      const accountId = accounts[0]?.id ?? ''
      const login = `same.${randomUUID().slice(0, 8)}`
      const body = newUser('okta', login)
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => muster.create<{ id: string }>(accountId, body)),
      )
      const keyed = newUser('okta')
      const repeats = await Promise.all(
        Array.from({ length: 50 }, () =>
          muster.create<{ id: string }>(accountId, keyed, { headers: { 'idempotency-key': 'one-and-the-same' } }),
        ),
      )
      const ids = new Set(repeats.map((answer) => answer.body.id))
      const accepted = answers.filter((answer) => answer.status === 202)
      const broken = [
        ...(ids.size === 1 ? [] : [`one idempotency key made ${ids.size} operations`]),
        ...(answers.every((answer) => answer.status === 202 || answer.status === 409)
          ? []
          : [`parallel submits were answered with ${[...new Set(answers.map(({ status }) => status))].join(', ')}`]),
      ]
      const entries = accepted.map((answer) => ({
        accountId,
        provider: 'okta' as const,
        login,
        operationId: answer.body.id,
        refusals: [],
        refusalBodies: [],
      }))
      // Later ones may be accepted once an earlier one has ended: they find the user there.
      const result = await stage.conclude(
        entries,
        { accepted: accepted.length, 'refused with 409': answers.length - accepted.length },
        broken,
      )
      return {
        ...result,
        verdict: { ...result.verdict, untrue: 0 },
        broken: result.broken.filter((text) => !text.includes('differ')),
      }
    }),
}

export const workerKillScenarios: Scenario[] = [
  killOneWorker,
  killLoop,
  ...workerPoints.map(failpointScenario),
  poison,
  rollingRestart,
  crossAccounts,
]
