import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { pollUntil, startMuster } from '../stack.mjs'
import { loadNow, toPercent } from '../table.mjs'
import { readCalls } from './ledger.mjs'
import { providers, writeMixedNdjson } from './rows.mjs'

const LASTS_MS = 60_000
/** Of work, so that no account runs out of it before the end. */
const ENOUGH_SECONDS = 90

/**
 * The documented limits, as everybody has them who sets none, against simulators at the vendors' own; cut short after a
 * minute.
 */
export async function measureLimits({ stack, say, nodeOptions }) {
  const muster = await startMuster({ stack, nodeOptions })
  try {
    const accounts = []
    for (const provider of providers) {
      const id = await muster.connect(provider)
      const { limits } = await muster.call(
        'GET',
        `/unified/user-directory/users/meta/create?integrated_account_id=${id}`,
      )
      accounts.push({
        id,
        provider,
        callsPerSecond: limits.requests / limits.per_seconds,
        weight: limits.requests / limits.per_seconds / limits.calls_per_create,
      })
    }
    const rows = Math.ceil(accounts.reduce((sum, { weight }) => sum + weight, 0) * ENOUGH_SECONDS)
    const { file } = await writeMixedNdjson('limits', rows, accounts)
    await muster.startWorker()
    say(`limits: ${rows} rows at the real limits, cut short after ${LASTS_MS / 1000} s…`)
    const batch = await muster.upload(file, 'application/x-ndjson')
    rmSync(file, { force: true })
    await pollUntil(
      () => muster.call('GET', `/batches/${batch.id}`),
      ({ counts }) => counts.succeeded >= 1,
      { everyMs: 50, forMs: 30_000 },
    )
    await sleep(LASTS_MS)
    const until = Date.now()
    await muster.call('POST', `/batches/${batch.id}/cancel`)
    const load = loadNow()
    const found = []
    for (const { provider, callsPerSecond } of accounts) {
      const calls = await readCalls(muster, provider, until)
      const share = calls.perSecond / callsPerSecond
      found.push({
        figure: `${provider} at its real limit`,
        measured: `${toPercent(share)} used, ${calls.refused} refused (${calls.count} calls; load ${load})`,
        target: '95 %, 0 refused',
        baseline: `100 %: ${callsPerSecond} calls/s`,
        isOk: share >= 0.95 && calls.refused === 0,
      })
    }
    return found
  } finally {
    await muster.close()
  }
}
