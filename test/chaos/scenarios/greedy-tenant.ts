import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { ProviderId } from '../../../packages/contracts/src/provider-ids.ts'
import { BULK, toNdjson } from '../../support/batch-client.ts'
import { newUser, type Answer, type Muster } from '../../support/harness.ts'
import { startReceiver, type Receiver } from '../../support/receiver.ts'
import type { ClientEntry } from '../client-ledger.ts'
import { onStage, type Scenario, type ScenarioContext, type Stage } from '../scenario.ts'

const DAY_MS = 86_400_000
/** Nothing listens there: a provider that is down. */
const NOWHERE = '127.0.0.1:1'
/** On a machine that does other work as well, twice as long as next to nothing is no delay. */
const QUICK_MS = { short: 500, full: 100 }

interface Timed {
  entry: ClientEntry
  ms: number
  /** 201, within the wait. */
  isDone: boolean
}

/** One create after the other, each until its user is there. */
async function createInTurn(stage: Stage, count: number): Promise<Timed[]> {
  const timed: Timed[] = []
  const account = stage.accounts[0]
  if (!account) return timed
  for (let number = 0; number < count; number += 1) {
    const login = `quiet.r${number}.${randomUUID().slice(0, 8)}`
    const body = { ...newUser(account.provider, login), password: `${stage.canary}-Aa1` }
    const began = performance.now()
    const headers = { prefer: 'wait=60', 'idempotency-key': login }
    let created = await stage.muster.create(account.id, body, { headers })
    // As a careful client does it; what it waits for counts.
    while (created.status === 503 && performance.now() - began < 60_000)
      created = await stage.muster.create(account.id, body, { headers })
    const operation = created.headers.get('location')
    timed.push({
      ms: performance.now() - began,
      isDone: created.status === 201,
      entry: {
        accountId: account.id,
        provider: account.provider,
        login,
        operationId: operation?.split('/').at(-1) ?? null,
        refusals: created.status < 300 ? [] : [created.status],
        refusalBodies: created.status < 300 ? [] : [JSON.stringify(created.body)],
      },
    })
  }
  return timed
}

function p95(timed: readonly Timed[]): number {
  const sorted = timed.map(({ ms }) => ms).sort((a, b) => a - b)
  return Math.round(sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0)
}

interface Greedy {
  muster: Muster
  key: string
  size: ScenarioContext['size']
  receiver: Receiver
  post(path: string, body: unknown): Promise<Answer>
  upload(query: string, type: string, body: string): Promise<number>
  connect(provider: ProviderId, more?: Record<string, unknown>): Promise<string>
}
type Attack = (greedy: Greedy) => Promise<() => Promise<unknown>>

/**
 * What one tenant can do to all, by the number of the fault that it found. Each is set up, then done again and again.
 */
const attacks: Record<string, Attack> = {
  'mappings, endpoints and their lists': async ({ muster, key, post, receiver }) => {
    const columns = Object.fromEntries(
      Array.from({ length: 290 }, (_, number) => [`${number}`.padEnd(180, 'x'), `remote_data.profile.p${number}`]),
    )
    await Promise.all(
      Array.from({ length: 120 }, (_, number) => post('/column-mappings', { name: `m${number}`, columns })),
    )
    await Promise.all(
      Array.from({ length: 60 }, () => post('/webhook-endpoints', { url: `${receiver.url}?${randomUUID()}` })),
    )
    return () =>
      Promise.all(Array.from({ length: 4 }, () => muster.request('GET', '/column-mappings?limit=100', { key })))
  },
  'one reference for all rows': async ({ size, connect, upload }) => {
    const account = await connect('google_workspace')
    return () => {
      const rows = Array.from({ length: size(500, 8_000) }, () => ({
        reference: 'shared',
        not_before: new Date(Date.now() + 30 * DAY_MS).toISOString(),
        user: newUser('google_workspace', `shared.${randomUUID().slice(0, 12)}`),
      }))
      return upload(`integrated_account_id=${account}`, 'application/x-ndjson', toNdjson(rows))
    }
  },
  'a provider and receivers that hang': async ({ muster, key, connect }) => {
    const account = await connect('files_com', { limits: { requests: 100, per_seconds: 1, concurrency: 50 } })
    return () =>
      Promise.all(
        Array.from({ length: 20 }, () =>
          muster.create(account, newUser('files_com', `slow.${randomUUID().slice(0, 8)}`), { key }),
        ),
      )
  },
  'lanes whose work is due in 30 days, or whose provider is down': async ({ muster, key, size, connect }) => {
    const accounts: string[] = []
    for (let count = 0; count < size(30, 60); count += 1)
      accounts.push(await connect('okta', { config: { base_url: `http://${NOWHERE}` } }))
    return () =>
      Promise.all(
        accounts.map((account, number) =>
          muster.create(account, newUser('okta', `down.${randomUUID().slice(0, 8)}`), {
            key,
            ...(number % 2 === 0 ? { query: `not_before=${new Date(Date.now() + 30 * DAY_MS).toISOString()}` } : {}),
          }),
        ),
      )
  },
  'a batch over many accounts': async ({ size, connect, upload }) => {
    const accounts: string[] = []
    for (let count = 0; count < size(60, 400); count += 1) accounts.push(await connect('google_workspace'))
    return () => {
      const rows = accounts.map((integrated_account_id) => ({
        integrated_account_id,
        not_before: new Date(Date.now() + 30 * DAY_MS).toISOString(),
        user: newUser('google_workspace', `wide.${randomUUID().slice(0, 12)}`),
      }))
      return upload('', 'application/x-ndjson', toNdjson(rows))
    }
  },
  'large creates for a day far away': async ({ muster, key, connect }) => {
    const account = await connect('google_workspace')
    const query = `not_before=${new Date(Date.now() + 89 * DAY_MS).toISOString()}`
    const remote_data = { note: randomBytes(300_000).toString('base64') }
    return () =>
      Promise.all(
        Array.from({ length: 4 }, () => {
          const user = newUser('google_workspace', `far.${randomUUID().slice(0, 12)}`)
          return muster.create(account, { ...user, remote_data }, { key, query })
        }),
      )
  },
  'a file of many columns': async ({ size, connect, upload }) => {
    const account = await connect('google_workspace')
    const headers = Array.from({ length: 490 }, (_, number) => `remote_data.custom.c${number}`)
    return () => {
      const rows = Array.from({ length: size(20, 100) }, () => {
        const name = `columns.${randomUUID().slice(0, 12)}`
        return ['Ada', 'Lovelace', `${name}@example.com`, ...headers.map(() => 'x')].join()
      })
      const file = [['first_name', 'last_name', 'email', ...headers].join(), ...rows, ''].join('\n')
      return upload(`integrated_account_id=${account}&dry_run=true`, 'text/csv', file)
    }
  },
  'more waits and streams than there may be': async ({ muster, key, connect }) => {
    const account = await connect('okta', { config: { base_url: `http://${NOWHERE}` } })
    return () =>
      Promise.all(
        Array.from({ length: 60 }, () =>
          muster.create(account, newUser('okta', `wait.${randomUUID().slice(0, 8)}`), {
            key,
            headers: { prefer: 'wait=2' },
          }),
        ),
      )
  },
}

async function newGreedy(stage: Stage, receiver: Receiver, size: ScenarioContext['size']): Promise<Greedy> {
  const { muster } = stage
  const key = (await muster.bootstrap()).adminKey
  return {
    muster,
    key,
    size,
    receiver,
    post: (path, body) => muster.request('POST', path, { body, key }),
    upload: async (query, type, body) =>
      (await muster.request('POST', `${BULK}?${query}`, { rawBody: body, headers: { 'content-type': type }, key }))
        .status,
    connect: (provider, more = {}) => muster.connect(provider, { ...more, key }),
  }
}

const greedyTenant: Scenario = {
  name: 'greedy-tenant',
  promise: 'one tenant that takes all it can delays another by no more than twice',
  fault:
    'one tenant fills every list, holds every request, takes lanes, sockets and bytes, at once, again every few seconds; the single creates of another are timed',
  async run({ size, scale }) {
    const receiver = await startReceiver()
    receiver.behave(() => undefined)
    try {
      return await onStage(
        {
          workers: 2,
          providers: ['okta'],
          allowedHosts: [NOWHERE, receiver.host],
          environment: { MUSTER_MAX_LANES: '20', MUSTER_MAX_OPEN_MB: '20' },
        },
        async (stage) => {
          await stage.muster.simulators.files_com.arm({ fault: 'slow', delay_ms: 10_000, times: 0 })
          const greedy = await newGreedy(stage, receiver, size)
          await createInTurn(stage, 5)
          const idle = await createInTurn(stage, size(30, 200))
          const strike = await Promise.all(Object.values(attacks).map((attack) => attack(greedy)))
          let isOver = false
          let rounds = 0
          const striking = strike.map(async (again) => {
            while (!isOver) {
              await again().catch(() => undefined)
              rounds += 1
              await pause(size(3_000, 1_000))
            }
          })
          const beside = await createInTurn(stage, size(30, 200))
          isOver = true
          await Promise.all(striking)
          const limit = 2 * Math.max(p95(idle), QUICK_MS[scale])
          const all = [...idle, ...beside]
          const broken = [
            ...(p95(beside) > limit ? [`creates took ${p95(beside)} ms (p95), of ${p95(idle)} ms when idle`] : []),
            ...(all.every(({ isDone }) => isDone) ? [] : ['a create was refused, or did not end within its wait']),
          ]
          return stage.conclude(
            all.map(({ entry }) => entry),
            { 'idle p95 (ms)': p95(idle), 'beside it p95 (ms)': p95(beside), attacks: strike.length, rounds },
            broken,
          )
        },
      )
    } finally {
      await receiver.close()
    }
  },
}

export const greedyScenarios: Scenario[] = [greedyTenant]
