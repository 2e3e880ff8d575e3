import { randomBytes } from 'node:crypto'
import { startProgram } from '../../support/harness.ts'
import { onStage, type Scenario, type Stage } from '../scenario.ts'

const newKey = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`

/** Whether it refused, in its line; one that starts is ended again. */
async function isRefused({ muster }: Stage, script: string, keys: string): Promise<boolean> {
  const environment = {
    REDIS_URL: muster.redis.url,
    MUSTER_ENCRYPTION_KEYS: keys,
    MUSTER_PORT: '0',
    MUSTER_WORKER_PORT: '0',
  }
  return startProgram(script, environment).then(
    async (program) => {
      await program.kill('SIGKILL')
      return false
    },
    (error: unknown) => /MUSTER_ENCRYPTION_KEYS .* REDIS_URL/.test(String(error)),
  )
}

/**
 * First with keys that open nothing; then in the middle of a rotation, with a worker that lacks the key by which the
 * API
 * seals: it passed the check at its start, and meets what it cannot open while it runs.
 */
const wrongKeys: Scenario = {
  name: 'wrong-keys',
  promise: '1, 2: a process with a wrong key refuses or holds; nothing is ended, lost or created twice by it',
  fault: 'workers and APIs with other keys beside right ones, under load; then a worker that lacks the newest key',
  run: ({ size }) => {
    const [old, fresh] = [newKey('old'), newKey('fresh')]
    return onStage(
      { workers: 1, rate: 20, environment: { MUSTER_ENCRYPTION_KEYS: `${old},${fresh}` } },
      async (stage) => {
        const { muster } = stage
        const broken: string[] = []
        let refused = 0
        const first = stage.submit(size(40, 600))
        for (let round = 0; round < size(1, 10); round += 1) {
          for (const script of ['apps/worker/dist/main.js', 'apps/api/dist/main.js'])
            for (const keys of [newKey('old'), newKey('other')]) {
              if (await isRefused(stage, script, keys)) refused += 1
              else broken.push(`${script} ran with a wrong key`)
            }
        }
        const entries = await first

        await muster.workers[0]?.kill('SIGTERM')
        const lacking = await muster.startWorker({ MUSTER_ENCRYPTION_KEYS: old })
        await muster.restartApi('SIGTERM', { MUSTER_ENCRYPTION_KEYS: `${fresh},${old}` })
        entries.push(...(await stage.submit(size(20, 200))))
        const isHeld = (line: Record<string, unknown>): boolean => /sealed with key "fresh"/.test(String(line.reason))
        await lacking.line(isHeld).catch(() => broken.push('the worker that lacks a key held nothing'))
        const held = lacking.output.filter((text) => text.includes('sealed with key')).length
        await lacking.kill('SIGTERM')
        muster.workers[0] = await muster.startWorker()

        const result = await stage.conclude(entries, { refused, 'times held': held }, broken)
        const failed = Object.entries(result.verdict.failed).map(([code, count]) => `${count} ended as ${code}`)
        return { ...result, broken: [...result.broken, ...failed] }
      },
    )
  },
}

export const wrongKeyScenarios: Scenario[] = [wrongKeys]
