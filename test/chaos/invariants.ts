import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import { Keyring } from '../../packages/store/src/crypto/keyring.ts'
import { createRecordCodec } from '../../packages/store/src/operations/record-codec.ts'
import { eventually, type Ledger, type Muster } from '../support/harness.ts'
import type { ClientEntry } from './client-ledger.ts'

export interface Verdict {
  acknowledged: number
  /** Acknowledged, and without an end when everything was quiet again. */
  lost: number
  /** Logins with more than one user at the provider. */
  twice: number
  /** Our state says one thing and the provider's ledger another. */
  untrue: number
  /** What was seen of those three, the first of each kind in words. */
  seen: { lost: string[]; twice: string[]; untrue: string[] }
  /** Places in which the canary was found. */
  secrets: string[]
  succeeded: number
  failed: Record<string, number>
}

const MAX_SEEN = 3

interface EndState {
  status: string
  outcome: string | null
  error: { code: string } | null
}

/** The key under which a simulator's ledger counts a login. */
function loginOf(key: string): string {
  return (key.split('/').at(-1) ?? key).split('@')[0]?.toLowerCase() ?? key
}

/** Waits until every acknowledged operation has ended, then compares the ledgers. */
export async function checkInvariants(
  muster: Muster,
  entries: readonly ClientEntry[],
  canaries: readonly string[],
  quietMs = 120_000,
): Promise<Verdict> {
  const acknowledged = entries.filter((entry) => entry.operationId !== null)
  const ends = new Map<string, EndState>()
  const ask = async (): Promise<number> => {
    const open = acknowledged.filter((entry) => !ends.has(entry.operationId ?? ''))
    for (let from = 0; from < open.length; from += 20) {
      await Promise.all(
        open.slice(from, from + 20).map(async (entry) => {
          const answer = await muster
            .request<EndState>('GET', `/operations/${entry.operationId ?? ''}?truto_ignore_remote_data=true`)
            .catch(() => undefined)
          if (answer?.status === 200 && ['succeeded', 'failed', 'canceled', 'expired'].includes(answer.body.status))
            ends.set(entry.operationId ?? '', answer.body)
        }),
      )
    }
    return acknowledged.length - ends.size
  }
  const lost = await eventually(ask, (left) => left === 0, quietMs).catch(() => acknowledged.length - ends.size)

  const ledgers = new Map<ProviderId, Ledger>()
  for (const provider of new Set(entries.map((entry) => entry.provider)))
    ledgers.set(provider, await muster.simulators[provider].ledger())
  const createdPerLogin = new Map<string, number>()
  for (const [provider, ledger] of ledgers)
    for (const { key } of ledger.created)
      createdPerLogin.set(`${provider} ${loginOf(key)}`, (createdPerLogin.get(`${provider} ${loginOf(key)}`) ?? 0) + 1)
  const createdOf = (entry: ClientEntry): number =>
    createdPerLogin.get(`${entry.provider} ${entry.login.toLowerCase()}`) ?? 0

  const verdict: Verdict = {
    acknowledged: acknowledged.length,
    lost,
    twice: 0,
    untrue: 0,
    seen: { lost: [], twice: [], untrue: [] },
    secrets: await findSecrets(muster, canaries),
    succeeded: 0,
    failed: {},
  }
  const note = (kind: keyof Verdict['seen'], words: string): void => {
    if (verdict.seen[kind].length < MAX_SEEN) verdict.seen[kind].push(words)
  }
  for (const entry of entries) {
    const created = createdOf(entry)
    const who = `${entry.provider} ${entry.operationId ?? 'not acknowledged'} (${entry.login})`
    if (created > 1) {
      verdict.twice += 1
      note('twice', `${who} has ${created} users`)
    }
    const end = entry.operationId === null ? undefined : ends.get(entry.operationId)
    if (!end) {
      if (entry.operationId !== null) note('lost', who)
      continue
    }
    if (end.status === 'succeeded') verdict.succeeded += 1
    else verdict.failed[end.error?.code ?? end.status] = (verdict.failed[end.error?.code ?? end.status] ?? 0) + 1
    // An unknown outcome is reported as what it is; every other end must agree with what the provider did.
    const isTrue = end.status === 'succeeded' ? created === 1 : end.error?.code === 'outcome_unknown' || created === 0
    if (isTrue) continue
    verdict.untrue += 1
    note('untrue', `${who} is ${end.status} ${end.error?.code ?? ''} with ${created} users`)
  }
  return verdict
}

/** Every key and value of Redis, its files, every log line and every metric. */
export async function findSecrets(muster: Muster, canaries: readonly string[]): Promise<string[]> {
  const found: string[] = []
  const { decodeRecord } = createRecordCodec(Keyring.parse(muster.encryptionKeys))
  const look = (place: string, content: string | Buffer): void => {
    for (const canary of canaries) if (content.includes(canary)) found.push(place)
  }
  muster.logs().forEach((line) => look(`log: ${line.slice(0, 80)}`, line))
  for (const program of [muster.api, ...muster.workers]) {
    if (program.child.exitCode !== null || program.child.signalCode !== null) continue
    const metrics = await fetch(`http://127.0.0.1:${String(program.listening.port)}/metrics`).then(
      (response) => response.text(),
      () => '',
    )
    look('metrics', metrics)
  }
  // Through the proxy where there is one: it leads to the Redis that is in use now.
  const redis = new Redis(muster.redisProxy ? `redis://127.0.0.1:${muster.redisProxy.port}` : muster.redis.url)
  redis.on('error', () => undefined)
  try {
    // DUMP packs longer strings, and what is packed cannot be searched.
    await redis.config('SET', 'rdbcompression', 'no')
    let cursor = '0'
    do {
      const [next, names] = await redis.scan(cursor, 'COUNT', 500)
      cursor = next
      const pipeline = redis.pipeline()
      for (const name of names) pipeline.dumpBuffer(name)
      const values = (await pipeline.exec()) ?? []
      names.forEach((name, index) => {
        look(`key: ${name}`, name)
        const value = values[index]?.[1]
        if (Buffer.isBuffer(value)) look(`value of ${name}`, value)
      })
      // Sealed: what an answer of the API would show of them shows only when they are opened.
      for (const name of names.filter((key) => /:operation:[^:]+$/.test(key))) {
        const record = await redis.hgetBuffer(name, 'record')
        const id = name.split(':').at(-1) ?? ''
        if (record) look(`record of ${name}`, JSON.stringify(decodeRecord('', id, record)))
      }
    } while (cursor !== '0')
  } finally {
    redis.disconnect()
  }
  for (const file of await readdir(muster.directory, { recursive: true, withFileTypes: true })) {
    if (file.isFile()) look(`file: ${file.name}`, await readFile(join(file.parentPath, file.name)))
  }
  return [...new Set(found)]
}

/** The most calls that a simulator saw within any window of the given width. */
export function busiestWindow(ledger: Ledger, windowMs: number): number {
  const times = ledger.requests.map((request) => Date.parse(request.at)).sort((a, b) => a - b)
  let most = 0
  let from = 0
  times.forEach((at, index) => {
    while (at - (times[from] ?? at) >= windowMs) from += 1
    most = Math.max(most, index - from + 1)
  })
  return most
}
