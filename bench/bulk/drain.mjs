import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { providerOf } from '../../packages/providers/dist/registry.js'
import { benchFolder, pollUntil, readUsage, startMuster } from '../stack.mjs'
import { loadNow, toPercent, toSeconds } from '../table.mjs'
import { readCalls } from './ledger.mjs'
import { toSvg } from './plot.mjs'
import { providers, toSimulatorSettings, writeMixedNdjson } from './rows.mjs'

/** Calls a second of each account: what one worker on a shared core holds. */
const CALLS_PER_SECOND = 30
/**
 * One batch over an account of each provider, drained by one worker, each account at a limit that its simulator
 * enforces.
 */
export async function measureDrain({ stack, say, rows, nodeOptions, rate = CALLS_PER_SECOND }) {
  const muster = await startMuster({ stack, nodeOptions })
  try {
    const accounts = []
    for (const provider of providers) {
      await muster.control(
        provider,
        'PATCH',
        'settings',
        toSimulatorSettings(provider, { requests: rate, per_seconds: 1 }),
      )
      accounts.push({
        id: await muster.connect(provider, { requests: rate, per_seconds: 1 }),
        provider,
        weight: rate / providerOf(provider).callsPerCreate,
      })
    }
    const allowed = accounts.reduce((sum, { weight }) => sum + weight, 0)
    const { file, rowsOf } = await writeMixedNdjson('drain', rows, accounts)
    const worker = await muster.startWorker()
    say(`drain: ${rows} rows at ${allowed} creates/s allowed, ${toSeconds((rows / allowed) * 1000)} at least…`)
    const usage = readUsage(worker.pid)
    const points = []
    let toldAt = 0
    const batch = await muster.upload(file, 'application/x-ndjson')
    rmSync(file, { force: true })
    if (batch.counts.rejected > 0) throw new Error(`the batch has ${JSON.stringify(batch.counts)}`)
    const uploadedAt = Date.now()
    const done = await pollUntil(
      async () => {
        const present = await muster.call('GET', `/batches/${batch.id}`)
        points.push({ at: Date.now(), ended: present.counts.succeeded + present.counts.failed })
        if (Date.now() - toldAt > 15_000) {
          say(
            `  ${present.counts.succeeded} succeeded, ${present.counts.failed} failed, ${present.counts.retrying} retrying; load ${loadNow()}`,
          )
          toldAt = Date.now()
        }
        return present
      },
      ({ status }) => status === 'completed',
      { everyMs: 1_000, forMs: ((rows / allowed) * 2 + 60) * 1000 },
    )
    const cpuMs = (readUsage(worker.pid)?.cpuMs ?? NaN) - (usage?.cpuMs ?? NaN)
    const load = loadNow()
    const calls = []
    for (const { provider } of accounts) calls.push(await readCalls(muster, provider))
    const firstAt = Math.min(...calls.map((one) => one.firstAt))
    const lastAt = Math.max(...calls.map((one) => one.lastAt))
    const share = (rows * 1000) / (lastAt - firstAt) / allowed
    const refused = calls.reduce((sum, one) => sum + one.refused, 0)
    say(
      `  by account: ${accounts.map(({ provider }, index) => `${provider} ${rowsOf[index]} rows ${toPercent((calls[index]?.perSecond ?? 0) / rate)}`).join(', ')}`,
    )
    writeFileSync(
      join(benchFolder, 'bulk.svg'),
      toSvg({
        points,
        firstAt,
        rows,
        allowed,
        title: `${rows} rows over ${accounts.length} accounts: ${toPercent(share)} of ${allowed} creates/s`,
      }),
    )
    const isWhole = done.counts.succeeded === rows
    return [
      {
        figure: `drain over ${accounts.length} accounts`,
        measured: `${toPercent(share)} of the limits (${done.counts.succeeded} of ${rows} rows in ${toSeconds(lastAt - firstAt)}; ${(cpuMs / rows).toFixed(2)} ms worker CPU a row; load ${load})`,
        target: '95 % or more',
        baseline: `100 %: ${allowed} creates/s`,
        isOk: isWhole && share >= 0.95,
      },
      {
        figure: 'drain: refused with 429',
        measured: `${refused}`,
        target: '0',
        baseline: `${calls.reduce((sum, one) => sum + one.count, 0)} calls`,
        isOk: refused === 0,
      },
      {
        figure: 'drain: after the upload was whole',
        measured: `${toSeconds(lastAt - uploadedAt)}`,
        baseline: `${toSeconds((rows / allowed) * 1000)} at the limits from the first call on`,
      },
    ]
  } finally {
    await muster.close()
  }
}
