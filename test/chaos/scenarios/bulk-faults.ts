import { randomUUID } from 'node:crypto'
import type { ProviderId } from '../../../packages/contracts/src/provider-ids.ts'
import { batchClientOf, isOver, recount, toNdjson, type Batch } from '../../support/batch-client.ts'
import { eventually, newUser } from '../../support/harness.ts'
import type { ClientEntry } from '../client-ledger.ts'
import { onStage, type Scenario, type ScenarioResult, type Stage } from '../scenario.ts'

const PIECE = 50
const PATIENCE_MS = 180_000
const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

interface Item extends Record<string, unknown> {
  integrated_account_id: string
  reference: string
  user: Record<string, unknown>
}

/** Rows for all accounts in turn, the canary in every password. */
function createItems({ accounts, canary }: Stage, count: number): Item[] {
  const name = randomUUID().slice(0, 8)
  return Array.from({ length: count }, (_, index) => {
    const { id, provider } = accounts[index % accounts.length] ?? { id: '', provider: 'okta' as ProviderId }
    // A letter before the digits: Okta refuses a password that holds a part of the login, and four digits alone may
    //   well be in the canary.
    const login = `bulk.r${index}.${name}`
    const user = newUser(provider, login)
    if ('password' in user || provider === 'okta') user.password = `${canary}-Aa1`
    return { integrated_account_id: id, reference: login, user }
  })
}

interface Upload {
  id: string
  attempts: number
  answers: Record<string, number>
}

/**
 * Sends like a careful client: the same file under the same key until it is accepted whole. `afterRow` is called with
 * the number of rows sent, which starts over with each attempt.
 */
async function uploadAll(
  { muster }: Stage,
  items: readonly Item[],
  afterRow: (row: number) => Promise<void> = async () => undefined,
): Promise<Upload> {
  const key = randomUUID()
  const answers: Record<string, number> = {}
  const until = Date.now() + PATIENCE_MS
  for (let attempts = 1; Date.now() < until; attempts += 1) {
    let outcome = 'connection lost'
    try {
      const upload = batchClientOf(muster).stream({ key })
      for (let from = 0; from < items.length; from += PIECE) {
        await upload.send(toNdjson(items.slice(from, from + PIECE)))
        await afterRow(from + PIECE)
        await pause(10)
      }
      upload.end()
      const { status, body } = await upload.answered
      if (status === 202) return { id: body.id, attempts, answers }
      outcome = String(body.code)
    } catch {
      // The API, or its Redis, is gone: the same once more.
    }
    answers[outcome] = (answers[outcome] ?? 0) + 1
    await pause(500)
  }
  throw new Error(`the upload was not taken: ${JSON.stringify(answers)}`)
}

const readBatch = ({ muster }: Stage, id: string): Promise<Batch | undefined> =>
  muster.request<Batch>('GET', `/batches/${id}`).then(
    ({ status, body }) => (status === 200 ? body : undefined),
    () => undefined,
  )

/**
 * Every row has ended, the batch's own counts are those of its results, and those are what the simulators' ledgers say.
 */
async function conclude(
  stage: Stage,
  upload: Upload,
  items: readonly Item[],
  figures: Record<string, number | string>,
): Promise<ScenarioResult> {
  const batch = await eventually(
    () => readBatch(stage, upload.id),
    (one) => one !== undefined && isOver(one),
    PATIENCE_MS,
  )
  const results = await batchClientOf(stage.muster).results(upload.id)
  const broken: string[] = []
  if (JSON.stringify(recount(results)) !== JSON.stringify(batch?.counts))
    broken.push(`the batch counts ${JSON.stringify(batch?.counts)}, its results ${JSON.stringify(recount(results))}`)
  if (results.length !== items.length) broken.push(`${results.length} rows of ${items.length} are in the results`)
  const misplaced = results.find(({ reference }, index) => reference !== items[index]?.reference)
  if (misplaced) broken.push(`row ${misplaced.row} of the results is ${String(misplaced.reference)} of the upload`)
  const open = results.filter(({ status }) => !['succeeded', 'failed', 'rejected'].includes(status))
  if (open[0]) broken.push(`${open.length} rows have no end: row ${open[0].row} is ${open[0].status}`)
  const names = new Set(items.map(({ reference }) => reference))
  let created = 0
  for (const { provider } of stage.accounts)
    created += (await stage.muster.simulators[provider].ledger()).created.filter(({ key }) =>
      names.has((key.split('/').at(-1) ?? '').split('@')[0] ?? ''),
    ).length
  if (created !== batch?.counts.succeeded)
    broken.push(`${created} users were created, and ${String(batch?.counts.succeeded)} rows say so`)
  const entries = results.map(({ reference, operation_id, row }): ClientEntry => {
    const account = stage.accounts[(row - 1) % stage.accounts.length]
    return {
      accountId: account?.id ?? '',
      provider: account?.provider ?? 'okta',
      login: reference ?? '',
      operationId: operation_id,
      refusals: [],
      refusalBodies: [],
    }
  })
  return stage.conclude(
    entries,
    { rows: items.length, uploads: upload.attempts, ...upload.answers, ...figures },
    broken,
  )
}

const apiKill: Scenario = {
  name: 'bulk-api-kill',
  promise: '1, 2: an upload that is cut off continues under its key, and no row is doubled',
  fault: 'kill -9 of the API while rows come in, at random rows',
  run: ({ size, random }) =>
    onStage({ workers: 1, rate: 150, concurrency: 15 }, async (stage) => {
      const items = createItems(stage, size(1_100, 6_000))
      let kills = 0
      let next = random.between(550, items.length - PIECE)
      const upload = await uploadAll(stage, items, async (row) => {
        if (kills >= size(1, 8) || row < next) return
        kills += 1
        next = random.between(1, items.length - PIECE)
        await stage.muster.restartApi('SIGKILL')
      })
      return conclude(stage, upload, items, { kills })
    }),
}

const workerKill: Scenario = {
  name: 'bulk-worker-kill',
  promise: '1, 2: a batch continues where its worker died',
  fault: 'kill -9 of a random one of two workers in the middle of a batch, again and again',
  run: ({ size, random }) =>
    onStage({ workers: 2, rate: size(30, 40), concurrency: 8 }, async (stage) => {
      const items = createItems(stage, size(900, 6_000))
      const upload = await uploadAll(stage, items)
      let kills = 0
      while (kills < size(2, 12) && !isOver((await readBatch(stage, upload.id)) ?? { status: '' })) {
        await pause(random.between(1_500, 4_000))
        await stage.muster.replaceWorker(random.between(0, 1))
        kills += 1
      }
      return conclude(stage, upload, items, { kills })
    }),
}

const redisKill: Scenario = {
  name: 'bulk-redis-kill',
  promise: '1, 2: neither an upload nor a batch under way loses or doubles a row with Redis (AOF everysec)',
  fault: 'kill -9 of Redis while rows come in, and again while they run; a restart each time',
  run: ({ size, random }) =>
    onStage({ workers: 2, durable: true, rate: 60, concurrency: 10 }, async (stage) => {
      const items = createItems(stage, size(1_300, 5_000))
      let kills = 0
      let next = random.between(520, items.length - PIECE)
      const upload = await uploadAll(stage, items, async (row) => {
        if (kills >= size(1, 4) || row < next) return
        kills += 1
        next = random.between(1, items.length - PIECE)
        await stage.muster.restartRedis()
      })
      for (let round = 0; round < size(1, 4); round += 1) {
        const before = (await readBatch(stage, upload.id))?.counts.succeeded ?? 0
        await eventually(
          () => readBatch(stage, upload.id),
          (one) => one !== undefined && (isOver(one) || one.counts.succeeded >= before + 50),
          PATIENCE_MS,
        )
        await stage.muster.restartRedis()
        kills += 1
      }
      return conclude(stage, upload, items, { kills })
    }),
}

export const bulkScenarios: Scenario[] = [apiKill, workerKill, redisKill]
